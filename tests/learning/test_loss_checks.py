"""What the learning gate says of losses alone, on seeded curves of runs that exploded, stood still, and learned."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from gonogo.config.gate_thresholds import LearningGate
from gonogo.learning.judge import judge
from gonogo.learning.loss_checks import measured_losses
from gonogo.learning.measurements import Measurements
from gonogo.training.spec import TrainingResult
from gonogo.verdict import Check, Status

Curve = Callable[[np.random.Generator, int], np.ndarray]
LENGTHS = (12, 20, 28, 120, 300)
SEEDS = range(12)


def judged(
    losses: np.ndarray | list[float], val: list[float] | None = None, gate: LearningGate | None = None
) -> tuple[dict[str, Check], str]:
    values, val = [float(loss) for loss in losses], val or []
    bad = next((f"train_loss is {loss}" for loss in [*values, *val] if not math.isfinite(loss)), "")
    result = TrainingResult(
        steps=len(values), epochs=0, parameters=0, train_loss=values, train_steps=list(range(1, len(values) + 1)),
        val_steps=[10 * (at + 1) for at in range(len(val))], val_loss=val, step_s=[0.1], wall_s=1.0,
        peak_memory_bytes=1, device="cpu", finite=not bad, stopped=bad,
    )  # fmt: skip
    measured = Measurements.model_validate_json(measured_losses(result).model_dump_json())
    checks, cause = judge(measured, gate or LearningGate())
    return {check.id: check for check in checks}, cause


def falling(n: int, share: float, rate: float = 10) -> np.ndarray:
    """From 1 down by this share, most of it in the first tenth of the run where `rate` is 10."""
    return 1 - share * (1 - np.exp(-rate * np.arange(n) / n)) / (1 - np.exp(-rate))


# --- exploding: stopped, and as what it is ---


def geometric(rng: np.random.Generator, n: int) -> np.ndarray:
    """0.59 → 1.8e7."""
    return 0.59 * (1.8e7 / 0.59) ** (np.arange(n) / (n - 1)) * rng.uniform(0.7, 1.3, n)


def blown_up_and_decaying(rng: np.random.Generator, n: int) -> np.ndarray:
    """0.636 → 5e9 → 584: the slope over the run falls."""
    at = int(rng.integers(1, 4))
    after = 5e9 * (584 / 5e9) ** (np.arange(n - at) / (n - at - 1))
    return np.concatenate([np.full(at, 0.636), after]) * rng.uniform(0.8, 1.2, n)


def at_the_end(rng: np.random.Generator, n: int) -> np.ndarray:
    losses = 2.3 * falling(n, 0.5) + rng.normal(0, 0.05, n)
    losses[-max(2, n // 10) :] = 2.3 * 10 ** rng.uniform(1.5, 6)
    return losses


def back_to_where_it_began(rng: np.random.Generator, n: int) -> np.ndarray:
    """It learned, rose to fifty times its first value, and stays where an untrained model is."""
    losses = 0.69 * np.ones(n) + rng.normal(0, 0.01, n)
    losses[n // 4 : n // 2] = 0.69 * 51
    return losses


def recovered_from_the_impossible(rng: np.random.Generator, n: int) -> np.ndarray:
    losses = 2.3 * falling(n, 0.5) + rng.normal(0, 0.05, n)
    losses[n // 2] = 1e9
    return losses


def rising(rng: np.random.Generator, n: int) -> np.ndarray:
    return 1 + np.arange(n) / n + rng.normal(0, 0.05, n)


EXPLODING = (
    geometric,
    blown_up_and_decaying,
    at_the_end,
    back_to_where_it_began,
    recovered_from_the_impossible,
    rising,
)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("curve", EXPLODING, ids=lambda curve: curve.__name__)
def test_an_explosion_is_a_no_go_with_its_cause(curve: Curve, length: int) -> None:
    for seed in SEEDS:
        checks, cause = judged(curve(np.random.default_rng(seed), length))
        check = checks["train_loss_falls"]
        assert check.status is Status.NO_GO and cause == "DIVERGING", (seed, check)
        assert "rises" in check.why or "rose from" in check.why
        assert "learning rate" in check.hint


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("at", [0, 5, -1])
def test_a_loss_that_is_no_number_is_a_no_go(bad: float, at: int) -> None:
    losses = falling(28, 0.5)
    losses[at] = bad
    checks, cause = judged(losses)
    assert checks["finite"].status is Status.NO_GO and cause == "DIVERGING"


def test_losses_near_the_greatest_float_are_judged() -> None:
    assert judged([0.5, *[1.7e308] * 299])[1] == "DIVERGING"


# --- standing still: never green, and stopped wherever its noise does not hide a fall ---


def flat(rng: np.random.Generator, n: int) -> np.ndarray:
    return 0.693 + rng.normal(0, 0.02, n)


def flat_and_noisy(rng: np.random.Generator, n: int) -> np.ndarray:
    return 1 + rng.normal(0, 0.1, n)


def alternating(rng: np.random.Generator, n: int) -> np.ndarray:
    return 1 + 0.1 * (-1.0) ** np.arange(n)


@pytest.mark.parametrize("curve", [flat, flat_and_noisy, alternating], ids=lambda curve: curve.__name__)
def test_a_loss_that_stands_still_is_a_no_go(curve: Curve) -> None:
    found = Counter(
        judged(curve(np.random.default_rng(seed), length))[0]["train_loss_falls"].status
        for seed in range(40)
        for length in LENGTHS
    )
    assert found[Status.GO] <= 0.12 * found.total() and found[Status.NO_GO] >= 0.8 * found.total(), found


# --- learning: not stopped ---


def steady(rng: np.random.Generator, n: int) -> np.ndarray:
    return 2.3 * falling(n, 0.5, rate=1e-6) + rng.normal(0, 0.15, n)


def at_once(rng: np.random.Generator, n: int) -> np.ndarray:
    """29.6 % within three steps, and then a plateau."""
    return 0.704 + 0.296 * np.exp(-np.arange(n) / 1.2) + rng.normal(0, 0.02, n)


def late(rng: np.random.Generator, n: int) -> np.ndarray:
    """Nothing during the warm-up, three tenths of the fall in the last third."""
    return 1 - 0.3 * np.clip(np.arange(n) / n - 0.67, 0, 1) / 0.33 + rng.normal(0, 0.03, n)


def without_noise(rng: np.random.Generator, n: int) -> np.ndarray:
    return 0.693 - 1e-3 * np.arange(n)


def spiking_and_recovering(rng: np.random.Generator, n: int) -> np.ndarray:
    losses = 2.3 * falling(n, 0.6) + rng.normal(0, 0.05, n)
    losses[rng.integers(n // 4, 3 * n // 4, size=max(1, n // 40))] *= rng.uniform(3, 8)
    return losses


def below_zero(rng: np.random.Generator, n: int) -> np.ndarray:
    """A log likelihood, which goes through zero."""
    return 0.02 - 3 * (1 - falling(n, 1)) + rng.normal(0, 0.1, n)


HEALTHY = (steady, at_once, late, without_noise, spiking_and_recovering, below_zero)


@pytest.mark.parametrize("length", LENGTHS[1:])
@pytest.mark.parametrize("curve", HEALTHY, ids=lambda curve: curve.__name__)
def test_a_loss_that_clearly_fell_passes(curve: Curve, length: int) -> None:
    for seed in SEEDS:
        checks, cause = judged(curve(np.random.default_rng(seed), length))
        assert checks["train_loss_falls"].status.passes and cause == "", (seed, checks["train_loss_falls"])


def dice(rng: np.random.Generator, n: int) -> np.ndarray:
    """Of a few pictures a batch: noise of a third of the fall, and a batch in six without any foreground."""
    losses = np.clip(0.85 - 0.35 * (1 - np.exp(-np.arange(n) / 12)) + rng.normal(0, 0.1, n), 0, 1)
    return np.where(rng.random(n) < 1 / 6, 1.0, losses)


def test_the_noise_of_a_dice_loss_rarely_stops_it() -> None:
    found = Counter(
        judged(dice(np.random.default_rng(seed), length))[0]["train_loss_falls"].status
        for seed in range(60)
        for length in (28, 60, 120)
    )
    assert found[Status.NO_GO] <= 0.05 * found.total() and found[Status.GO] >= 0.75 * found.total(), found


def test_a_high_spike_that_recovered_is_a_warning() -> None:
    losses = 2.3 * falling(120, 0.6)
    losses[50] = 60
    check = judged(losses)[0]["train_loss_falls"]
    assert check.status is Status.CAUTION and "rose from 2.1" in check.why and "recovered" in check.why
    assert judged(losses, gate=LearningGate(max_loss_spike=40))[0]["train_loss_falls"].status is Status.GO
    assert judged(losses, gate=LearningGate(max_loss_explosion=20))[1] == "DIVERGING"


# --- validation ---


def val(*losses: float) -> tuple[Check, str]:
    checks, cause = judged(2.3 * falling(40, 0.6), list(losses))
    return checks["val_loss_falls"], cause


def test_two_validations_never_say_diverging() -> None:
    for losses in ((0.5, 0.6), (0.5, 0.5), (0.5, 50.0), (0.5, 0.49)):
        check, cause = val(*losses)
        assert check.status is Status.CAUTION and cause == "", losses
        assert "2 values do not tell that from noise" in check.why
    assert val(0.5, 0.4)[0].status is Status.GO


def test_more_validations_do() -> None:
    check, cause = val(0.5, 0.52, 0.51)
    assert check.status is Status.CAUTION and cause == ""
    assert val(0.5, 0.4, 70.0)[1] == val(0.5, 0.6, 0.7, 0.8, 0.9)[1] == "DIVERGING"
    check, cause = val(0.693, 0.694, 0.692, 0.693, 0.693, 0.694)
    assert check.status is Status.NO_GO and cause == "LOSS" and "stands still" in check.why
    assert val(2.30, 2.21, 2.25, 2.15)[0].status.passes


def test_noisy_validations_of_a_run_that_learns_stop_nothing() -> None:
    for seed in range(60):
        rng = np.random.default_rng(seed)
        for n in (2, 3, 4, 6, 12):
            noisy = 2.3 * falling(n, 0.3) + rng.normal(0, 0.15, n)
            check, cause = val(*noisy)
            assert check.status.passes and cause == "", (seed, n, check)
