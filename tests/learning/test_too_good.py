"""Too good to be true: the input holds the answer, the split cuts one recording, or the figures cannot say anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from gonogo.config.gate_thresholds import LearningGate
from gonogo.learning.data_summary import sample_data
from gonogo.learning.judge import judge
from gonogo.learning.measurements import DataSummary
from gonogo.verdict import Check, Status
from tests.learning.test_judge import healthy, one_batch
from tests.toy import PairData, toy

TRAIN, ALL = 160, 200
Arrays = tuple[np.ndarray, np.ndarray]


def looked_at(x: np.ndarray, y: np.ndarray, train: int = TRAIN) -> DataSummary:
    """What the gate measures of it, before any training."""
    x, y = (torch.from_numpy(np.ascontiguousarray(part, dtype=np.float32)) for part in (x, y))
    sets = [torch.utils.data.TensorDataset(x[part], y[part]) for part in (slice(train), slice(train, None))]
    return sample_data(toy(), PairData(*sets, 16)).summary


def stopped(data: DataSummary) -> tuple[str, dict[str, Check]]:
    checks, cause = judge(healthy(data=data.model_copy(update={"comparable": False})), LearningGate())
    return cause, {check.id: check for check in checks}


def table(random: np.random.Generator) -> Arrays:
    x = random.normal(size=(ALL, 12))
    return x, x @ random.normal(size=(12, 1)) + 0.4 * random.normal(size=(ALL, 1))


def pictures(random: np.random.Generator) -> Arrays:
    clean = random.random((ALL, 1, 16, 16)).astype(np.float32)
    clean = (clean + np.roll(clean, 1, -1) + np.roll(clean, 1, -2)) / 3
    return clean + 0.1 * random.normal(size=clean.shape), clean


def windows(random: np.random.Generator, step: int = 96) -> Arrays:
    """Of recordings: 64 values, and the 16 that follow; a step of 96 leaves no overlap."""
    signal = np.cumsum(random.normal(size=100_000)).astype(np.float32)
    begins = step * np.arange(ALL)
    x = np.stack([signal[begin : begin + 64] for begin in begins])[:, None]
    return x, np.stack([signal[begin + 64 : begin + 80] for begin in begins])[:, None]


def with_column(data: Arrays) -> Arrays:
    return np.concatenate([data[0], 3 * data[1] + 1], 1), data[1]


def with_channel(data: Arrays) -> Arrays:
    return np.concatenate([data[0].astype(np.float32), data[1]], 1), data[1]


def with_future(data: Arrays) -> Arrays:
    return np.concatenate([data[0], data[1]], 2), data[1]


def shuffled(data: Arrays) -> Arrays:
    """Split at random."""
    order = np.random.default_rng(1).permutation(ALL)
    return data[0][order], data[1][order]


def same_targets(data: Arrays) -> Arrays:
    """Held-out pictures are training pictures with other noise."""
    data[1][TRAIN:] = data[1][: ALL - TRAIN]
    data[0][TRAIN:] = data[1][TRAIN:] + 0.3 * np.random.default_rng(9).normal(size=data[1][TRAIN:].shape)
    return data


@pytest.mark.parametrize(
    ("made", "fault", "said"),
    [
        (table, with_column, "column 12 of the input is the target"),
        (pictures, with_channel, "100% of each target's values stand in its own input"),
        (windows, with_future, "100% of each target's values stand in its own input"),
        (pictures, same_targets, "40 have the target of a training sample, to the bit"),
        (windows, lambda data: shuffled(windows(np.random.default_rng(0), 16)), "windows overlap a training window"),
    ],
)  # fmt: skip
def test_an_answer_that_is_given_away_is_leakage(
    made: Callable[..., Arrays], fault: Callable[[Arrays], Arrays], said: str
) -> None:
    good = made(np.random.default_rng(0))
    assert stopped(looked_at(*good))[0] == "", "without the fault it passes"
    cause, checks = stopped(looked_at(*fault(good)))
    assert cause == "LEAKAGE", {name: check.why for name, check in checks.items() if check.why}
    assert any(said in check.why for check in checks.values())


def again(*sides: np.ndarray) -> None:
    for side in sides:
        side[:TRAIN] = side[np.arange(TRAIN) % 8]


def test_many_targets_of_one_input_are_no_repeats() -> None:
    x, y = pictures(np.random.default_rng(0))
    assert stopped(looked_at(np.repeat(x[: ALL // 20], 20, 0), y))[0] == ""


def test_what_may_be_alike_is_no_leakage() -> None:
    random = np.random.default_rng(0)
    x, y = pictures(random)
    masks = (y > 0.5).astype(np.float32)
    for inputs, targets in ((x, x), (x, masks), (np.concatenate([x, masks[:, :, ::-1]], 1), masks), table(random)):
        cause, checks = stopped(looked_at(inputs, targets))
        assert cause == "", {name: check.why for name, check in checks.items() if check.why}


def test_eight_bits_few_levels_and_soft_labels_share_values_by_chance() -> None:
    random = np.random.default_rng(0)
    x, y = (np.round(255 * np.clip(part, 0, 1)) / 255 for part in pictures(random))
    y = np.roll(y, 3, -2)[:, :, ::-1]  # another view of the same
    labels = np.full((ALL, 20), 0.01, np.float32)
    labels[np.arange(ALL), random.integers(0, 20, ALL)] = 0.81
    ages = np.round(100 * random.random((ALL, 1))) / 100
    for inputs, targets in ((x, y), (x, labels), (table(random)[0], ages)):
        cause, checks = stopped(looked_at(inputs, targets))
        assert cause == "", {name: check.why for name, check in checks.items() if check.why}


def test_repeats_that_come_as_often_within_training_are_natural() -> None:
    random = np.random.default_rng(0)
    x = np.eye(6, dtype=np.float32)[random.integers(0, 6, (ALL, 3))].reshape(ALL, 18)
    y = (x @ random.normal(size=(18, 1)) > 0).astype(np.float32)
    data = looked_at(x, y)
    assert data.exact_copies and data.recurring and stopped(data)[0] == ""
    fresh = np.arange(ALL)[:, None] // 2 ** np.arange(18) % 2  # no two alike, but for those that were copied
    fresh[TRAIN:] = fresh[: ALL - TRAIN]
    assert stopped(looked_at(fresh, y))[0] == "LEAKAGE"


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (lambda x, y: x.__setitem__(slice(TRAIN, None), 255 * x[TRAIN:]), "spread of held-out inputs is"),
        (lambda x, y: y.__setitem__(slice(TRAIN, None), 1.0), "all 40 held-out targets are the same"),
        (again, "gives 8 different samples in 160"),
    ],
)
def test_figures_that_cannot_say_anything_are_stopped(fault: Callable[..., Any], said: str) -> None:
    x, y = table(np.random.default_rng(0))
    assert stopped(looked_at(x, y))[0] == ""
    fault(x, y)
    cause, checks = stopped(looked_at(x, y))
    assert cause == "DATA" and any(said in check.why for check in checks.values())


def test_a_loss_that_falls_without_the_error_is_of_something_else() -> None:
    """(N, 1) against (N,): every output is compared with every target."""
    found = one_batch(0.999, falling=True, loss_fell=0.4)
    _, cause = judge(healthy(one_batch=found, skill=0.0, skill_without_input=0.0), LearningGate())
    assert cause == "WIRING"
    slow = one_batch(0.98, falling=True, loss_fell=0.02)
    assert judge(healthy(one_batch=slow, skill=0.0, skill_without_input=-0.1), LearningGate())[1] == "UNDERTRAINED"


@pytest.mark.parametrize(("before", "status"), [(0.598, Status.CAUTION), (0.4, Status.GO)])
def test_a_start_that_was_already_good_shows_no_training(before: float, status: Status) -> None:
    measured = healthy()
    start = measured.start.model_copy(update={"skill": before})
    measured.evaluations[0] = start
    checks, cause = judge(measured, LearningGate())
    skill = next(check for check in checks if check.id == "skill")
    assert skill.status is status and cause == ""
    assert ("gained nothing" in skill.why) == (status is Status.CAUTION)
