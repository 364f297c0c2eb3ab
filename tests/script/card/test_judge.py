"""What the fake pass's facts and events mean for a card."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gonogo.config.gate_thresholds import MemoryGate
from gonogo.forecast.step_work import Work, step_seconds
from gonogo.memory.cards import catalogue, cheapest, needs, table
from gonogo.memory.trace_result import Traced
from gonogo.script.card.cost import cost
from gonogo.script.card.facts import CardFacts, Stage
from gonogo.script.card.judge import judge
from gonogo.script.facts import ScriptError
from gonogo.verdict import Check, Status
from tests.memory.cards import GB, card
from tests.memory.synthetic import training_step

WORK = Work(flop={"bf16": 1e14}, moved_bytes=1e11, operations=2000, backward_passes=1)


def facts(**changes: Any) -> CardFacts:
    stages = [Stage(name="first step", reached=True, live_bytes=GB, reserved_bytes=GB)]
    stages += [Stage(name="steady step", reached=True, live_bytes=5 * GB, reserved_bytes=5 * GB)]
    stages += [Stage(name="validation", why_not="the script did not validate within the pass")]
    return CardFacts.model_validate({"steps": 3, "backward_passes": 3, "stages": stages, "work": WORK} | changes)


def checks(folder: Path, seen: CardFacts, gigabytes: float = 40, **changes: Any) -> dict[str, Check]:
    Traced(1, 1, "32-true", events=training_step(2)).save(folder)
    on = card(gigabytes, usd_per_hour=(1, 2), **changes)
    return {check.id: check for check in judge(seen, folder, on, catalogue={"a": on, "b": card(8)}).checks}


def test_room_is_go_and_a_full_card_names_the_allocation(tmp_path: Path) -> None:
    roomy, full = checks(tmp_path, facts()), checks(tmp_path, facts(), gigabytes=5)
    assert {check.status for check in roomy.values() if not check.grey} == {Status.GO}
    assert "did not validate" in roomy["stages"].why and "steady step 5.51 GB" in str(roomy["stages"].value)
    assert full["peak_memory"].status is Status.NO_GO and "run out of memory, at" in full["peak_memory"].why


@pytest.mark.parametrize(
    ("changes", "status", "said"),
    [
        ({"guesses": ["a mask"]}, Status.CAUTION, "assumed: a mask"),
        ({"steps": 1, "stages": []}, Status.UNKNOWN, "one optimizer step was reached"),
        ({"untraceable": "aten.odd: no shape rule"}, Status.CAUTION, "after 3 steps the trace could not go on"),
        ({"error": ScriptError(name="ValueError", message="no")}, Status.CAUTION, "the script ended: ValueError: no"),
        ({"error": ScriptError(name="ValueError", message="no"), "hurried": 3}, Status.GO, ""),
        ({"steps": 0, "backward_passes": 0}, Status.UNKNOWN, "trained nothing"),
        ({"steps": 0, "backward_passes": 0, "untraceable": "aten.odd"}, Status.UNKNOWN, "could not follow"),
    ],
)  # fmt: skip
def test_what_is_not_proven_is_said(tmp_path: Path, changes: dict[str, Any], status: Status, said: str) -> None:
    peak = checks(tmp_path, facts(**changes))["peak_memory"]
    assert peak.status is status and said in peak.why


def test_an_error_that_only_a_missing_card_causes_is_not_the_script_s(tmp_path: Path) -> None:
    error = ScriptError(name="RuntimeError", message="Cannot access data pointer of Tensor (e.g. FakeTensor)")
    peak = checks(tmp_path, facts(steps=0, backward_passes=0, error=error))["peak_memory"]
    assert "needs what only a real card has" in peak.why


def test_tensors_on_two_devices_are_the_script_s_own_fault(tmp_path: Path) -> None:
    message = "Expected all tensors to be on the same device, but found at least two devices, cpu and cuda:0!"
    error = ScriptError(
        name="DeviceMismatch", message=message, where="train.py:64", lines=["FakeTensorDeviceMismatchError"]
    )  # fmt: skip
    peak = checks(tmp_path, facts(steps=0, backward_passes=0, error=error))["peak_memory"]
    assert "(train.py:64): move both by .to(device)" in peak.why and "real card" not in peak.why


def test_a_pass_that_left_nothing_is_unknown(tmp_path: Path) -> None:
    (only,) = judge(CardFacts(), tmp_path, card()).checks
    assert only.status is Status.UNKNOWN and "ended without a word" in only.why


def test_one_trace_serves_every_card_of_the_shipped_catalogue() -> None:
    traced = Traced(1, 1, "32-true", events=training_step(2))
    rows = table(needs(traced, "ampere", catalogue()), MemoryGate())
    assert len(rows) >= 10 and [row.capacity_bytes for row in rows] == sorted(row.capacity_bytes or 0 for row in rows)
    best = cheapest(rows)
    assert best is not None and best.status is Status.GO and best.usd_per_hour is not None
    assert all(best.usd_per_hour <= row.usd_per_hour for row in rows if row.status is Status.GO and row.usd_per_hour)


def test_time_is_bound_by_arithmetic_by_bandwidth_or_by_starting_operations() -> None:
    on = card(40, usd_per_hour=(1, 2))
    found = step_seconds(WORK, on)
    assert found is not None and found.low == pytest.approx(1e14 / 160e12 / 0.55) and found.low < found.mid < found.high
    small = step_seconds(Work(flop={}, moved_bytes=1, operations=1000), on)
    assert small is not None and small.mid == pytest.approx(8e-3)
    priced = cost(facts(total_steps=7200, total_steps_from="max_iters"), on)
    assert priced is not None and priced.usd is not None and priced.whole_run
    assert priced.hours.mid == pytest.approx(2 * found.mid) and priced.usd.mid == pytest.approx(1.5 * 2 * found.mid)
    assert cost(facts(work=None), on) is None
