"""What each run was, in the ledger's file: a line to list it by, its record as JSON, and its pictures.

A run is one invocation's work on one experiment. What it took is the sum of its stages' rows; what it found is kept
when the invocation ends, because the next one writes over its results.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gonogo.base.errors import UserError
from gonogo.base.text import clean
from gonogo.runtime.ledger import CRASHED, RUNNING, close_crashed, opened

_TABLES = """
CREATE TABLE IF NOT EXISTS runs (
    session TEXT NOT NULL,
    experiment TEXT NOT NULL,
    found TEXT NOT NULL,      -- JSON of `Found`
    record TEXT NOT NULL,     -- JSON: settings, verdicts, metrics, curves
    PRIMARY KEY (session, experiment)
);
CREATE TABLE IF NOT EXISTS pictures (
    digest TEXT PRIMARY KEY,  -- sha256 of the file that it was made from
    address TEXT NOT NULL     -- data:image/…
)
"""
NO_GO = "NO-GO"


@dataclass(frozen=True)
class Found:
    """What is listed of a run that was recorded."""

    verdict: str = ""  # GO, NO-GO, …, or how it ended without one
    gate: str = ""  # that stopped it
    cause: str = ""
    summary: str = ""
    judged_digest: str = ""  # of what the gate that stopped it has judged
    data_digest: str = ""
    settings_digest: str = ""
    metrics: dict[str, float | None] = field(default_factory=dict)
    saved_s: float | None = None  # by stopping there: an estimate
    saved_usd: float | None = None


@dataclass(frozen=True)
class RunLine:
    """One run. `found` is None where it was killed before its end, is under way, or is older than the records."""

    session: str
    experiment: str
    mode: str
    began_at: float  # seconds since the epoch
    stages_s: float
    usd: float
    note: str
    last_stage: str
    outcome: str
    found: Found | None = None

    @property
    def name(self) -> str:
        return f"{self.session}/{self.experiment}"

    @property
    def word(self) -> str:
        """What stands where the verdict is asked for."""
        if self.outcome in (RUNNING, CRASHED):
            return self.outcome.upper()
        if self.found:
            return self.found.verdict
        if self.last_stage == "halt":
            return "stopped by a gate"
        return "finished" if (self.last_stage, self.outcome) == ("report", "done") else self.outcome


def keep(path: Path, session: str, experiment: str, found: Found, record: str, pictures: Mapping[str, str]) -> None:
    """Record a run; what was recorded of it before is replaced.

    Args:
        record: JSON.
        pictures: digest of the file → the picture as an address.
    """
    with opened(path) as connection:
        _make(connection)
        values = [session, experiment, json.dumps(vars(found)), record]
        connection.execute("INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?)", values)
        connection.executemany("INSERT OR IGNORE INTO pictures VALUES (?, ?)", pictures.items())


def lines(path: Path, *, experiment: str = "", note: str = "") -> list[RunLine]:
    """Every run, the oldest first.

    Args:
        experiment: only of this one; empty: of all.
        note: only those whose note holds these words.
    """
    with opened(path) as connection:
        _make(connection)
        close_crashed(connection)
        ends = connection.execute(
            "SELECT session, experiment, stage, outcome, max(id) FROM stages WHERE stage != 'held' "
            "GROUP BY session, experiment"
        )
        last = {(session, name): (stage, outcome) for session, name, stage, outcome, _ in ends}
        under_way = connection.execute("SELECT DISTINCT session, experiment FROM stages WHERE outcome = ?", [RUNNING])
        last |= {run: (last[run][0], RUNNING) for run in under_way if run in last}
        kept = connection.execute("SELECT session, experiment, found FROM runs")
        known = {(session, name): _found(text) for session, name, text in kept}
        sums = connection.execute(
            "SELECT session, experiment, max(mode), min(started_at), sum(wall_s), sum(usd), max(note) FROM stages "
            "WHERE experiment != '' AND (? = '' OR experiment = ?) GROUP BY session, experiment "
            "HAVING ? = '' OR instr(lower(max(note)), lower(?)) ORDER BY min(id)",
            [experiment, experiment, note, note],
        )
        found = [(values, (values[0], values[1])) for values in sums]
        return [RunLine(*(*values, *last[run], known.get(run))) for values, run in found if run in last]


def record(path: Path, line: RunLine) -> str | None:
    """The JSON that was kept of a run; None: nothing was."""
    with opened(path) as connection:
        _make(connection)
        asked = "SELECT record FROM runs WHERE session = ? AND experiment = ?"
        found = connection.execute(asked, [line.session, line.experiment]).fetchone()
        return found[0] if found else None


def picture(path: Path, digest: str) -> str:
    """As an address; empty where it is not kept."""
    with opened(path) as connection:
        _make(connection)
        found = connection.execute("SELECT address FROM pictures WHERE digest = ?", [digest]).fetchone()
        return found[0] if found else ""


def named(known: Sequence[RunLine], name: str) -> RunLine:
    """The run that a person means.

    Args:
        name: SESSION/EXPERIMENT, the begin of it if no other run begins so, EXPERIMENT for its latest run, or
            EXPERIMENT~2 for the one two before that.

    Raises:
        UserError: none is called so, or several are.
    """
    experiment, _, back = name.partition("~")
    of_it = [line for line in known if line.experiment == experiment]
    if of_it and (not back or back.isdecimal()):
        if int(back or 0) < len(of_it):
            return of_it[-1 - int(back or 0)]
        raise UserError(
            f"{clean(name)}: there are {len(of_it)} runs of {clean(experiment)}; the first is ~{len(of_it) - 1}"
        )
    found = [line for line in known if line.name == name] or [line for line in known if line.name.startswith(name)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise UserError(f"{clean(name)}: no run is called so; `gonogo runs` lists them")
    named_so = ", ".join(clean(line.name) for line in found[:5])
    raise UserError(f"{clean(name)}: {len(found)} runs begin so; write one of {named_so}{', …' if found[5:] else ''}")


def saved(known: Sequence[RunLine]) -> list[RunLine]:
    """The NO-GOs that saved something, each once: who runs again into the same NO-GO saves nothing more."""
    first: dict[tuple[str, str, str, str], RunLine] = {}
    for line in known:
        if line.found and line.found.verdict == NO_GO:
            first.setdefault((line.experiment, line.mode, line.found.gate, line.found.judged_digest), line)
    return list(first.values())


def _make(connection: sqlite3.Connection) -> None:
    for statement in _TABLES.split(";"):
        connection.execute(statement)


def _found(text: str) -> Found | None:
    """None where another version, or another program, wrote it."""
    try:
        return Found(**json.loads(text))
    except (ValueError, TypeError):
        return None
