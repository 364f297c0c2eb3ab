"""Two recorded runs held against each other: what differs in settings, data, verdicts, checks, metrics and cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from gonogo.base.text import clean
from gonogo.base.units import dollars, duration
from gonogo.report.run_record import RunRecord
from gonogo.report.tables import aligned
from gonogo.report.wording import measured, number
from gonogo.runtime.run_table import RunLine

NONE = "–"
MOST_CHARACTERS = 70  # of a value in a terminal
DIGEST = 12  # characters


@dataclass(frozen=True)
class Difference:
    """One thing in which two runs differ; text that is clean."""

    part: str  # settings, data, verdicts, …
    name: str
    old: str
    new: str
    change: str = ""  # of figures


@dataclass(frozen=True)
class RecordedRun:
    line: RunLine
    record: RunRecord


def differences(old: RecordedRun, new: RecordedRun) -> list[Difference]:
    """In the order of a run: what it was asked, on which data, what the gates said, what came, what it took."""
    before, after = old.record, new.record
    found = list(_of("settings", before.settings, after.settings))
    found += _of("judged (sha256)", _short(before.digests()), _short(after.digests()))
    found += _of("origin", before.origin, after.origin)
    found += _of("verdicts", _verdicts(before), _verdicts(after))
    found += _of("checks", _checks(before), _checks(after))
    found += _metrics(before, after)
    found += _of("cost", _cost(old.line), _cost(new.line))
    return found


def diff_rows(found: list[Difference]) -> list[dict[str, Any]]:
    return [asdict(one) for one in found]


def diff_text(old: RunLine, new: RunLine, found: list[Difference]) -> str:
    """A table, with the runs as heads of their columns."""
    heads = ("", "", clean(old.name), clean(new.name), "change")
    rows = [(it.part, it.name, _cut(it.old), _cut(it.new), it.change) for it in found]
    top = ("", "verdict", old.word, new.word, "")
    return aligned(heads, [top, *rows])


def _of(part: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    """What is not the same, in the order of the new one, then what only the old one has."""
    for name in dict.fromkeys([*new, *old]):
        before, after = _text(old.get(name)), _text(new.get(name))
        if before != after:
            yield Difference(part, clean(name), before, after)


def _text(value: Any) -> str:
    return clean(value) or NONE if value is not None else NONE


def _cut(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 2] + " …"


def _short(digests: Mapping[str, str]) -> dict[str, str]:
    return {name: digest[:DIGEST] for name, digest in digests.items()}


def _verdicts(record: RunRecord) -> dict[str, str]:
    return {
        verdict.title: verdict.status.label + (f" {verdict.cause}" if verdict.cause else "")
        + (", overridden" if verdict.override else "")
        for verdict in record.verdicts
    }  # fmt: skip


def _checks(record: RunRecord) -> dict[str, str]:
    """Value and status of each check, with what was asked of it."""
    return {
        f"{verdict.title}: {check.title}": f"{check.status.mark} {measured(check)}"
        + (f", asked {check.threshold}" if check.threshold else "")
        for verdict in record.verdicts
        for check in verdict.checks
    }


def _metrics(old: RunRecord, new: RunRecord) -> Iterator[Difference]:
    for name in dict.fromkeys([*new.metrics, *old.metrics]):
        before, after = old.metrics.get(name), new.metrics.get(name)
        if before != after:
            change = (
                "" if before is None or after is None else f"{'+' if after > before else ''}{number(after - before)}"
            )
            texts = [NONE if value is None else number(value) for value in (before, after)]
            yield Difference("metrics", clean(name), texts[0], texts[1], change)


def _cost(line: RunLine) -> dict[str, str]:
    return {"time of its stages": duration(line.stages_s), "dollars": dollars(line.usd)}
