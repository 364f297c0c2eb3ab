"""Hours and dollars of a script on a card, from what its step computes and moves: an estimate, and its range."""

from __future__ import annotations

from pydantic import BaseModel, Field

from gonogo.base.ranges import Range
from gonogo.base.units import dollars, duration
from gonogo.config.accelerator import Accelerator
from gonogo.script.card.facts import CardFacts, Work

# of the data sheet's dense peak; published for whole training runs: GPT-3 0.21, Gopher 0.33, PaLM 0.46 (Chowdhery et
# al. 2022, table 3), Megatron-LM 0.31 to 0.52 (Narayanan et al. 2021, table 1)
OF_PEAK = Range(low=0.55, mid=0.35, high=0.15)
# of the bandwidth; and how much of the counted traffic remains where kernels are fused or caches hold it
OF_BANDWIDTH = Range(low=0.9, mid=0.8, high=0.6)
TRAFFIC = Range(low=0.5, mid=0.9, high=1.0)
# seconds that Python and the driver need to start an operation, which small ones cannot hide
START_S = Range(low=4e-6, mid=8e-6, high=20e-6)
FALL_BACK = {"tf32": ("tflops_tf32", "tflops_fp32"), "bf16": ("tflops_bf16", "tflops_fp32"),
             "fp16": ("tflops_fp16", "tflops_fp32"), "fp32": ("tflops_fp32",), "fp64": ("tflops_fp32",)}  # fmt: skip
PER = 1000  # steps that are priced where the run's length is not known
BASIS = (
    "estimate: 15 to 55 % of the card's peak, 60 to 90 % of its bandwidth, 4 to 20 µs to start an operation; "
    "loading of data, validation and checkpoints not included"
)


class Cost(BaseModel):
    """Of a number of optimizer steps on one card."""

    steps: int
    whole_run: bool = Field(description="false: the run's length is not known")
    step_s: Range
    hours: Range
    usd: Range | None
    basis: str = BASIS


def step_seconds(work: Work, card: Accelerator) -> Range | None:
    """Of one optimizer step; None where the card's speed is not in the catalogue."""
    compute_s = 0.0
    for dtype, flop in work.flop.items():
        peak = next((peak for key in FALL_BACK[dtype] if (peak := getattr(card, key)) is not None), None)
        if peak is None:
            return None
        compute_s += flop / (peak * 1e12)
    if card.bandwidth_gb_s is None:
        return None
    moved_s = work.moved_bytes / (card.bandwidth_gb_s * 1e9)
    found = {}
    for name in ("low", "mid", "high"):
        of_peak, of_bandwidth, traffic, start = (getattr(r, name) for r in (OF_PEAK, OF_BANDWIDTH, TRAFFIC, START_S))
        busy = max(compute_s / of_peak, moved_s * traffic / of_bandwidth)
        busy = compute_s / of_peak + moved_s * traffic / of_bandwidth if name == "high" else busy
        found[name] = max(busy, work.operations * start)
    return Range(**found)


def cost(facts: CardFacts, card: Accelerator) -> Cost | None:
    """Hours and dollars of the whole run, or of a thousand steps; None where the step was not counted."""
    step_s = step_seconds(facts.work, card) if facts.work else None
    if step_s is None:
        return None
    steps = facts.total_steps or PER
    hours = step_s.scaled(steps / 3600)
    usd = None
    if card.usd_per_hour is not None:
        low, high = card.usd_per_hour
        usd = hours.times(Range(low=low, mid=(low + high) / 2, high=high))
    return Cost(steps=steps, whole_run=facts.total_steps is not None, step_s=step_s, hours=hours, usd=usd)


def described(found: Cost, facts: CardFacts) -> str:
    """One line: steps, time and money with their ranges."""
    length = f"{found.steps} steps ({facts.total_steps_from})" if found.whole_run else f"each {found.steps} steps"
    times = [duration(3600 * getattr(found.hours, name)) for name in ("mid", "low", "high")]
    text = f"{length}: {times[0]} ({times[1]} to {times[2]})"
    if found.usd is None:
        return text
    money = [dollars(getattr(found.usd, name)) for name in ("mid", "low", "high")]
    return f"{text}, {money[0]} ({money[1]} to {money[2]})"
