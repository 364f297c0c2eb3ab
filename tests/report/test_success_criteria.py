"""Success criteria: open before a run, ticked from what it left, and failed where that says so."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from gonogo.cli.main import main
from gonogo.report.success_criteria import criteria, files_to_monitor
from gonogo.training.lightning_run import train_lightning
from gonogo.training.spec import RunSpec
from gonogo.verdict import Status
from tests.conftest import ROOT
from tests.toy import config, toy


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """What a real short run leaves behind."""
    lines: list[str] = []
    spec = RunSpec(
        experiment="toy", experiment_config=config(), training=config().training, data=[], seed=0, max_steps=60
    )
    result, _, _ = train_lightning(toy(), spec, tmp_path / "out", lines.append)
    (tmp_path / "out" / "training.json").write_text(result.model_dump_json())
    (tmp_path / "log.txt").write_text("\n".join([*lines, "training ended: 60 steps in 1 s; finished"]) + "\n")
    return tmp_path


def checklist(run: Path) -> str:
    return "\n".join(criterion.box for criterion in criteria(run))


def test_before_the_run_every_box_is_open(tmp_path: Path) -> None:
    found = criteria(tmp_path / "not there yet")
    assert len(found) == 6 and all(criterion.status is Status.UNKNOWN for criterion in found)
    assert "[x]" not in checklist(tmp_path) and checklist(tmp_path).count("pending") == 6


def test_after_it_they_are_ticked_from_evidence(run: Path) -> None:
    found = {criterion.name: criterion for criterion in criteria(run)}
    assert all(criterion.status is Status.GO for criterion in found.values()), checklist(run)
    assert "→" in found["Loss falls"].evidence and "last.ckpt" in found["Checkpoints are saved"].evidence
    assert checklist(run).count("[x]") == 6


def test_half_way_only_what_is_proven_is_ticked(run: Path) -> None:
    (run / "out" / "training.json").unlink()
    (run / "log.txt").write_text("step 1/60  loss 0.5\n")
    status = {criterion.name: criterion.status for criterion in criteria(run)}
    assert status["Data loads and the model takes its first step"] is Status.GO
    assert status["Loss falls"] is status["Training ends by itself"] is Status.UNKNOWN


def test_what_is_still_on_the_machine_is_not_missing(run: Path) -> None:
    shutil.move(run / "out/checkpoints", run / "kept")
    shutil.rmtree(run / "out")
    boxes = {criterion.name: criterion for criterion in criteria(run)}
    assert boxes["Checkpoints are saved"].status is Status.UNKNOWN, "its log says that it ended"
    (run / "kept").rename(run / "checkpoints")  # where they are downloaded while it trains
    boxes = {criterion.name: criterion for criterion in criteria(run)}
    assert boxes["Checkpoints are saved"].status is Status.GO, boxes


@pytest.mark.parametrize(
    ("line", "failed"),
    [
        ("ModuleNotFoundError: No module named 'h5py'", "Training starts without import errors"),
        ("step 3/60  loss nan", "The log raises no red flag"),
    ],
)
def test_a_fault_fails_its_criterion(run: Path, line: str, failed: str) -> None:
    (run / "log.txt").write_text((run / "log.txt").read_text() + line + "\n")
    found = next(criterion for criterion in criteria(run) if criterion.name == failed)
    assert found.status is Status.NO_GO and "FAILED" in found.box and "[ ]" in found.box


def test_a_loss_that_rises_is_not_ticked(run: Path) -> None:
    result = json.loads((run / "out/training.json").read_text())
    result["train_loss"] = result["train_loss"][::-1]
    (run / "out/training.json").write_text(json.dumps(result))
    assert next(c for c in criteria(run) if c.name == "Loss falls").status is Status.NO_GO


def test_all_files_to_monitor_are_there(run: Path) -> None:
    found = files_to_monitor(run)
    assert {path.name for path, _ in found} >= {"log.txt", "metrics.csv", "checkpoints", "training.json"}
    assert all(path.exists() and asks for path, asks in found)
    assert files_to_monitor(run / "elsewhere") == []


def test_gonogo_review_tells_it_all(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["review", str(run)]) == 0
    said = capsys.readouterr().out
    assert "🟢 training ran to its end" in said and "[x] Loss falls" in said and str(run / "log.txt") in said
    (run / "log.txt").write_text("CUDA out of memory\n")
    assert main(["review", str(run)]) == 1
    assert main(["review", str(run / "out")]) == 2


@pytest.mark.parametrize("forged", ["{", "[]", '{"stopped": "\\u001b[2J"}', '{"steps": "many"}'])
def test_a_result_that_training_did_not_write_fails_and_cannot_draw(
    run: Path, forged: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (run / "out" / "training.json").write_text(forged)
    (run / "log.txt").write_text("\x1b]0;owned\x07step 1/60 \x1b[2J loss nan\n")
    assert main(["review", str(run)]) == 1
    said = capsys.readouterr()
    assert "FAILED: out/training.json is not what training writes" in said.out
    assert "\x1b" not in said.out and "Traceback" not in said.err


def test_the_boxes_of_an_experiment_are_open_before_its_run_and_ticked_after(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    shutil.copytree(ROOT / "config", site / "config")
    monkeypatch.chdir(site)
    assert main(["review", "cvs"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("cvs: no run was downloaded yet") and said.count("- [ ]") == 6 and "pending" in said
    report = site / "results/cvs/validate/download/archive.json"
    report.parent.mkdir(parents=True)
    report.write_text(json.dumps({"folder": str(run)}))
    assert main(["review", "cvs"]) == 0
    assert "[x] Loss falls" in capsys.readouterr().out
