"""A verdict as one line. Without a terminal library: every judge's process writes one, and most write nothing else."""

from __future__ import annotations

from gonogo.base.text import clean
from gonogo.report.wording import decision
from gonogo.verdict import Status, Verdict

ANSI = {"green": 32, "yellow": 33, "red": 31, "bright_black": 90}
BOLD, PLAIN = 1, 0


def to_line(verdict: Verdict, colour: bool) -> str:
    """Status, gate, summary. No line break, whatever the verdict holds."""
    caution = (PLAIN, ANSI["yellow"]) if verdict.status is Status.CAUTION else (PLAIN,)
    parts = [
        ((BOLD, ANSI[verdict.status.colour]), f"{verdict.status.label:<9}"),
        ((PLAIN,), f"{clean(verdict.title)}  "),
        (caution, clean(verdict.summary)),
    ]
    if verdict.override:
        parts.append(((BOLD, ANSI["yellow"]), f"  {decision(verdict)}"))
    if not colour:
        return "".join(text for _, text in parts)
    return "".join(f"\x1b[{';'.join(map(str, codes))}m{text}" for codes, text in parts) + "\x1b[0m"
