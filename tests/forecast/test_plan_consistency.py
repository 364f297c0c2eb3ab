"""Times of a plan that cannot all hold."""

from __future__ import annotations

import pytest

from gonogo.base.ranges import Range
from gonogo.config.expected import Timeline
from gonogo.forecast.forecast import Forecast
from gonogo.forecast.plan_consistency import contradictions


def said(**times: object) -> Timeline:
    return Timeline.model_validate(times)


def test_198_batches_of_20_seconds_are_not_12_minutes() -> None:
    (found,) = contradictions(said(step_s=20, epoch_minutes=12), 198, 30)
    assert found == "198 steps of 20 s take 1 h 06 min; an epoch is said to take 12 min"


def test_spans_contradict_each_other_where_they_do_not_touch() -> None:
    (found,) = contradictions(said(step_s=[15, 25], epoch_minutes=[12, 15], hours=[6, 8]), 198, 30)
    assert (
        found == "198 steps of 15 s to 25 s take 49 min 30 s to 1 h 22 min; an epoch is said to take 12 min to 15 min"
    )
    assert contradictions(said(step_s=[3, 5], epoch_minutes=[12, 15], hours=[6, 8]), 198, 30) == []


def test_an_epoch_and_the_run_are_held_together() -> None:
    (found,) = contradictions(said(epoch_minutes=12, hours=2), 198, 30)
    assert "30 epochs of 12 min take" in found and "the run is said to take" in found
    (found,) = contradictions(said(step_s=1, hours=10), 198, 30)
    assert "5940 steps of 1" in found


def test_the_forecast_is_asked_too() -> None:
    spread = Range(low=20, mid=30, high=40)
    forecast = Forecast(
        steps=5940,
        step_s=spread,
        hours=spread,
        usd=spread,
        setup_hours=spread,
        around_hours=spread,
        usd_per_hour=1,
        basis="measured",
    )
    (found,) = contradictions(said(hours=[6, 8]), 198, 30, forecast)
    assert found.startswith("the forecast says")
    assert contradictions(said(hours=[6, 25]), 198, 30, forecast) == []


@pytest.mark.parametrize("times", [{}, {"step_s": 20}, {"hours": 7}])
def test_a_single_figure_contradicts_nothing(times: dict[str, float]) -> None:
    assert contradictions(said(**times), 198, 30) == []
