"""Whether the times that a plan names agree with each other, and with the forecast."""

from __future__ import annotations

from gonogo.base.units import duration
from gonogo.config.expected import Timeline
from gonogo.forecast.forecast import Forecast

Span = tuple[float, float]


def contradictions(said: Timeline, steps_per_epoch: int, epochs: int, forecast: Forecast | None = None) -> list[str]:
    """Each pair of figures that cannot both hold, in words; empty where all may. Spans that touch agree.

    198 batches of 15 to 25 s are 50 to 83 minutes: an epoch of 12 to 15 is a contradiction.
    """
    step_s, epoch_s = said.step_s, _scaled(said.epoch_minutes, 60)
    hours_s = _scaled(said.hours, 3600)
    found = []
    if step_s and epoch_s:
        made = _times(step_s, steps_per_epoch)
        found += _differ(f"{steps_per_epoch} steps of {_span(step_s)}", made, "an epoch is said to take", epoch_s)
    if epoch_s and hours_s:
        found += _differ(
            f"{epochs} epochs of {_span(epoch_s)}", _times(epoch_s, epochs), "the run is said to take", hours_s
        )
    elif step_s and hours_s:
        made = _times(step_s, steps_per_epoch * epochs)
        found += _differ(
            f"{steps_per_epoch * epochs} steps of {_span(step_s)}", made, "the run is said to take", hours_s
        )
    if forecast and forecast.hours and hours_s:
        likely = _times((forecast.hours.low, forecast.hours.high), 3600)
        found += _differ("the forecast", likely, "the run is said to take", hours_s)
    return found


def _differ(what: str, made: Span, claim: str, said: Span) -> list[str]:
    if made[0] <= said[1] and said[0] <= made[1]:
        return []
    takes = "says" if what == "the forecast" else "take"
    return [f"{what} {takes} {_span(made)}; {claim} {_span(said)}"]


def _times(span: Span, factor: float) -> Span:
    return span[0] * factor, span[1] * factor


def _scaled(span: Span | None, factor: float) -> Span | None:
    return None if span is None else _times(span, factor)


def _span(seconds: Span) -> str:
    low, high = duration(seconds[0]), duration(seconds[1])
    return low if low == high else f"{low} to {high}"
