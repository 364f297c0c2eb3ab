"""What is told of a paid run under way, each once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gonogo.agent.run_log import utc
from gonogo.remote.answers import Heartbeat
from gonogo.runtime.context import Run
from gonogo.stages.log_watcher import LogWatcher
from gonogo.stages.run_news import RunNews
from tests.notify.receiver import Receiver, receiver
from tests.stages.test_tell import said, settled

__all__ = ["receiver"]


@pytest.fixture
def run(stage_run: Callable[..., Run], receiver: Receiver) -> Run:
    made = stage_run("cloud_train", notify=receiver.url, budget_usd=10)
    made.settings.target.stall_minutes = made.settings.target.first_step_minutes = 30
    return made


def news(run: Run, *steps: tuple[float, str]) -> RunNews:
    """Of a run whose log says this, read from its beginning as after an attachment."""
    watcher = LogWatcher(2.0, 0.5, lambda text: None)
    found = RunNews(run, "20260101_mine_abc", watcher)
    for at_s, line in steps:
        watcher.line(f"{utc(at_s)} {line}")
        found.line()
    return found


def events(receiver: Receiver, count: int) -> list[dict[str, Any]]:
    return sorted(said(receiver, count), key=lambda told: (told["event"], told["sentence"]))


def test_the_first_estimate_is_told_once_also_after_an_attachment(run: Run, receiver: Receiver) -> None:
    log = [
        (60.0, "step 1/1000  epoch 1/10"),
        (260.0, "step 101/1000  epoch 2/10"),
        (460.0, "step 201/1000  epoch 3/10"),
    ]
    news(run, *log)
    settled(run, 1)
    news(run, *log)
    (told,) = said(receiver, 1)
    assert told["event"] == "estimate" and "33 min 18 s and $1.11 in all, forecast 30 min" in told["sentence"]


def test_four_fifths_of_a_budget_are_told_once(run: Run, receiver: Receiver) -> None:
    run.settings.target.max_held_usd = 20.0
    found = news(run, (60.0, "step 1/100  epoch 1/1"), (120.0, "step 51/100  epoch 1/1"))
    for usd in (7.9, 8.0, 9.5):
        found.beat(Heartbeat(elapsed_s=60.0, usd=usd), machine_usd=2 * usd)
    settled(run, 2)
    machine, own = events(receiver, 2)
    assert own["sentence"].startswith("The paid run 20260101_mine_abc has cost $8.00 of budget_usd ($10.00)")
    assert "at its pace it needs 59 s more" in own["sentence"]
    assert machine["sentence"].startswith("The machine has cost $16.00 of max_held_usd ($20.00)")


def test_a_run_without_a_price_has_no_budget_to_spend(run: Run, receiver: Receiver) -> None:
    run.settings.config.budget_usd = 0.0
    news(run).beat(Heartbeat(elapsed_s=60.0, usd=0.0), machine_usd=0.0)
    run.config.notify.clear()
    news(run).beat(Heartbeat(elapsed_s=60.0, usd=5.0), machine_usd=5.0)
    assert receiver.told == []


def test_each_stall_is_told_once_before_the_run_is_ended(run: Run, receiver: Receiver) -> None:
    found = news(run, (60.0, "step 7/100  epoch 1/1"))
    for quiet_s in (40.0, 899.0, 900.0, 960.0):
        found.beat(Heartbeat(elapsed_s=1000.0, quiet_s=quiet_s), 0.0)
    settled(run, 1)
    news(run, (60.0, "step 7/100  epoch 1/1")).beat(Heartbeat(elapsed_s=1100.0, quiet_s=1000.0), 0.0)
    news(run, (60.0, "step 9/100  epoch 1/1")).beat(Heartbeat(elapsed_s=9000.0, quiet_s=900.0), 0.0)
    settled(run, 2)
    first, second = events(receiver, 2)
    assert "no step for 15 min, after step 7; it is ended after 30 min" in first["sentence"]
    assert "after step 9" in second["sentence"] and "gonogo attach mine" in second["hint"]
