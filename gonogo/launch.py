"""The launch gate: everything that should be settled before money is spent, settled by machine."""

from __future__ import annotations

from pydantic import BaseModel, Field

from gonogo.config import LaunchGate
from gonogo.forecast.forecast import Range
from gonogo.measured import Measured
from gonogo.verdict import Check, Status


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
    items: list[Item]
    expected_statement: str
    hours: Range | None
    usd: Range | None
    usd_per_hour: float
    budget_usd: float
    max_hours: float
    approval: Approval | None
    sample_digest: str = Field(description="of the sample as it is now")


def judge(measured: Measurements, gate: LaunchGate) -> tuple[list[Check], str]:
    checks = [
        _items(measured),
        _expected(measured),
        *_money(measured, gate),
        *([_approval(measured)] if gate.approval == "required" else []),
    ]
    failed = {check.id for check in checks if not check.status.passes}
    if failed & {"budget", "time_cap"}:
        return checks, "BUDGET"
    return checks, "CHECKLIST" if failed else ""


def _items(m: Measurements) -> Check:
    bad = [item for item in m.items if not item.ok]
    return Check(
        id="items", title="Critical items in place", value=f"{len(m.items) - len(bad)} of {len(m.items)}", threshold="all",
        status=Status.NO_GO if bad else Status.GO,
        why="; ".join(f"{item.name}: {item.detail}" for item in bad),
        hint="Provide what is missing, then run the same command again." if bad else "",
    )  # fmt: skip


def _expected(m: Measurements) -> Check:
    good = bool(m.expected_statement.strip())
    return Check(
        id="expected", title="Expected result written down before the run", value=good, threshold="a statement",
        status=Status.GO if good else Status.NO_GO,
        why="" if good else "nobody has said what result is expected, so no result could be a disappointment",
        hint="" if good else "Write expected.statement in the experiment's YAML.",
    )  # fmt: skip


def _money(m: Measurements, gate: LaunchGate) -> list[Check]:
    if m.usd is None or m.hours is None:
        return [
            Check(
                id="budget", title="Forecast within budget", status=Status.UNKNOWN,
                why="the target's speed is not known, so its cost cannot be forecast",
                hint="Add tflops_fp32 and bandwidth_gb_s to config/accelerators.yaml, each with its source.",
            )
        ]  # fmt: skip
    allowed = m.budget_usd * (1 - gate.budget_buffer)
    over, may_be_over = m.usd.mid > allowed, m.usd.high > allowed
    budget = Check(
        id="budget", title="Forecast cost within budget", value=round(m.usd.mid, 2), unit="USD",
        threshold=f"<= {allowed:.2f} USD (budget {m.budget_usd:.2f}, {100 * gate.budget_buffer:.0f} % kept free)",
        status=Status.NO_GO if over else Status.CAUTION if may_be_over else Status.GO,
        why=f"the run is forecast at ${m.usd.mid:.2f} (${m.usd.low:.2f} to ${m.usd.high:.2f}) at ${m.usd_per_hour:.2f}/h"
        if over or may_be_over else "",
        hint="Choose a shorter mode, a cheaper target, or raise budget_usd." if over else "",
    )  # fmt: skip
    late = m.hours.mid > m.max_hours
    cap = Check(
        id="time_cap", title="Forecast time within the target's cap", value=round(m.hours.mid, 3), unit="h",
        threshold=f"<= {m.max_hours:g} h", status=Status.NO_GO if late else Status.GO,
        why=f"the run is forecast at {m.hours.mid:.1f} h, and the agent would end it at {m.max_hours:g} h" if late else "",
        hint="Raise max_hours in the target, or choose a shorter mode." if late else "",
    )  # fmt: skip
    return [budget, cap]


def _approval(m: Measurements) -> Check:
    given, current = m.approval, m.approval is not None and m.approval.inputs_digest == m.sample_digest
    why = (
        ""
        if current
        else "nobody has signed off the sample"
        if given is None
        else "the approval is for an earlier sample"
    )
    return Check(
        id="approval", title="A person looked at the sample", value=given.by if given else None, threshold="required",
        status=Status.GO if current else Status.NO_GO, why=why,
        hint="" if current else "Open the contact sheet, then: gonogo approve EXPERIMENT --by YOUR_NAME",
    )  # fmt: skip
