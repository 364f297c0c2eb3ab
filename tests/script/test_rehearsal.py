"""A script that was written for no workflow: its smoke run and its memory trace are the passes of `gonogo check`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from gonogo.forecast.forecast import Forecast
from gonogo.forecast.speed import Speed
from gonogo.gates import judging, registry
from gonogo.memory.judge import Measurements
from gonogo.remote.transfer import Saved
from gonogo.runtime.context import Run
from gonogo.script.learning_gate import Measurements as SeenScript
from gonogo.script.plans import LARGEST
from gonogo.stages.forecast import forecast
from gonogo.stages.freshness import InputDigests
from gonogo.stages.remote_run import saved_by
from gonogo.stages.smoke_train import smoke_train
from gonogo.stages.trace_memory import trace_memory
from gonogo.training.spec import TrainingResult
from gonogo.verdict import Status
from tests.stages.conftest import Files, stage_run

__all__ = ["stage_run"]

SCRIPT = """
import argparse
from pathlib import Path
import torch
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("folder")
parser.add_argument("--out")
parser.add_argument("--wrong", action="store_true")
parser.add_argument("--batch-size", type=int, default=8)
parser.add_argument("--width", type=int, default=16)
arguments = parser.parse_args()
torch.manual_seed(0)
device = "cuda" if torch.cuda.is_available() else "cpu"
words = sorted(Path(arguments.folder).rglob("*.txt"))
x = torch.randn(4 * len(words), 8)
y = (x[:, :1] > 0).float()
width = arguments.width
model = torch.nn.Sequential(torch.nn.Linear(8, width), torch.nn.ReLU(), torch.nn.Linear(width, 1)).to(device)
optimizer = torch.optim.Adam(model.parameters() if not arguments.wrong else model[0].parameters(), lr=0.05)
loader = DataLoader(TensorDataset(x, y), arguments.batch_size, shuffle=True)
for epoch in range(50):
    for inputs, targets in loader:
        loss = torch.nn.functional.binary_cross_entropy_with_logits(model(inputs.to(device)), targets.to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    torch.save(model.state_dict(), Path(arguments.out) / f"net_{epoch}.new")
    (Path(arguments.out) / f"net_{epoch}.new").rename(Path(arguments.out) / f"net_{epoch}.weights")
"""


@pytest.fixture
def watched(stage_run: Callable[..., Run], tmp_path: Path) -> Callable[..., Run]:
    """Gives the `Run` of a stage, for a command with these words after it."""
    for number in range(16):
        file = tmp_path / "corpora" / f"{number}.txt"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"the words of item {number}")
    (tmp_path / "train.py").write_text(SCRIPT)

    def run(stage: str, words: str = "", **more: str) -> Run:
        path = Path("config/experiments/mine.yaml")
        config = {key: value for key, value in yaml.safe_load(path.read_text()).items() if key in ("modes", "expected")}
        command = {"train": f"python train.py {{data}} --out {{out}}{words}", **more}
        path.write_text(yaml.safe_dump({**config, "command": command, "kind": "text", "data": "corpora"}))
        return stage_run(stage)

    return run


def rehearsed(run: Run) -> tuple[Files, list[str]]:
    folder = run.paths.experiment / "learning"
    outputs = Files(
        run=str(run.paths.smoke_train), measurements=folder / "measurements.json", speed=run.paths.speed,
        curve=str(run.paths.loss_curve),
    )  # fmt: skip
    before = sorted(path.name for path in run.settings.root.iterdir())
    smoke_train(run, Files(), outputs)
    after = sorted(path.name for path in run.settings.root.iterdir())
    assert after == sorted({*before, run.config.results_dir.name}), "something was written beside the script"
    gate = registry.gate("learning")
    measured = judging.measurements(gate, [outputs.measurements])
    assert measured.inputs_digest == InputDigests(run).of(gate)
    verdict, _ = judging.judge(gate, measured, run.gates, experiment="mine")
    return outputs, [check.id for check in verdict.checks if check.status is Status.NO_GO]


def test_the_smoke_run_watches_the_script(watched: Callable[..., Run]) -> None:
    run = watched("smoke_train")
    outputs, wrong = rehearsed(run)
    assert wrong == []
    result = TrainingResult.model_validate_json((Path(outputs.run) / "training.json").read_text())
    assert result.steps >= 50 and result.train_loss[-1] < result.train_loss[0]
    speed = Speed.model_validate_json(Path(outputs.speed).read_text())
    script = SeenScript.read(outputs.measurements).script
    assert script.reached.reload == "loaded" and script.reached.saved[0] == "net_0.weights"
    assert saved_by(run, "one") == Saved("one/out", ("net_*.weights", "*best*.weights"))
    assert speed.train_samples == 64 and speed.samples_per_step == 8 and speed.step_s > 0
    assert Path(outputs.curve).stat().st_size > 1000


def test_a_fault_in_its_wiring_is_named(watched: Callable[..., Run]) -> None:
    _, wrong = rehearsed(watched("smoke_train", " --wrong"))
    assert wrong


def test_its_memory_is_traced_without_an_entry_point(watched: Callable[..., Run], tmp_path: Path) -> None:
    run, out = watched("trace_memory", vary="--batch-size {}"), tmp_path / "results/measurements.json"
    trace_memory(run, Files(), Files(measurements=out))
    measured = Measurements.read(out)
    assert measured.estimate.parameters == 8 * 16 + 16 + 16 + 1 and measured.estimate.needed_bytes
    assert measured.inputs_digest == InputDigests(run).of(registry.gate("memory"))
    assert json.loads(out.read_text())["explored"]["candidates"][0]["fits"] is True
    found = measured.explored
    assert [size.micro_batch_size for size in found.sizes] == [4, 8] and found.largest_fitting == LARGEST * 8
    assert all(size.needed_bytes for size in found.sizes) and found.sizes[0].estimate != found.sizes[1].estimate
    named = {
        check.id: check
        for check in judging.judge(registry.gate("memory"), measured, run.gates, experiment="").verdict.checks
    }
    assert named["largest_batch"].value == LARGEST * 8 and "an hour" in str(named["cheapest_card"].value)


def test_its_forecast_is_that_of_the_whole_script(watched: Callable[..., Run], tmp_path: Path) -> None:
    run = watched("forecast", " --width 512", vary="")
    run.experiment_config.smoke.arguments = "--width 4"
    outputs, _ = rehearsed(run)
    memory, out = tmp_path / "results/measurements.json", tmp_path / "results/forecast.json"
    trace_memory(run, Files(), Files(measurements=memory))
    counted = Measurements.read(memory).explored.run
    assert counted is not None and counted.work is not None and counted.epoch_steps == 8
    assert counted.work.flop["fp32"] == pytest.approx(8 * 2 * 512 * (2 * 8 + 3), rel=0.1)
    forecast(run, Files(speed=outputs.speed, memory=memory), Files(forecast=out))
    unknown = Forecast.model_validate_json(out.read_text())
    assert unknown.steps is None and unknown.hours is None and "command.steps" in unknown.basis
