"""A commit message to paste, after a halt and after a success. Git is never called."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gonogo.base.text import clean
from gonogo.base.units import dollars, duration
from gonogo.report.verdict_by_part import PartVerdict
from gonogo.report.wording import evidence_paths, headline, number, saved, unique
from gonogo.verdict import Verdict

if TYPE_CHECKING:
    from gonogo.report.run_report import RunFacts

COLUMNS = 72


def of_halt(verdict: Verdict, by_part: Sequence[PartVerdict], spent_s: float, spent_usd: float) -> str:
    """Why it stopped. Lines of at most 72 characters, except for long words."""
    failed = [f"- {clean(check.id)}: {clean(check.why) or check.status.label}" for check in verdict.failed]
    return _wrapped(
        [
            f"{clean(verdict.experiment)}: {verdict.status.label} at {clean(verdict.title)}",
            "",
            *unique([headline(verdict), verdict.summary]),
            *(["", *failed] if failed else []),
            "",
            _by_part(by_part),
            f"Spent: {duration(spent_s)}, {dollars(spent_usd)}. Saved: {saved(verdict.saved)}.",
            *(f"Evidence: {path}" for path in evidence_paths(verdict)),
        ]
    )


def of_success(facts: RunFacts, by_part: Sequence[PartVerdict]) -> str:
    """What the finished run obtained, beside what was expected of it."""
    obtained = [
        f"- {clean(metric.name)}: {number(metric.obtained)}"
        + ("" if metric.least is None else f" (expected at least {number(metric.least)})")
        for metric in facts.metrics
        if metric.obtained is not None
    ]
    decided = [f"Overridden: {clean(verdict.title)}." for verdict in facts.overridden]
    hours, usd = facts.actual_hours, facts.actual_usd
    took = "not measured" if hours is None else duration(3600 * hours)
    paid = "not measured" if usd is None else dollars(usd)
    return _wrapped(
        [
            f"{clean(facts.experiment)}: {facts.status.label} after the {clean(facts.mode)} run",
            "",
            *([f"Expected: {clean(facts.expected_statement)}", ""] if facts.expected_statement.strip() else []),
            *(["Obtained:", *obtained, ""] if obtained else []),
            _by_part(by_part),
            *decided,
            f"Trained on {clean(facts.target)}: {took}, {paid}.",
            *([f"Checkpoints: {facts.archive}"] if facts.archive else []),
        ]
    )


def _by_part(by_part: Sequence[PartVerdict]) -> str:
    return f"By part: {', '.join(f'{part.name} {part.status.label}' for part in by_part)}."


def _wrapped(lines: Sequence[str]) -> str:
    return "\n".join(
        textwrap.fill(
            line, COLUMNS, subsequent_indent="  " if line.startswith("- ") else "", break_long_words=False,
            break_on_hyphens=False,
        )
        for line in lines
    )  # fmt: skip
