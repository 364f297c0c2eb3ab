"""Hours and dollars of a script on a card, from what its step computes and moves: an estimate, and its range."""

from __future__ import annotations

from pydantic import BaseModel, Field

from gonogo.base.ranges import Range
from gonogo.base.units import dollars, duration
from gonogo.config.accelerator import Accelerator
from gonogo.forecast.step_work import BASIS, step_seconds
from gonogo.script.card.facts import CardFacts

PER = 1000  # steps that are priced where the run's length is not known


class Cost(BaseModel):
    """Of a number of optimizer steps on one card."""

    steps: int
    whole_run: bool = Field(description="false: the run's length is not known")
    step_s: Range
    hours: Range
    usd: Range | None
    basis: str = BASIS


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
