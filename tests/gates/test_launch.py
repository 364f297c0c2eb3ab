from __future__ import annotations

from pathlib import Path

import pytest

from gonogo.base.ranges import Range
from gonogo.config.gate_thresholds import LaunchGate
from gonogo.config.issues import Issue
from gonogo.experiment.pretrained import Asset
from gonogo.forecast.sweep_plan import sweep_plan
from gonogo.gates.launch import Approval, Item, Measurements, judge
from gonogo.report.preflight import preflight
from gonogo.verdict import Check, Status
from tests.report.test_preflight import facts

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


@pytest.mark.parametrize(
    ("severity", "status", "verdict"),
    [
        ("critical", "open", Status.NO_GO), ("major", "open", Status.CAUTION), ("minor", "open", Status.GO),
        ("critical", "fixed", Status.GO), ("major", "accepted", Status.GO),
    ],
)  # fmt: skip
def test_an_open_issue_weighs_as_much_as_it_is_severe(severity: str, status: str, verdict: Status) -> None:
    issue = Issue(what="labels shifted by one", severity=severity, status=status, resolution="shifted back")
    checks, cause = launch(issues=[issue])
    assert checks["issues"].status is verdict and cause == ("CHECKLIST" if verdict is Status.NO_GO else "")
    assert ("labels shifted by one" in checks["issues"].why) is (verdict is not Status.GO)


def test_a_deleted_input_fails_its_row_and_the_launch(tmp_path: Path) -> None:
    weights = tmp_path / "encoder.pt"
    weights.write_bytes(bytes(1000))
    asset = Asset(path=weights, min_bytes=500, max_bytes=2000, source="https://example.org/encoder")

    def judged() -> tuple[Item, dict[str, Check], str]:
        item = Item.model_validate(dict(zip(("name", "ok", "detail"), asset.needed("point encoder"), strict=True)))
        return item, *launch(items=[item])

    item, checks, cause = judged()
    assert item.ok and checks["items"].status is Status.GO and cause == ""
    weights.unlink()
    item, checks, cause = judged()
    page = preflight([], facts(items=[item]))
    assert f"| point encoder | 🔴 missing | {weights}: not there. Get it from https://example.org/encoder |" in page
    assert checks["items"].status is Status.NO_GO and cause == "CHECKLIST" and str(weights) in checks["items"].why


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


def test_times_that_contradict_each_other_are_a_caution() -> None:
    checks, cause = launch(contradictions=["198 steps of 20 s take 1 h 06 min; an epoch is said to take 12 min"])
    assert checks["timeline"].status is Status.CAUTION and "1 h 06 min" in checks["timeline"].why and cause == ""
    assert "timeline" not in launch()[0]


def test_the_variants_of_a_sweep_have_one_budget() -> None:
    one = Range(low=1, mid=2, high=3)
    checks, cause = launch(usd=one, sweep=sweep_plan("rates", ["a", "b", "c"], {"a": one, "b": one}))
    assert checks["sweep_budget"].status is Status.GO and cause == "" and checks["sweep_budget"].value == 4
    eight = dict.fromkeys("abcdefgh", one)
    checks, cause = launch(usd=one, sweep=sweep_plan("rates", [*eight], eight))  # 16 of 20 less a quarter
    assert checks["budget"].status is Status.GO and checks["sweep_budget"].status is Status.NO_GO and cause == "BUDGET"
    checks, cause = launch(usd=one, sweep=sweep_plan("rates", ["a", "b"], {"a": one, "b": None}))
    assert checks["sweep_budget"].status is Status.UNKNOWN and "b is not known" in checks["sweep_budget"].why


def test_only_the_best_of_a_sweep_are_launched() -> None:
    one = Range(low=1, mid=2, high=3)
    four = dict.fromkeys("abcd", one)
    plan = sweep_plan("rates", [*"abcde"], four, {"a": 0.1, "b": 0.7, "c": 0.3, "d": 0.5}, keep=0.5)
    assert (plan.launched, plan.left_out, plan.stopped, plan.usd.mid) == (["b", "d"], ["a", "c"], ["e"], 4)
    checks, cause = launch(usd=one, sweep=plan, variant="d")
    assert checks["halving"].status is Status.GO and checks["halving"].value == 2 and cause == ""
    checks, cause = launch(usd=one, sweep=plan, variant="c")
    assert checks["halving"].status is Status.NO_GO and cause == "OUTRANKED" and "0.3 after" in checks["halving"].why
    assert sweep_plan("rates", ["a"], {"a": one}, {"a": 0.1}, keep=0.5).launched == ["a"]
