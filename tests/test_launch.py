from __future__ import annotations

import pytest

from gonogo.forecast.forecast import Range
from gonogo.launch import Approval, Item, Measurements, judge
from gonogo.thresholds import LaunchGate
from gonogo.verdict import Status

APPROVAL = Approval(experiment="cvs", by="Ada", approved_at="2026-01-10", inputs_digest="d1")


def launch(gate: LaunchGate | None = None, **changes: object) -> tuple[dict, str]:
    facts = {
        "items": [Item(name="PYTHONUNBUFFERED", ok=True, detail="set")], "expected_statement": "recognisable views",
        "hours": Range(low=2, mid=2.5, high=3), "usd": Range(low=4, mid=5, high=6), "usd_per_hour": 2.0,
        "budget_usd": 20, "max_hours": 24, "approval": None, "sample_digest": "d1", **changes,
    }  # fmt: skip
    checks, cause = judge(Measurements(**facts), gate or LaunchGate())
    return {check.id: check for check in checks}, cause


def test_all_in_place_is_a_go() -> None:
    checks, cause = launch()
    assert all(check.status is Status.GO for check in checks.values()) and cause == ""


@pytest.mark.parametrize(
    ("changes", "failed", "cause"),
    [
        ({"budget_usd": 6}, "budget", "BUDGET"),  # 6 less a quarter is 4.5
        ({"max_hours": 2}, "time_cap", "BUDGET"),
        ({"expected_statement": " "}, "expected", "CHECKLIST"),
        ({"items": [Item(name="depth model", ok=False, detail="not there")]}, "items", "CHECKLIST"),
    ],
)
def test_what_refuses_a_launch(changes: dict, failed: str, cause: str) -> None:
    checks, found = launch(**changes)
    assert [id_ for id_, check in checks.items() if check.status is Status.NO_GO] == [failed]
    assert found == cause and checks[failed].hint


def test_a_budget_that_only_the_high_end_breaks_is_caution() -> None:
    checks, cause = launch(budget_usd=7.5)  # 5.63 allowed
    assert checks["budget"].status is Status.CAUTION and cause == ""


def test_an_unknown_cost_is_not_a_go() -> None:
    checks, _ = launch(usd=None, hours=None)
    assert checks["budget"].status is Status.UNKNOWN


def test_approval_is_for_the_sample_that_was_looked_at() -> None:
    required = LaunchGate(approval="required")
    assert launch(required)[0]["approval"].status is Status.NO_GO
    assert launch(required, approval=APPROVAL)[0]["approval"].status is Status.GO
    stale, _ = launch(required, approval=APPROVAL, sample_digest="d2")
    assert stale["approval"].status is Status.NO_GO and "earlier sample" in stale["approval"].why
