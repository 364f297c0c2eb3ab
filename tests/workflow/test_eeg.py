"""Faults of EEG that ship as configurations: each is stopped by its gate, with its cause, before it costs anything."""

from __future__ import annotations

import json

import pytest
import yaml

from gonogo.verdict import Status, Verdict
from tests.conftest import ROOT
from tests.workflow.conftest import Site


@pytest.mark.parametrize(
    ("experiment", "told"),
    [
        pytest.param("eeg_railed", "at the rail", marks=pytest.mark.slow),
        pytest.param("eeg_flat", "2 of 8 channels flat", marks=pytest.mark.slow),
        pytest.param("eeg_nan", "of samples NaN or infinite", marks=pytest.mark.slow),
        ("eeg_cut", "4 of 8 chunks were never written: an interrupted write"),
    ],
)
def test_a_fault_of_the_recordings_is_stopped_on_the_sample(fresh: Site, experiment: str, told: str) -> None:
    done = fresh.run("--config", f"experiments={experiment}", timeout_s=120)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    verdict = Verdict.read(fresh.folder / f"results/{experiment}/quality/sample/verdict.json")
    assert verdict.status is Status.NO_GO and verdict.cause == "DATA"
    assert any(told in check.why for check in verdict.failed), verdict.failed
    assert "dataset" not in fresh.stages(experiment)


@pytest.mark.slow
def test_subjects_on_both_sides_are_stopped_by_the_learning_gate(fresh: Site) -> None:
    done = fresh.run("--config", "experiments=eeg_leak", timeout_s=200)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    verdict = Verdict.read(fresh.folder / "results/eeg_leak/learning/verdict.json")
    assert verdict.status is Status.NO_GO and verdict.cause == "LEAKAGE"
    assert any("groups are on both sides (sub-" in check.why for check in verdict.failed)
    assert "judge_memory" not in fresh.stages("eeg_leak")


@pytest.mark.slow
@pytest.mark.chain
def test_the_whole_chain_goes_and_learns(fresh: Site) -> None:
    done = fresh.run("--config", "experiments=eeg", timeout_s=600)
    assert done.returncode == 0, done.stderr
    verdict = Verdict.read(fresh.folder / "results/eeg/validate/results/verdict.json")
    skill = next(check.value for check in verdict.checks if check.id == "skill")
    assert verdict.status.passes and isinstance(skill, float) and skill > 0.2


SMALL = {
    "extends": "eeg",
    "dataset_items": 24,
    "settings": {
        "data": {"channels": 4, "window_samples": 64, "windows": 4},
        "model": {"kernel": 16, "late_kernel": 4},
    },
    "smoke": {"steps": 12, "overfit_steps": 8, "max_extension": 1},
    "modes": {"validate": {"training": {"epochs": 4}, "result": False}},
    # few steps teach little: what is tested here is the fallback
    "gates": {
        "learning": {
            "max_overfit_ratio": 10, "min_skill": -10, "min_input_skill": -10, "output_mean_range": [-99, 99],
            "max_output_mean_shift": 99, "min_output_sigma_ratio": 0,
        },
        "canary": {"steps": 4},
    },
}  # fmt: skip


@pytest.mark.slow
def test_a_forced_card_that_aborts_ends_in_a_result_from_the_cpu_and_in_yellow(fresh: Site) -> None:
    (fresh.folder / "config/experiments/small.yaml").write_text(yaml.safe_dump(SMALL))
    target = {
        "connection": {"kind": "embedded"}, "accelerator": "rx_5600_xt", "device": "accelerator", "python": "this",
        "environment": {
            "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "tests/health/device"),
            "ABORT_AT": "2",
        },
    }  # fmt: skip
    (fresh.folder / "config/targets/forced.yaml").write_text(yaml.safe_dump(target))
    done = fresh.run("--config", "experiments=small", "target=forced", timeout_s=500)
    assert done.returncode == 0, done.stderr
    assert "YELLOW: the device aborted, and the CPU goes on" in done.stderr and "5 to 10 times" in done.stderr
    folder = fresh.folder / "results/small/validate"
    canary = Verdict.read(folder / "canary/verdict.json")
    assert canary.status is Status.CAUTION and "the CPU took them up" in canary.summary
    ran = json.loads((folder / "cloud_train/run.json").read_text())
    assert [(a["cause"], a["cpu"]) for a in ran["exit"]["attempts"]] == [("aborted", False), ("finished", True)]


@pytest.mark.slow
def test_a_minimal_run_on_dummy_data_is_no_result_and_says_dummy_everywhere(fresh: Site) -> None:
    config = SMALL | {"dummy_data": True, "modes": {"minimal": {"training": {"epochs": 1}, "result": False}}}
    (fresh.folder / "config/experiments/dummy.yaml").write_text(yaml.safe_dump(config))
    done = fresh.run("--config", "experiments=dummy", "mode=minimal", timeout_s=500)
    assert done.returncode == 0, done.stderr
    folder = fresh.folder / "results/dummy"
    verdicts = [Verdict.read(path) for path in folder.rglob("verdict.json")]
    assert len(verdicts) >= 8 and not any(verdict.status is Status.GO for verdict in verdicts)
    assert all("dummy_data" in [check.id for check in verdict.checks] for verdict in verdicts)
    (archive,) = (fresh.folder / "archive/dummy").glob("[!.]*")
    assert archive.name.endswith("_dummy")
    assert "dummy data" in (folder / "minimal/launch/preflight.md").read_text()
    report = (folder / "minimal/report/report.html").read_text()
    assert "dummy data" in report and "not a result" in report
