"""A trace in a process of its own, and the command line; what goes wrong there is an answer, not a crash."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from gonogo.cli.memory import main
from gonogo.config.load import load
from gonogo.memory.events import Events
from gonogo.memory.request import ModelSource, TraceRequest
from gonogo.memory.trace_process import trace_in_child


def order(root: Path, **changes: object) -> TraceRequest:
    settings = load({"experiments": "cvs"}, root)
    config = settings.experiments["cvs"].model_copy(update=changes)
    return TraceRequest(experiment="cvs", experiment_config=config, training=settings.training("cvs"))


def test_the_shipped_experiment_is_traced(root: Path) -> None:
    found = trace_in_child(order(root))
    assert found.error == "" and found.guesses == [] and found.events is not None
    assert 0.5e6 < found.parameters < 1e6 and 30e6 < found.events.live_bytes().max() < 300e6


def test_time_memory_and_errors_are_told(root: Path) -> None:
    assert "longer than 0 s" in trace_in_child(order(root), limit_s=0.3).error
    broken = trace_in_child(order(root, experiment_class="experiments.nowhere:None"))
    assert broken.events is None and "no module" in broken.error
    small = trace_in_child(order(root), limit_bytes=1_000_000_000)
    assert small.events is None and small.error


def entry() -> Any:
    """A step as foreign code gives one."""
    import torch

    model = nn.Linear(1000, 1000)
    return model, torch.optim.Adam(model.parameters()), lambda batch: model(batch).sum(), torch.zeros(5, 1000)


def run(root: Path, *arguments: str) -> int:
    return main(["--root", str(root), "--entry", "tests.memory.test_trace_process:entry", *arguments])


def test_the_command_line_prints_what_the_peak_is_made_of(root: Path, capsys: Any, tmp_path: Path) -> None:
    events = tmp_path / "events.npz"
    assert run(root, "--accelerator", "h100", "--events", str(events)) == 0
    out = capsys.readouterr().out
    assert "optimizer state" in out and "8.0 MB" in out
    assert len(Events.load(events)) > 10


def test_the_command_line_speaks_json(root: Path, capsys: Any) -> None:
    assert run(root, "--accelerator", "h100", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["peak_phase"] == "optimizer" and found["needed_bytes"] > 16e6


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--experiment", "cvs", "--batch", "0"], "micro_batch_size"),
        (["--experiment", "cvs", "--accelerator", "abacus"], "abacus"),
        (["--model", "timm", "--batch", "1"], "LIBRARY:NAME"),
        (["--model", "timm:x", "--input", "3xa"], "--input 3xa"),
        (["--experiment", "cvs", "--precision", "16-mixed-up"], "precision"),
    ],
)
def test_wrong_arguments_are_told(root: Path, arguments: list[str], named: str, capsys: Any) -> None:
    assert main(["--root", str(root), *arguments]) == 2
    said = capsys.readouterr()
    assert named in said.err + said.out


def test_a_model_that_is_not_there_is_told(root: Path) -> None:
    found = trace_in_child(TraceRequest(model=ModelSource(name="torch.nn:NoSuchLayer", shape=(3,))))
    assert found.events is None and "NoSuchLayer" in found.error
