"""A commit message to paste, after a halt and after a success. Git is never called."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from gonogo.base.text import clean
from gonogo.base.units import dollars, duration
from gonogo.report.verdict_by_part import PartVerdict
from gonogo.report.wording import evidence_paths, headline, saved, unique
from gonogo.verdict import Verdict

COLUMNS = 72


def of_halt(verdict: Verdict, by_part: Sequence[PartVerdict], spent_s: float, spent_usd: float) -> str:
    """Why it stopped. Lines of at most 72 characters, except for long words."""
    failed = [f"- {clean(check.id)}: {clean(check.why) or check.status.label}" for check in verdict.failed]
    return wrapped(
        [
            f"{clean(verdict.experiment)}: {verdict.status.label} at {clean(verdict.title)}",
            "",
            *unique([headline(verdict), verdict.summary]),
            *(["", *failed] if failed else []),
            "",
            by_part_words(by_part),
            f"Spent: {duration(spent_s)}, {dollars(spent_usd)}. Saved: {saved(verdict.saved)}.",
            *(f"Evidence: {path}" for path in evidence_paths(verdict)),
        ]
    )


def by_part_words(by_part: Sequence[PartVerdict]) -> str:
    """`By part: data GO, code NO-GO.`"""
    return f"By part: {', '.join(f'{part.name} {part.status.label}' for part in by_part)}."


def wrapped(lines: Sequence[str]) -> str:
    """The message, its long lines folded as git shows them."""
    return "\n".join(
        textwrap.fill(
            line, COLUMNS, subsequent_indent="  " if line.startswith("- ") else "", break_long_words=False,
            break_on_hyphens=False,
        )
        for line in lines
    )  # fmt: skip
