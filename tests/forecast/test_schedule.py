from __future__ import annotations

import datetime as dt

import pytest

from gonogo.forecast.schedule import Job, schedule, table

MONDAY = dt.datetime(2026, 3, 2, 9)


def day(number: int, hour: int = 0) -> dt.datetime:
    return dt.datetime(2026, 3, number, hour)


def test_nothing_begins_before_its_data_or_the_run_before() -> None:
    stages = [
        Job("text", 5), Job("points", 6, after=("text",), ready=day(4)), Job("image", 7, after=("points",)),
        Job("other", 10),
    ]  # fmt: skip
    slots = {slot.name: slot for slot in schedule(stages, MONDAY)}
    assert slots["text"].begins == MONDAY and slots["text"].waits_for == ""
    assert slots["other"].begins == day(2, 14)  # the machine is not kept idle by the download
    assert (slots["points"].begins, slots["points"].waits_for) == (day(4), "data")
    assert (slots["image"].begins, slots["image"].waits_for) == (day(4, 6), "points")
    assert "Wed 04 Mar 00:00" in table(list(slots.values()))


def test_runs_that_wait_for_each_other_or_for_nobody_are_refused() -> None:
    with pytest.raises(ValueError, match="a, b wait for each other"):
        schedule([Job("a", 1, after=("b",)), Job("b", 1, after=("a",))], MONDAY)
    with pytest.raises(ValueError, match="c: waited for"):
        schedule([Job("a", 1, after=("c",))], MONDAY)
