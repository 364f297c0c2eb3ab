"""Is the smoke run learning, and the right thing? One cause, found by ordered tests.

A falling loss proves nothing: it fell in every bad case that was tried (dark targets, shuffled pairs, noise,
ignored input). What separates them is what the outputs are compared with. The same judge goes along with the paid run.
"""

from __future__ import annotations

from collections.abc import Callable

from gonogo.config.gate_thresholds import LearningGate
from gonogo.learning import data_checks, empty_checks, loss_checks, model_checks, progress_checks, step_checks
from gonogo.learning.measurements import Measurements
from gonogo.verdict import Check, Status

__all__ = ["Measurements", "judge"]

Test = Callable[[Measurements, LearningGate], tuple[Check, str] | None]

# in the order in which they explain each other: the first that fails names the cause
TESTS: tuple[Test, ...] = (
    data_checks.readable,
    empty_checks.outside,
    empty_checks.unsupervised,
    step_checks.targets,
    step_checks.last_batch,
    model_checks.finite,
    data_checks.brightness,
    data_checks.variety,
    data_checks.variety_of_inputs,
    empty_checks.blank,
    data_checks.noise,
    data_checks.repeated,
    data_checks.held_out_alike,
    data_checks.given_away,
    step_checks.causal,
    data_checks.leakage,
    step_checks.same_batch,
    data_checks.held_out_easier,
    step_checks.shapes,
    step_checks.loss_input,
    step_checks.constant_loss,
    step_checks.cleared,
    step_checks.weight_decay,
    model_checks.connected,
    step_checks.weight_change,
    step_checks.schedule,
    step_checks.batch_norm,
    model_checks.loss_of_outputs,
    progress_checks.samples_vary,
    model_checks.stable,
    data_checks.pairing,
    model_checks.one_batch,
    model_checks.input_used,
    progress_checks.outputs,
    progress_checks.skill,
    progress_checks.convergence,
    progress_checks.average,
    progress_checks.loss,
)
# of a command
LOSS_TESTS: tuple[Test, ...] = (
    model_checks.finite,
    loss_checks.train_falls,
    loss_checks.val_falls,
    *loss_checks.UNSEEN,
)


def answers(measured: Measurements, gate: LearningGate) -> list[tuple[Check, str]]:
    """Each check with the cause that it names where it is NO-GO; what was not measured at all is left out."""
    tests = TESTS if measured.curve is None else LOSS_TESTS
    return [answer for test in tests if (answer := test(measured, gate)) is not None]


def judge(measured: Measurements, gate: LearningGate) -> tuple[list[Check], str]:
    """Checks in the order in which they explain each other, and the first cause that they name."""
    found = answers(measured, gate)
    cause = next((name for check, name in found if check.status is Status.NO_GO), "")
    return [check for check, _ in found], cause
