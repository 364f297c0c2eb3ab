"""The launch gate: everything that should be settled before money is spent, settled by machine."""

from __future__ import annotations

from pydantic import BaseModel, Field

from gonogo.base.ranges import Range
from gonogo.config.gate_thresholds import LaunchGate
from gonogo.config.issues import Issue
from gonogo.forecast.sweep_plan import SweepPlan
from gonogo.measurements import Measured
from gonogo.verdict import Check, Status, threshold_check


class Item(BaseModel):
    """One line of the critical-items table."""

    name: str
    ok: bool
    detail: str


class Approval(BaseModel):
    """Somebody looked, by name; it counts for the data that they looked at and for no other."""

    experiment: str
    by: str = Field(min_length=1)
    note: str = ""
    approved_at: str
    inputs_digest: str = Field(description="of the sample that was looked at")


class Measurements(Measured):
    measured_after: str = Field("", description="time of the measurements that did not pass, which these replace")
    items: list[Item]
    expected_statement: str
    hours: Range | None
    usd: Range | None
    not_forecast: str = Field("", description="why there are no hours")
    usd_per_hour: float
    issues: list[Issue] = Field(default_factory=list, description="that were found wrong, open or not")
    contradictions: list[str] = Field(default_factory=list, description="times of the plan that cannot all hold")
    budget_usd: float
    sweep: SweepPlan | None = Field(None, description="where the experiment is a variant of one")
    variant: str = Field("", description="its name there")
    max_hours: float
    approval: Approval | None
    sample_digest: str = Field(description="of the sample as it is now")
    device_note: str = Field("", description="what is out of the ordinary about the device that trains")


def judge(measured: Measurements, gate: LaunchGate) -> tuple[list[Check], str]:
    checks = [
        _items(measured),
        _expected(measured),
        *([_device(measured.device_note)] if measured.device_note else []),
        *([_timeline(measured)] if measured.contradictions else []),
        *([_issues(measured)] if measured.issues else []),
        *_money(measured, gate),
        *(_sweep(measured, measured.sweep, gate) if measured.sweep else []),
        *([_approval(measured)] if gate.approval == "required" else []),
    ]
    failed = {check.id for check in checks if not check.status.passes}
    if failed & {"budget", "time_cap", "sweep_budget"}:
        return checks, "BUDGET"
    if failed == {"halving"}:
        return checks, "OUTRANKED"
    return checks, "CHECKLIST" if failed else ""


def _items(m: Measurements) -> Check:
    bad = [item for item in m.items if not item.ok]
    return threshold_check(
        "items",
        "Critical items in place",
        f"{len(m.items) - len(bad)} of {len(m.items)}",
        "all",
        not bad,
        why="; ".join(f"{item.name}: {item.detail}" for item in bad),
        hint="Provide what is missing, then run the same command again.",
    )


def _expected(m: Measurements) -> Check:
    written = bool(m.expected_statement.strip())
    return threshold_check(
        "expected",
        "Expected result written down before the run",
        written,
        "a statement",
        written,
        why="nobody has said what result is expected, so no result could be a disappointment",
        hint="Write expected.statement in the experiment's YAML.",
    )


def _device(note: str) -> Check:
    """Expected, yet reported: a run on the CPU is a good run."""
    return Check(
        id="device",
        title="Device that trains",
        value="CPU" if "CPU" in note else "forced",
        status=Status.CAUTION,
        why=note,
    )


def _timeline(m: Measurements) -> Check:
    return Check(
        id="timeline",
        title="Times that contradict each other",
        value=len(m.contradictions),
        threshold="0",
        status=Status.CAUTION,
        why="; ".join(m.contradictions),
        hint="Correct expected.timeline: the canary measures seconds a step, and the forecast follows from them.",
    )


def _issues(m: Measurements) -> Check:
    """Critical ones that are open stop the launch, major ones are a caution."""
    still_open = [issue for issue in m.issues if issue.status == "open"]
    by_severity = {issue.severity for issue in still_open}
    status = Status.GO
    if "major" in by_severity:
        status = Status.CAUTION
    if "critical" in by_severity:
        status = Status.NO_GO
    told = [f"{issue.severity}: {issue.what}" for issue in still_open if issue.severity != "minor"]
    return Check(
        id="issues",
        title="Issues that are open",
        value=len(still_open),
        unit=f"of {len(m.issues)}",
        threshold="none critical; CAUTION with a major one",
        status=status,
        why="; ".join(told),
        hint="Fix it, then set its status and resolution under `issues` in the experiment's YAML." if told else "",
    )


def _money(m: Measurements, gate: LaunchGate) -> list[Check]:
    title = "Forecast cost within budget"
    if m.usd is None or m.hours is None:
        why = f"time and cost cannot be forecast: {m.not_forecast or 'the speed of the target is not known'}"
        hint = "Provide what is missing; a card's tflops_fp32 and bandwidth_gb_s belong in config/accelerators.yaml."
        return [threshold_check("budget", title, None, "a forecast", None, why=why, hint=hint)]
    allowed = m.budget_usd * (1 - gate.budget_buffer)
    likely = f"${m.usd.mid:.2f} (${m.usd.low:.2f} to ${m.usd.high:.2f}) at ${m.usd_per_hour:.2f}/h"
    budget = threshold_check(
        "budget",
        title,
        round(m.usd.mid, 2),
        f"<= {allowed:.2f} USD (budget {m.budget_usd:.2f}, {100 * gate.budget_buffer:.0f} % kept free)",
        m.usd.mid <= allowed,
        unit="USD",
        why=f"the run is forecast at {likely}",
        hint="Choose a shorter mode, a cheaper target, or raise budget_usd.",
    )
    if budget.status is Status.GO and m.usd.high > allowed:
        budget.status, budget.why = Status.CAUTION, f"the run is forecast at {likely}: it may break the budget"
    cap = threshold_check(
        "time_cap",
        "Forecast time within the target's cap",
        round(m.hours.mid, 3),
        f"<= {m.max_hours:g} h",
        m.hours.mid <= m.max_hours,
        unit="h",
        why=f"the run is forecast at {m.hours.mid:.1f} h, and the agent would end it at {m.max_hours:g} h",
        hint="Raise max_hours in the target, or choose a shorter mode.",
    )
    return [budget, cap]


def _sweep(m: Measurements, plan: SweepPlan, gate: LaunchGate) -> list[Check]:
    return [*([_halving(m.variant, plan)] if plan.skills else []), _sweep_budget(m, plan, gate)]


def _halving(variant: str, plan: SweepPlan) -> Check:
    """Only the best after equally many steps are launched."""
    names, kept = list(plan.skills), len(plan.launched)
    return threshold_check(
        "halving",
        "Rank among the sweep's variants, by held-out skill",
        names.index(variant) + 1,
        f"<= {kept} of {len(names)}",
        variant in plan.launched,
        why=f"its skill is {plan.skills[variant]:.3g} after the smoke run, that of the last one kept "
        f"{plan.skills[names[kept - 1]]:.3g}",
        hint="Nothing is wrong with it; to launch it as well, raise sweep.halving.keep.",
    )


def _sweep_budget(m: Measurements, plan: SweepPlan, gate: LaunchGate) -> Check:
    """All variants have one budget; none is launched where they exceed it together."""
    allowed = m.budget_usd * (1 - gate.budget_buffer)
    check = threshold_check(
        "sweep_budget",
        f"Forecast cost of the sweep's {len(plan.launched)} variants within budget",
        None if plan.unforecast else round(plan.usd.mid, 2),
        f"<= {allowed:.2f} USD (budget {m.budget_usd:.2f}, {100 * gate.budget_buffer:.0f} % kept free)",
        None if plan.unforecast else plan.usd.mid <= allowed,
        unit="USD",
        why=f"the cost of {', '.join(plan.unforecast)} is not known"
        if plan.unforecast
        else f"{plan.sweep} is forecast at ${plan.usd.mid:.2f} (${plan.usd.low:.2f} to ${plan.usd.high:.2f}) in all",
        hint="Sweep over fewer values, choose a shorter mode or a cheaper target, or raise budget_usd.",
    )
    if check.status is Status.GO and plan.usd.high > allowed:
        check.status = Status.CAUTION
    return check


def _approval(m: Measurements) -> Check:
    given = m.approval
    return threshold_check(
        "approval",
        "A person looked at the sample",
        given.by if given else None,
        "required",
        given is not None and given.inputs_digest == m.sample_digest,
        why="nobody has signed off the sample" if given is None else "the approval is for an earlier sample",
        hint="Open the contact sheet, then: gonogo approve EXPERIMENT --by YOUR_NAME",
    )
