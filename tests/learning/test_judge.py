"""Each way of failing to learn is distinguished, in the order in which one explains the next."""

from __future__ import annotations

from typing import Any

import pytest

from gonogo.config.gate_thresholds import LearningGate
from gonogo.learning.ema import initial_share
from gonogo.learning.judge import judge
from gonogo.learning.measurements import DataSummary, Evaluation, Gradients, Measurements, OneBatch
from gonogo.verdict import Status, status_of

LOOK = DataSummary(
    train_samples=272, held_out_samples=48, read_all=True, bad_inputs=0, bad_targets=0, input_mean=0.45,
    inputs_vary=True, targets_vary=True, comparable=True, zero=0, input_autocorrelation=None,
    target_autocorrelation=None, independence_p=0.004, exact_copies=0, near_copies=0, shared_groups=[],
    shared_group_count=0,
)  # fmt: skip
REACHED = Gradients(norms=[1.0] * 50, modules=3, unreached=[], blocked=[], starved_first=False, not_optimized=[])
HALF = REACHED.model_copy(update={"unreached": ["body.0"], "blocked": ["body.0"]})
ZEROS = REACHED.model_copy(update={"unreached": ["body.0"], "starved_first": True})


def one_batch(ratio: float, **changes: Any) -> OneBatch:
    return OneBatch(steps=200, ratio=ratio, **{"falling": False, "rose": False, "gradients": REACHED} | changes)


def evaluation(step: int, skill: float, **changes: float | None) -> Evaluation:
    known = {
        "step": step, "samples": 48, "error": 1 - skill, "error_of_mean": 1.0, "skill": skill,
        "skill_low": skill - 0.05, "skill_high": skill + 0.05, "skill_without_input": skill - 0.3,
        "output_mean": 0.41, "target_mean": 0.42, "output_sigma": 0.19, "target_sigma": 0.2, "output_change": 0.5,
    }  # fmt: skip
    return Evaluation(**{**known, **changes})


def course(*skills: float, **changes: Any) -> Measurements:
    """A run with these held-out skills, ten steps apart; `changes` are of its last evaluation, or of all."""
    evaluations = [evaluation(10 * index, skill) for index, skill in enumerate(skills)]
    last = {name: changes.pop(name) for name in list(changes) if name in Evaluation.model_fields}
    evaluations[-1] = evaluations[-1].model_copy(update=last)
    known = {
        "finite": True, "steps": evaluations[-1].step, "first_loss": 0.5, "last_loss": 0.1, "val_steps": [60, 120],
        "val_loss": [0.2, 0.1], "error_of_copy": 0.015, "data": LOOK, "one_batch": one_batch(0.02),
    }  # fmt: skip
    return Measurements(**{**known, "evaluations": evaluations, **changes})


def healthy(**changes: Any) -> Measurements:
    """A run that learned, and learned from its input."""
    return course(-1, 0.6, **{"skill_without_input": 0.0, "output_change": None} | changes)


@pytest.mark.parametrize(
    ("look", "skill", "cause"),
    [
        ({}, 0.5, ""),
        ({"bad_targets": 3}, 0.5, "DATA"),
        ({"targets_vary": False}, 0.5, "DATA"),
        ({"inputs_vary": False}, 0.0, "DATA"),
        ({"exact_copies": 2}, 0.5, "LEAKAGE"),
        ({"near_copies": 1}, 0.5, "LEAKAGE"),
        ({"shared_group_count": 1, "shared_groups": ["chelsea"]}, 0.5, "LEAKAGE"),
        ({"exact_copies": None, "near_copies": None}, 0.5, ""),
        ({"independence_p": 0.6}, 0.0, "DATA"),
        ({"independence_p": 0.6}, 0.5, ""),  # learned nevertheless
        ({"independence_p": None}, 0.0, "UNDERTRAINED"),
        ({"target_autocorrelation": 0.01, "input_autocorrelation": 0.8}, 0.0, "DATA"),
        ({"target_autocorrelation": 0.01, "input_autocorrelation": 0.8}, 0.5, ""),
        ({"target_autocorrelation": 0.01, "input_autocorrelation": 0.02}, 0.0, "UNDERTRAINED"),
    ],
)
def test_what_the_data_shows(look: dict, skill: float, cause: str) -> None:
    measured = healthy(skill=skill, skill_without_input=-0.2, data=LOOK.model_copy(update=look))
    checks, found = judge(measured, LearningGate())
    assert found == cause, [(check.id, check.why) for check in checks if check.why]
    if "shared_groups" in look:
        assert "chelsea" in next(check.why for check in checks if check.id == "leakage")


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({}, ""),
        ({"finite": False, "stopped": "the loss is nan at step 3", "last_loss": None, "skill": None}, "DIVERGING"),
        # the founding failure: everything is learned, and it is black
        ({"target_mean": 0.014, "output_mean": 0.014, "skill": 0.9, "last_loss": 0.03}, "DATA"),
        ({"one_batch": one_batch(0.9), "skill": -0.8}, "WIRING"),
        ({"one_batch": one_batch(1.0), "skill": 0.0}, "INPUT IGNORED"),  # it learned the mean, so it is wired
        ({"output_mean": 0.1, "output_sigma": 0.02, "skill": 0.05}, "UNDERTRAINED"),
        ({"skill": 0.02, "skill_without_input": 0.0}, "UNDERTRAINED"),
    ],
)
def test_causes(changes: dict, cause: str) -> None:
    checks, found = judge(healthy(**changes), LearningGate())
    assert found == cause
    assert (status_of(checks) is Status.GO) == (cause == "")
    assert all(check.why and check.hint for check in checks if check.status is Status.NO_GO)


def test_a_falling_loss_is_not_success() -> None:
    dark = healthy(target_mean=0.02, first_loss=0.45, last_loss=0.02)
    checks, cause = judge(dark, LearningGate())
    fall = next(check for check in checks if check.id == "loss_fall")
    assert fall.value > 80 and cause == "DATA"
    assert "0.020 against 0.450" in next(check.why for check in checks if check.id == "target_brightness")


def test_a_moving_average_that_has_not_moved_is_a_warning() -> None:
    share = initial_share(0.9999, 1250, warmup=False)
    checks, cause = judge(healthy(steps=1250, ema_initial_share=share), LearningGate())
    check = next(check for check in checks if check.id == "moving_average")
    assert check.status is Status.CAUTION and "88%" in check.why and cause == ""
    assert initial_share(0.9999, 1250, warmup=True) < 0.01
    warm = healthy(ema_initial_share=initial_share(0.9999, 1250, warmup=True))
    assert status_of(judge(warm, LearningGate())[0]) is Status.GO


def test_unmeasured_is_unknown() -> None:
    checks, _ = judge(healthy(skill=None), LearningGate())
    assert {check.id: check.status for check in checks}["skill"] is Status.UNKNOWN


@pytest.mark.parametrize(
    ("measured", "cause"),
    [
        # one batch is not fitted: what else was tried tells why
        (course(-1, -0.9, one_batch=one_batch(0.9)), "WIRING"),
        (course(-1, -0.9, one_batch=one_batch(0.9, **{"falling": True})), "UNDERTRAINED"),
        (
            course(-1, -1, one_batch=one_batch(0.9, **{"other_rate": 100.0, "other_ratio": 0.1})),
            "UNDERTRAINED",
        ),
        (
            course(-1, -1, one_batch=one_batch(9.0, **{"other_rate": 0.01, "other_ratio": 0.1})),
            "DIVERGING",
        ),
        (course(-1, -1, one_batch=one_batch(9.0, **{"rose": True})), "DIVERGING"),
        # a model with skill is wired, whatever one batch says
        (course(-1, 0.2, 0.5, 0.6, one_batch=one_batch(0.3)), ""),
        # gradients
        (course(-1, 0.3, gradients=HALF), "WIRING"),
        (course(-1, 0.0, one_batch=one_batch(1.0), gradients=ZEROS), "INPUT IGNORED"),
        (course(-1, 0.3, gradients=REACHED.model_copy(update={"not_optimized": ["head"]})), "WIRING"),
        # out of control, with finite losses
        (course(-1, -4, -9), "DIVERGING"),
        (course(-1, 0.2, 0.6, 0.6, 0.1), "DIVERGING"),
        (course(-0.2, -0.1, -0.1, first_loss=1.0, peak_loss=400.0), "DIVERGING"),
        (course(-0.2, -0.1, gradients=REACHED.model_copy(update={"norms": [1.0] * 20 + [1e4] * 20})), "DIVERGING"),
        (course(-0.2, 0.0, output_change=0.0), "DIVERGING"),  # it saw its input before the first step
        # too early to tell
        (course(-0.9, -0.8, -0.7, -0.6, -0.5, -0.4), "UNDERTRAINED"),
        (course(0.14, 0.15, 0.17, skill_without_input=0.16), "UNDERTRAINED"),  # it was there before the first step
        (course(0.85, 0.86, 0.86, 0.86), ""),  # a pretrained model, which takes its input
        # learned, and not from the input
        (course(-1, 0.1, 0.3, 0.4, 0.4, 0.4, 0.4, 0.4, skill_without_input=0.39), "INPUT IGNORED"),
        (course(-1, 0.1, 0.2, 0.3, 0.35, 0.4, 0.45, 0.5, skill_without_input=0.49), ""),  # it still rises
    ],
)
def test_causes_of_a_course(measured: Measurements, cause: str) -> None:
    checks, found = judge(measured, LearningGate())
    if not cause:
        assert status_of(checks).passes, [c for c in checks if not c.status.passes]
    assert found == cause, [(check.id, check.why) for check in checks if check.why]


def test_small_outputs_of_a_noisy_target_are_a_warning_and_those_that_still_grow_are_not() -> None:
    end = {"output_sigma": 0.08, "skill_low": 0.1, "skill_high": 0.3}
    checks, cause = judge(course(-1, 0.15, 0.2, 0.2, **end, calibration=1.0), LearningGate())
    assert cause == "" and {c.id: c.status for c in checks}["output_statistics"] is Status.CAUTION
    assert judge(course(-1, 0.15, 0.2, 0.2, **end, calibration=3.0), LearningGate())[1] == "UNDERTRAINED"


def test_means_near_zero_are_compared_in_spreads() -> None:
    unlike = LOOK.model_copy(update={"comparable": False})
    standardised = course(-1, 0.5, target_mean=-0.002, output_mean=0.03, data=unlike)
    assert judge(standardised, LearningGate())[1] == ""


def test_a_loss_that_rises_again_is_not_converged() -> None:
    checks, cause = judge(course(-1, 0.5, val_steps=[300, 1500], val_loss=[0.0732, 0.0860]), LearningGate())
    check = next(check for check in checks if check.id == "convergence")
    assert check.status is Status.CAUTION and check.value == "rising" and "0.086" in check.why and cause == ""


def test_validation_far_better_than_training_is_a_warning() -> None:
    for seen, status in ((0.3, Status.CAUTION), (0.55, Status.GO), (0.9, Status.GO)):
        checks, cause = judge(healthy(seen_skill=seen), LearningGate())
        found = next(check for check in checks if check.id == "held_out_easier")
        assert found.status is status and cause == ""
        assert ("validation is far better than training" in found.why) == (status is Status.CAUTION)


@pytest.mark.parametrize(
    ("variety", "changes", "cause"),
    [
        ((0.1, 0.9), {}, ""),
        ((0.0, 0.0), {}, "INPUT IGNORED"),  # its noise is never used
        ((0.4, 0.0), {"skill": 0.0}, "DIVERGING"),  # it has collapsed
        ((0.4, 0.3), {}, ""),  # a warning
        ((0.4, 0.4), {"skill": -0.5, "one_batch": one_batch(2.0, first_ratio=0.9, loss_fell=0.9)}, "WIRING"),
        ((0.4, 0.4), {"skill": 0.0, "one_batch": one_batch(0.9)}, "UNDERTRAINED"),
        ((0.4, 0.9), {"one_batch": one_batch(0.6)}, ""),
    ],
)
def test_a_generator_is_asked_about_its_samples_not_about_pairs(
    variety: tuple[float, float], changes: dict, cause: str
) -> None:
    look = LOOK.model_copy(update={"paired": False, "independence_p": None})
    measured = healthy(**{"skill_without_input": None, "calibration": None, "data": look} | changes)
    ends = zip((measured.evaluations[0], measured.evaluations[-1]), variety, strict=True)
    measured = measured.model_copy(
        update={"evaluations": [found.model_copy(update={"variety": value}) for found, value in ends]}
    )
    checks, found = judge(measured, LearningGate())
    assert found == cause, [(check.id, check.why) for check in checks if check.why]
    assert {"input_used", "pairing"}.isdisjoint(check.id for check in checks)
    assert not any(check.status is Status.UNKNOWN and not check.grey for check in checks)
