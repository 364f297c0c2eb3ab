"""Hours and dollars of the paid run, with the range that the estimate deserves and where it comes from."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pydantic import BaseModel, Field

from gonogo.base.errors import UserError
from gonogo.base.ranges import Range
from gonogo.base.units import dollars, duration
from gonogo.config.accelerator import Accelerator
from gonogo.config.experiment import Training
from gonogo.config.target import Target
from gonogo.forecast.speed import Speed


class StageTime(BaseModel):
    """What a stage is expected to take."""

    stage: str
    seconds: Range
    basis: str = Field(description="what it is computed from")


# what checklists for rented machines allow for upload and setup: 3, 5 and 15 minutes; not measured by us
SETUP_HOURS = Range(low=0.05, mid=0.08, high=0.25)
# upload and setup of the embedded instance, measured: 3 to 6 seconds
OWN_SETUP_HOURS = Range(low=0.001, mid=0.0012, high=0.002)
# by how much the pace of smoke run, canary and paid run differed on one machine that others used as well
PACE = Range(low=0.75, mid=1.0, high=1.4)
# seconds of a step on several cards, of one alone: 60 to 100 % efficiency, 90 % taken; assumed, not measured by us
SEVERAL_CARDS = Range(low=1.0, mid=1 / 0.9, high=1 / 0.6)
# cards that share the weights exchange 1.5 times as much (ZeRO, arXiv:1910.02054, section 7)
EXCHANGED = 1.5
SHARED_WEIGHTS = Range(**{name: 1 + EXCHANGED * (part - 1) for name, part in SEVERAL_CARDS})
START = Range(low=0.7, mid=1.0, high=2.0)  # the same of imports and reading, which a new machine has not cached


class Forecast(BaseModel):
    steps: int | None = Field(description="of the run; null: a script that does not say")
    step_s: Range | None = Field(description="on the target; null: not known")
    hours: Range | None = Field(description="setup, upload and training; null: not known, `basis` says why")
    usd: Range | None
    setup_hours: Range = Field(description="part of `hours` for upload and setup")
    around_hours: Range = Field(description="part of `hours` that is no step: start, validation, looks of the gate")
    usd_per_hour: float
    basis: str = Field(description="where the figures and their range come from")
    stages: list[StageTime] = Field(default_factory=list, description="those whose time grows with the data")


def forecast(
    speed: Speed,
    training: Training,
    target: Target,
    accelerator: Accelerator,
    *,
    other_model: bool = False,
    stages: Sequence[StageTime] = (),
) -> Forecast:
    """Measured step time × steps × price, carried over to the target by its peak and bandwidth ratios.

    Args:
        other_model: the smoke run trained a smaller one (`smoke.settings`), whose speed says nothing of this one's.
        stages: the others whose time grows with the data; the machine is paid for during `upload`.

    Raises:
        UserError: nobody knows how many samples an epoch has.
    """
    if not speed.train_samples:
        raise UserError(
            "the training loader has no length, so an epoch cannot be forecast: give its dataset a __len__, or wrap it "
            "in one that ends"
        )
    steps_per_epoch = math.ceil(speed.train_samples / training.effective_batch_size)
    steps = steps_per_epoch * training.epochs
    scale = training.card_batch_size / speed.samples_per_step
    here = Range(low=speed.step_s_low, mid=speed.step_s, high=speed.step_s_high).scaled(scale)
    uploads = [stage.seconds.scaled(1 / 3600) for stage in stages if stage.stage == "upload"]
    setup = sum(uploads, start=OWN_SETUP_HOURS if accelerator.is_this_machine else SETUP_HOURS)
    start = START.scaled(speed.start_s / 3600)
    faster = None if other_model else _speed_up(speed, accelerator)
    if faster is None:
        unknown = "the smoke run trained a smaller model; the canary measures this one's speed"
        return Forecast(
            steps=steps, step_s=here, hours=None, usd=None, setup_hours=setup, around_hours=start,
            usd_per_hour=target.usd_per_hour, stages=list(stages),
            basis=unknown if other_model else f"the speed of {accelerator.title} is not in the catalogue",
        )  # fmt: skip
    slow, fast = faster
    times = Range(low=1 / fast, mid=1 / math.sqrt(slow * fast), high=1 / slow)
    step_s = Range(
        low=times.low * min(here.low, PACE.low * here.mid),
        mid=times.mid * here.mid,
        high=times.high * max(here.high, PACE.high * here.mid),
    )
    if training.cards > 1:
        step_s = Range(**{name: getattr(step_s, name) * shared for name, shared in _shared(training)})
    training_s = step_s.scaled(steps)
    around = start + _beside_steps(speed, training_s, times, training.epochs).scaled(1 / 3600)
    basis = _basis(speed, accelerator, slow, fast) + _cards(training)
    trained = StageTime(stage="cloud_train", seconds=training_s + around.scaled(3600), basis=basis)
    usd_per_hour = target.usd_per_hour * training.num_nodes
    hours = setup + trained.seconds.scaled(1 / 3600)
    return Forecast(
        steps=steps, step_s=step_s, hours=hours, usd=hours.scaled(usd_per_hour), setup_hours=setup,
        around_hours=around, usd_per_hour=usd_per_hour, basis=basis, stages=[*stages, trained],
    )  # fmt: skip


def _beside_steps(speed: Speed, training_s: Range, times: Range, epochs: int) -> Range:
    """Seconds between the epochs, when files are written at this machine's pace, and of the gate's looks."""
    looks = Range(**{name: speed.looking_s(getattr(training_s, name), pace) for name, pace in times.times(PACE)})
    return PACE.scaled(speed.epoch_overhead_s * epochs) + looks


def _speed_up(speed: Speed, accelerator: Accelerator) -> tuple[float, float] | None:
    """How many times faster the target is, at least and at most; a step is bound by arithmetic or by bandwidth."""
    if accelerator.is_this_machine:
        return 1.0, 1.0
    if accelerator.tflops_fp32 is None or accelerator.bandwidth_gb_s is None:
        return None
    ratios = (accelerator.tflops_fp32 / speed.tflops_fp32, accelerator.bandwidth_gb_s / speed.bandwidth_gb_s)
    return min(ratios), max(ratios)


def _basis(speed: Speed, accelerator: Accelerator, slow: float, fast: float) -> str:
    own = (
        f"{speed.step_s:.3f} s a step measured in the smoke run, within its 10th and 90th percentile or "
        f"{PACE.low:g} to {PACE.high:g} of it, whichever is wider; with start, validation and looks of the gate"
    )
    if accelerator.is_this_machine:
        return f"{own}; the target is this machine"
    return (
        f"{own}; {accelerator.title} taken as {slow:.0f} to {fast:.0f} times faster: the ratios of bandwidth and of "
        f"fp32 peak to those measured here ({speed.bandwidth_gb_s:.0f} GB/s, {speed.tflops_fp32:.2f} TFLOPS)"
    )


def _shared(training: Training) -> Range:
    """Seconds of a step on several cards, of one alone."""
    return SHARED_WEIGHTS if training.shards_weights else SEVERAL_CARDS


def _cards(training: Training) -> str:
    if training.cards == 1:
        return ""
    shared = _shared(training)
    low, mid, high = (f"{100 / part:.0f}" for part in (shared.high, shared.mid, shared.low))
    nodes = f" on {training.num_nodes} machines, whose network is not known," if training.num_nodes > 1 else ""
    return (
        f"; {training.cards} devices together{nodes} taken as {mid} % efficient ({low} to {high} %): an assumption, "
        "which the canary's own seconds a step replace; the target's price is that of the whole machine"
    )


def describe(found: Forecast) -> str:
    """One line: time and money with their ranges."""
    if found.hours is None or found.usd is None:
        return f"{'unknown' if found.steps is None else found.steps} steps; time and cost unknown: {found.basis}"
    low, mid, high = (duration(3600 * hours) for hours in (found.hours.low, found.hours.mid, found.hours.high))
    money = f"{dollars(found.usd.mid)} ({dollars(found.usd.low)} to {dollars(found.usd.high)})"
    return f"{found.steps} steps, {mid} ({low} to {high}), {money} at {dollars(found.usd_per_hour)}/h"
