"""Each way of failing to learn is told apart, in the order in which one explains the next."""

from __future__ import annotations

import pytest

from gonogo.config import LearningGate
from gonogo.learning.ema import initial_share
from gonogo.learning.judge import Measurements, judge
from gonogo.verdict import Status, worst

HEALTHY = {
    "finite": True, "steps": 120, "first_loss": 0.5, "last_loss": 0.1, "val_steps": [60, 120], "val_loss": [0.2, 0.1],
    "overfit_ratio": 0.02, "input_mean": 0.45, "target_mean": 0.42, "output_mean": 0.41, "target_sigma": 0.2,
    "output_sigma": 0.19, "skill": 0.6, "skill_without_input": 0.0, "copy_skill": 0.7, "error": 0.02,
    "error_of_mean": 0.05, "error_of_copy": 0.015,
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({}, ""),
        ({"finite": False, "stopped": "the loss is nan at step 3", "last_loss": None, "skill": None}, "DIVERGING"),
        # the founding failure: everything is learned, and it is black
        ({"target_mean": 0.014, "output_mean": 0.014, "skill": 0.9, "last_loss": 0.03}, "DATA"),
        ({"overfit_ratio": 0.9, "skill": -0.8}, "WIRING"),
        ({"overfit_ratio": 1.0, "skill": 0.0}, "INPUT IGNORED"),  # it learned the mean, so it is wired
        ({"output_mean": 0.1, "output_sigma": 0.02, "skill": 0.05}, "UNDERTRAINED"),
        ({"skill": 0.02, "skill_without_input": 0.0}, "UNDERTRAINED"),
        ({"skill": 0.3, "skill_without_input": 0.29}, "INPUT IGNORED"),
    ],
)
def test_causes(changes: dict, cause: str) -> None:
    checks, found = judge(Measurements(**{**HEALTHY, **changes}), LearningGate())
    assert found == cause
    assert (worst(check.status for check in checks) is Status.GO) == (cause == "")
    assert all(check.why and check.hint for check in checks if check.status is Status.NO_GO)


def test_a_falling_loss_is_not_success() -> None:
    dark = Measurements(**{**HEALTHY, "target_mean": 0.02, "first_loss": 0.45, "last_loss": 0.02})
    checks, cause = judge(dark, LearningGate())
    fall = next(check for check in checks if check.id == "loss_fall")
    assert fall.value > 80 and cause == "DATA"
    assert "0.020 against 0.450" in next(check.why for check in checks if check.id == "target_brightness")


def test_a_moving_average_that_has_not_moved_is_a_warning() -> None:
    share = initial_share(0.9999, 1250, warmup=False)
    checks, cause = judge(Measurements(**{**HEALTHY, "steps": 1250, "ema_initial_share": share}), LearningGate())
    check = next(check for check in checks if check.id == "moving_average")
    assert check.status is Status.CAUTION and "88%" in check.why and cause == ""
    assert initial_share(0.9999, 1250, warmup=True) < 0.01
    warm = {**HEALTHY, "ema_initial_share": initial_share(0.9999, 1250, warmup=True)}
    assert worst(check.status for check in judge(Measurements(**warm), LearningGate())[0]) is Status.GO


def test_unmeasured_is_unknown() -> None:
    checks, _ = judge(Measurements(**{**HEALTHY, "skill": None}), LearningGate())
    assert {check.id: check.status for check in checks}["skill"] is Status.UNKNOWN
