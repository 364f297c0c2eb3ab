"""Faults of EEG that ship as configurations: each is stopped by its gate, with its cause, before it costs anything."""

from __future__ import annotations

import pytest

from gonogo.verdict import Status, Verdict
from tests.workflow.conftest import Site


@pytest.mark.parametrize(
    ("experiment", "told"),
    [
        ("eeg_railed", "at the rail"),
        ("eeg_flat", "2 of 8 channels flat"),
        ("eeg_nan", "of samples NaN or infinite"),
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
    assert "trace_memory" not in fresh.stages("eeg_leak")


@pytest.mark.slow
def test_the_whole_chain_goes_and_learns(fresh: Site) -> None:
    done = fresh.run("--config", "experiments=eeg", timeout_s=600)
    assert done.returncode == 0, done.stderr
    verdict = Verdict.read(fresh.folder / "results/eeg/validate/results/verdict.json")
    skill = next(check.value for check in verdict.checks if check.id == "skill")
    assert verdict.status.passes and isinstance(skill, float) and skill > 0.2


@pytest.mark.slow
def test_a_minimal_run_finishes_and_is_no_result(fresh: Site) -> None:
    done = fresh.run("--config", "experiments=eeg", "mode=minimal", timeout_s=600)
    assert done.returncode == 0, done.stderr
    verdict = Verdict.read(fresh.folder / "results/eeg/minimal/results/verdict.json")
    assert verdict.status is Status.CAUTION and "not a result" in verdict.summary
    assert "not a result" in (fresh.folder / "results/eeg/minimal/report/report.html").read_text()
