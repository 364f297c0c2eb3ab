"""One recorded run, for a terminal and for a program."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from gonogo.base.text import clean
from gonogo.base.units import dollars, duration
from gonogo.report.run_list import run_rows
from gonogo.report.run_record import RunRecord
from gonogo.report.tables import aligned
from gonogo.report.wording import measured, notable, number
from gonogo.runtime.ledger import Row
from gonogo.runtime.run_table import RunLine

NOT_RECORDED = "Its settings and verdicts were not recorded: it is under way, was killed, or another version ran it."


def run_facts(run: RunLine, stages: Sequence[Row], record: RunRecord | None) -> dict[str, Any]:
    """Everything, as JSON can hold it."""
    (row,) = run_rows([run])
    return {
        **row, "stages": [dataclasses.asdict(stage) for stage in stages],
        "record": record.model_dump(mode="json") if record else None,
    }  # fmt: skip


def run_page(run: RunLine, stages: Sequence[Row], record: RunRecord | None) -> str:
    """Verdicts, metrics, settings, stages."""
    head = "  ".join(filter(None, (run.word, clean(run.name), clean(run.mode))))
    parts = [head, *([f"note: {clean(run.note)}"] if run.note else [])]
    if record is None:
        parts.append(NOT_RECORDED)
    else:
        parts += [
            _part("Origin", _pairs(record.origin)),
            _part("Verdicts", _verdicts(record)),
            _part("Metrics", _pairs({name: _figure(value) for name, value in record.metrics.items()})),
            _part("Pictures", ", ".join(clean(it.title) for it in record.pictures)),
            _part("Open in its tracker", "\n".join(map(clean, record.viewers))),
            _part("Settings", _pairs({key: it for key, it in record.settings.items() if it not in (None, "")})),
        ]
    rows = [(stage.stage, stage.outcome, duration(stage.wall_s), dollars(stage.usd)) for stage in stages]
    total = ("all", "", duration(run.stages_s), dollars(run.usd))
    parts.append(_part("Stages", aligned(("stage", "outcome", "time", "cost"), [*rows, total], ("time", "cost"))))
    return "\n\n".join(filter(None, parts))


def _part(title: str, text: str) -> str:
    return f"{title}\n{text}" if text else ""


def _pairs(values: dict[str, Any]) -> str:
    width = max(map(len, values), default=0)
    return "\n".join(f"  {clean(name):{width}s}  {clean(value)}".rstrip() for name, value in values.items())


def _figure(value: float | None) -> str:
    return "not a number" if value is None else number(value)


def _verdicts(record: RunRecord) -> str:
    lines = []
    for verdict in record.verdicts:
        decided = ", overridden" if verdict.override else ""
        cause = f" {clean(verdict.cause)}:" if verdict.cause else ""
        lines.append(f"  {verdict.status.mark} {clean(verdict.title)}: {verdict.status.label}{decided}{cause} "
                     f"{clean(verdict.summary)}, of {verdict.inputs_digest[:8] or 'no digest'}")  # fmt: skip
        for check in notable(verdict):
            asked = f", asked {clean(check.threshold)}" if check.threshold else ""
            lines.append(f"      {check.status.mark} {clean(check.title)}: {measured(check)}{asked}")
    return "\n".join(lines)
