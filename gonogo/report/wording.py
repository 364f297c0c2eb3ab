"""The words and marks that every rendering of a verdict shares."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable

from gonogo.base.text import clean
from gonogo.base.units import dollars, duration
from gonogo.report.causes import cause_of
from gonogo.verdict import Check, Savings, Status, Verdict


def number(value: float) -> str:
    """Four figures, no exponent for what a person would write out: `0.0732`, `12,345`."""
    if not math.isfinite(value):
        return "not a number"
    return f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:.4g}"


def measured(check: Check) -> str:
    """The check's value with its unit; `not measured` where there is none."""
    value = check.value
    if value is None:
        return "not measured"
    if isinstance(value, bool):
        text = "yes" if value else "no"
    elif isinstance(value, float):
        text = number(value)
    else:
        text = clean(value)
    return f"{text} {clean(check.unit)}".strip()


def headline(verdict: Verdict) -> str:
    """Cause and meaning in one line; a cause is named only for what was measured."""
    if verdict.status is Status.NO_GO and verdict.cause:
        return f"{clean(verdict.cause)}: {cause_of(verdict).headline}"
    return clean(verdict.summary)


def about(verdict: Verdict) -> str:
    """What was judged: `quality (sample) · cvs_dark · fast`."""
    return " · ".join(clean(part) for part in (verdict.title, verdict.experiment, verdict.mode) if part)


def decision(verdict: Verdict) -> str:
    """Who passed a gate that does not pass, and why; empty for all others."""
    if verdict.override is None:
        return ""
    return f"passed by decision of {clean(verdict.override.by)}: {clean(verdict.override.reason)}"


def unique(texts: Iterable[str]) -> list[str]:
    """Each text once, in order, empty ones left out."""
    return list(dict.fromkeys(text for text in map(clean, texts) if text))


def gravest_first(verdict: Verdict) -> list[Check]:
    cautions = [check for check in verdict.checks if check.status is Status.CAUTION]
    passed = [check for check in verdict.checks if check.status is Status.GO]
    return [*verdict.failed, *cautions, *passed, *grey(verdict)]


def grey(verdict: Verdict) -> list[Check]:
    """What was not measured, and stops nothing."""
    return [check for check in verdict.checks if check.grey]


def notable(verdict: Verdict) -> list[Check]:
    """Checks that a person should read about: all that are neither GO nor grey, gravest first."""
    return [check for check in gravest_first(verdict) if check.status is not Status.GO and not check.grey]


def hints(verdict: Verdict) -> list[str]:
    """What to do now, gravest check first, each hint once."""
    return unique(check.hint for check in notable(verdict))


def evidence_paths(verdict: Verdict) -> list[str]:
    """Files that show what is wrong; of all checks where none is wrong."""
    wrong = unique(path for check in notable(verdict) for path in check.evidence)
    return wrong or unique(path for check in verdict.checks for path in check.evidence)


def saved(what: Savings) -> str:
    """What stopping here leaves unspent; says so where nobody has forecast it."""
    if what.seconds == 0 and not what.usd:
        return "nothing: the run is over"
    parts = [duration(what.seconds)] if what.seconds is not None else []
    parts += [dollars(what.usd)] if what.usd is not None else []
    return " and ".join(parts) + " that will not be spent" if parts else "not known: nothing has been forecast yet"


def minute(moment: dt.datetime) -> str:
    """`2026-01-11 02:44 UTC`."""
    return f"{moment.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"
