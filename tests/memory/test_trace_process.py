"""A trace in a process of its own, and the command line; what goes wrong there is an answer, not a crash."""

from __future__ import annotations

from pathlib import Path

from gonogo.config.load import load
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


def test_a_model_that_is_not_there_is_told(root: Path) -> None:
    found = trace_in_child(TraceRequest(model=ModelSource(name="torch.nn:NoSuchLayer", shape=(3,))))
    assert found.events is None and "NoSuchLayer" in found.error
