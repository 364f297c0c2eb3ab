"""The trace of a shipped experiment, in a process of its own; what goes wrong there is an answer, not a crash."""

from __future__ import annotations

from pathlib import Path

from gonogo.configload import load
from gonogo.memory.child import Order, trace_in_child


def order(root: Path, **changes: object) -> Order:
    settings = load({"experiments": "cvs"}, root)
    config = settings.experiments["cvs"].model_copy(update=changes)
    return Order(experiment="cvs", experiment_config=config, training=settings.training("cvs"))


def test_the_shipped_experiment_is_traced(root: Path) -> None:
    found = trace_in_child(order(root))
    assert found.error == "" and found.peak_bytes is not None
    assert 0.5e6 < found.parameters < 1e6 and 30e6 < found.peak_bytes < 300e6


def test_time_and_errors_are_told(root: Path) -> None:
    assert "longer than 0 s" in trace_in_child(order(root), limit_s=0.3).error
    broken = trace_in_child(order(root, experiment_class="experiments.nowhere:None"))
    assert broken.peak_bytes is None and "no module" in broken.error
