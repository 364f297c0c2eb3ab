"""Projects as they are, each checked in one call: healthy ones pass, and faults are named; a few lines are written."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch

from gonogo.verdict import Check, Verdict
from tests.adapters import experiments, projects

MOST_LINES = {"regression": 10, "classification": 10, "segmentation": 10, "language": 10, "transformer": 2, "module": 3}
"""Of the user's, for each kind of project."""


def checked(name: str, fault: str = "", **options: Any) -> Verdict:
    torch.manual_seed(0)
    make: Callable[..., Any] = getattr(experiments, name)
    return make(fault).check(name=name, steps=100, overfit_steps=120, show=False, **options)


def found(verdict: Verdict) -> dict[str, tuple[Any, str]]:
    return {check.id: (check.value, check.why) for check in verdict.checks}


def check(verdict: Verdict, name: str) -> Check:
    return next(check for check in verdict.checks if check.id == name)


@pytest.mark.parametrize("name", MOST_LINES)
def test_a_healthy_project_passes_in_a_few_lines(name: str) -> None:
    lines = inspect.getsource(getattr(experiments, name)).splitlines()[1:]  # without `def`
    assert len(lines) <= MOST_LINES[name]
    verdict = checked(name, card="h100")
    assert verdict.go and not verdict.cause, found(verdict)
    asked = {"data_finite", "leakage", "gradients", "stability", "pairing", "overfit_one_batch", "input_used", "skill"}
    assert asked | {"peak_memory"} <= found(verdict).keys()
    assert check(verdict, "skill").value > 0.2 and 0.3 < check(verdict, "peak_memory").value < 2


@pytest.mark.parametrize("name", MOST_LINES)
def test_targets_of_other_samples_are_called_data(name: str) -> None:
    verdict = checked(name, "labels")
    assert (verdict.status, verdict.cause) == ("NO_GO", "DATA"), found(verdict)


@pytest.mark.parametrize("name", MOST_LINES)
def test_a_hundredfold_learning_rate_is_called_diverging(name: str) -> None:
    verdict = checked(name, "rate")
    assert (verdict.status, verdict.cause) == ("NO_GO", "DIVERGING"), found(verdict)


def test_what_was_given_stays_as_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    model, (train, held_out) = projects.perceptron(), projects.table()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    import gonogo

    verdict = gonogo.torch(
        model=model, optimizer=optimizer, loss=torch.nn.MSELoss(), loaders=(train, held_out)
    ).check(steps=20, overfit_steps=20)  # fmt: skip
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not optimizer.state and torch.equal(state, torch.get_rng_state()) and model.training
    said = capsys.readouterr().out
    assert "20 steps in" in said and f"{verdict.status.label} · check · experiment" in said
