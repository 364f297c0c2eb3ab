"""The critical items of a launch, computed for an experiment and shown in its checklist."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from gonogo.config.gate_thresholds import LaunchGate
from gonogo.config.load import load
from gonogo.experiment.load import load_experiment, load_experiments_or_exit
from gonogo.gates.launch import Item, Measurements, judge
from gonogo.quality.workers import available_cores
from gonogo.runtime.context import Run
from gonogo.stages import critical_items as stage_module
from gonogo.stages.critical_items import critical_items, devices_here, one_machine, scripts
from gonogo.stages.freshness import InputDigests
from tests.conftest import ROOT
from tests.stages.test_canary import ANY


@pytest.fixture
def ready(stage_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> Run:
    run = stage_run("measure_launch")
    for shard in run.shards:
        shard.mkdir(parents=True)
        (shard / "item_0.txt").write_text("words")
    monkeypatch.setattr(stage_module, "verdicts_hold", lambda digests: Item(name="Verdicts", ok=True, detail=""))
    return run


def items_of(run: Run) -> dict[str, Item]:
    return {item.name: item for item in critical_items(InputDigests(run))}


def test_the_table_has_a_row_for_what_the_run_cannot_do_without(ready: Run) -> None:
    found = items_of(ready)
    assert list(found)[:8] == [
        "Verdicts", "Data set", "Training script", "Inference script", "Flags of the training command",
        "Pretrained files", "Packages on this machine",
        "Packages that the machine installs",
    ]  # fmt: skip
    assert all(item.ok for item in found.values()), found
    assert found["Data set"].detail.endswith("2 folders, 2 files, 10 bytes")
    assert found["Training script"].detail == found["Inference script"].detail == "my/script.py"


@pytest.mark.parametrize(
    ("row", "gone"),
    [
        ("Data set", "results/mine/dataset/shard_1"), ("Training script", "my/script.py"),
        ("Inference script", "my/script.py"), ("Packages that the machine installs", "needs.txt"),
        ("Checkpoint that training begins with", "start.ckpt"),
    ],
)  # fmt: skip
def test_what_is_deleted_fails_its_row_and_refuses_the_launch(
    ready: Run, row: str, gone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("needs.txt").write_text("torch\n")
    Path("start.ckpt").write_bytes(b"weights")
    ready.settings.experiments["mine"].requirements = Path("needs.txt")
    config = ready.experiment_config
    experiment = load_experiment("mine", config, ready.settings.root)
    experiment.starts_from = Path("start.ckpt")
    ready.settings.experiments["mine"] = config.model_copy(update={"starts_from": "earlier"})
    experiment.config = ready.experiment_config
    monkeypatch.setattr(Run, "load_experiment", lambda run: experiment)
    digests = InputDigests(ready)
    before = {item.name: item for item in critical_items(digests)}
    assert before[row].ok, before[row]
    shutil.rmtree(gone) if Path(gone).is_dir() else Path(gone).unlink()
    after = {item.name: item for item in critical_items(digests)}
    assert not after[row].ok and Path(gone).name in after[row].detail
    measured = Measurements(
        items=list(after.values()), expected_statement="skill", hours=ANY, usd=ANY, usd_per_hour=0, budget_usd=10,
        max_hours=10, approval=None, sample_digest="",
    )  # fmt: skip
    checks, cause = judge(measured, LaunchGate())
    assert cause == "CHECKLIST" and f"{row}: {after[row].detail}" in checks[0].why


def test_more_devices_than_the_machine_has_are_a_no_go_in_one_sentence() -> None:
    here, card = (load({"experiments": "cvs", "target": name}, ROOT).accelerator for name in ("local", "h200"))
    assert devices_here(1, here) == devices_here(10_000, card) == []
    assert devices_here(available_cores(), here)[0].ok
    (item,) = devices_here(available_cores() + 1, here)
    asked = available_cores() + 1
    assert not item.ok and item.detail == (
        f"training.devices asks for {asked} devices, and the machine has {asked - 1}: set training.devices: "
        f"{asked - 1}, or choose a target with {asked}"
    )


def test_several_machines_are_a_no_go_in_one_sentence() -> None:
    assert one_machine(1) == []
    (item,) = one_machine(2)
    assert not item.ok and item.detail == (
        "training.num_nodes asks for 2 machines, and the agent starts a run on one: set num_nodes: 1, and devices to "
        "the cards of a machine"
    )


def test_a_script_that_is_not_sent_is_named(ready: Run) -> None:
    Path("tools").mkdir()
    Path("tools/train.py").write_text("")
    command = ready.experiment_config.command
    assert command is not None
    line = command.train.replace("my/script.py", "tools/train.py")
    config = ready.experiment_config.model_copy(update={"command": command.model_copy(update={"train": line})})
    item = scripts("Training script", load_experiment("mine", config, ready.settings.root), of_inference=False)
    assert not item.ok and item.detail == "tools/train.py: not among the files that are sent; name it in `code`"


def test_of_a_class_its_own_modules_are_looked_at_those_of_predictions_apart(tmp_path: Path) -> None:
    settings = load({"experiments": "cvs"}, ROOT)
    cvs = load_experiment("cvs", settings.experiments["cvs"], ROOT)
    training, inference = ({file.name for file in cvs.scripts(of_inference=one)} for one in (False, True))
    assert {"experiment.py", "module.py", "data.py", "generate.py"} <= training and "predict.py" not in training
    assert "predict.py" in inference
    assert all(file.exists() for one in (False, True) for file in cvs.scripts(of_inference=one))


def test_the_workflow_stops_before_anything_is_made(stage_run: Callable[..., Run]) -> None:
    run = stage_run("prepare")
    declared = "p.add_argument('words', nargs='*'); p.add_argument('--lr')"
    Path("my/script.py").write_text(f"import argparse\np = argparse.ArgumentParser()\n{declared}\np.parse_args()\n")
    with pytest.raises(SystemExit, match=r"mine.yaml: command.train: my/script.py takes no --from"):
        load_experiments_or_exit(load({"experiments": "mine", "mode": "mine"}, run.settings.root))
