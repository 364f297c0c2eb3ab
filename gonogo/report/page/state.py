"""Where an experiment's chain stands, read from its results folder alone."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gonogo.base.errors import UserError
from gonogo.base.text import clean
from gonogo.gates import standing
from gonogo.gates.registry import GATES, Gate
from gonogo.runtime import ledger
from gonogo.verdict import Status, Verdict, worst

LEDGER = "ledger.sqlite"
# what runs before a gate judges, besides the rule that its measurements come from
_BEFORE = {
    "quality/sample": ("sample",),
    "quality/dataset": ("dataset",),
    "launch": ("forecast",),
    "canary": ("upload", "setup"),
    "results": ("cloud_train", "download"),
}
TELLING = ("halt", "report")
ENDED_BADLY = ("failed", "interrupted", ledger.CRASHED)
LOG_LINES, LOG_BYTES = 12, 16_384


@dataclass(frozen=True)
class Light:
    """One gate of the row: its verdict, if it stands, and what its stages took."""

    gate: Gate
    verdict: Verdict | None
    folder: Path
    wall_s: float
    running: bool

    @property
    def title(self) -> str:
        return self.gate.path.replace("/", " ")

    @property
    def look(self) -> str:
        """A status, `running` or `none`: the class of its light."""
        if self.running:
            return "running"
        return str(self.verdict.status) if self.verdict else "none"

    @property
    def word(self) -> str:
        if self.running:
            return "running"
        if self.verdict is None:
            return "not reached"
        return f"{self.verdict.status.label}, overridden" if self.verdict.override else self.verdict.status.label


@dataclass(frozen=True)
class ChainState:
    """One experiment in one mode. `rows` are those of its stages that ended or are under way."""

    experiment: str
    mode: str  # empty: nothing ran that depends on it
    folder: Path
    lights: list[Light]
    rows: list[ledger.Row]
    problem: str = ""  # a file that cannot be read
    log_tail: list[str] = field(default_factory=list)

    @property
    def verdicts(self) -> list[Verdict]:
        return [light.verdict for light in self.lights if light.verdict]

    @property
    def running(self) -> list[ledger.Row]:
        """Stages under way, but for those that write this page."""
        return [row for row in self.rows if row.outcome == ledger.RUNNING and row.stage not in TELLING]

    @property
    def stopped(self) -> Light | None:
        """The gate that stopped the work."""
        return next((light for light in self.lights if light.verdict and not light.verdict.go), None)

    @property
    def finished(self) -> bool:
        return len(self.verdicts) == len(GATES) and self.stopped is None

    @property
    def ended_badly(self) -> ledger.Row | None:
        """The stage that did not end well, where nothing ran after it."""
        last = next((row for row in reversed(self.rows) if row.outcome != ledger.RUNNING), None)
        return last if last and last.outcome in ENDED_BADLY and last.stage not in TELLING else None

    @property
    def status(self) -> Status:
        """The gravest verdict; UNKNOWN without one."""
        return worst(verdict.status for verdict in self.verdicts) if self.verdicts else Status.UNKNOWN

    def holds(self, path: Path) -> bool:
        """Whether a file lies in the results, and is no link out of them: only such files come into the page."""
        return path.is_file() and path.resolve().is_relative_to(self.folder.parent.resolve())

    @property
    def document(self) -> Path | None:
        """The Markdown that tells the whole story; None: there is none yet."""
        told = self.folder / self.mode / "report" / "report.md"
        if self.stopped:
            told = self.stopped.folder / "negative_result.md"
        return told if (self.stopped or self.finished) and self.holds(told) else None

    @property
    def word(self) -> str:
        """What is seen first: a verdict, or what the chain is doing."""
        if self.problem:
            return "UNREADABLE"
        if self.running:
            return "RUNNING"
        if self.stopped and self.stopped.verdict:
            return self.stopped.verdict.status.label
        if self.finished:
            return self.status.label
        bad = self.ended_badly
        return "UNFINISHED" if bad is None else "FAILED" if bad.outcome == "failed" else bad.outcome.upper()

    @property
    def look(self) -> str:
        """The colour of the first screen: a status or `running`."""
        if self.problem or self.word == "FAILED":
            return str(Status.NO_GO)
        if self.running:
            return "running"
        if self.stopped and self.stopped.verdict:
            return str(self.stopped.verdict.status)
        return str(self.status if self.finished else Status.UNKNOWN)


def experiments(results: Path) -> list[str]:
    """Names of the experiments that left something in a results folder."""
    if not results.is_dir():
        return []
    return sorted(path.name for path in results.iterdir() if _is_experiment(path))


def _is_experiment(folder: Path) -> bool:
    marks = ("logs", "generator", "quality", "sample", "assets")
    return folder.is_dir() and not folder.is_symlink() and any((folder / mark).is_dir() for mark in marks)


def chain_state(results: Path, experiment: str, mode: str = "", rows: Sequence[ledger.Row] | None = None) -> ChainState:
    """Where the chain stands.

    Args:
        mode: of the paid run; empty: the one that ran last.
        rows: of this experiment in the ledger; None: they are read from it.
    """
    folder = results / experiment
    rows = ledger.rows(results / LEDGER, experiment=experiment, running=True) if rows is None else rows
    mode = mode or next((row.mode for row in reversed(rows) if row.mode), "")
    rows = [row for row in rows if row.mode in ("", mode)]
    problem, found = "", {}
    try:
        found = {at.gate.path: at for at in standing.standing(standing.below(folder, mode))}
    except (UserError, OSError, ValueError) as error:
        problem = clean(error)
    under_way = {stage_name(row) for row in rows if row.outcome == ledger.RUNNING}
    lights = [
        Light(
            gate=gate,
            verdict=found[gate.path].verdict if gate.path in found else None,
            folder=found[gate.path].folder if gate.path in found else standing.folder(gate, folder, mode),
            wall_s=sum(row.wall_s for row in rows if stage_name(row) in _stages(gate)),
            running=bool(under_way & _stages(gate)),
        )
        for gate in GATES
    ]
    state = ChainState(experiment, mode, folder, lights, rows, problem)
    seen = state.running[-1] if state.running else state.ended_badly
    tail = log_tail(state, seen.stage) if seen else []
    return ChainState(experiment, mode, folder, lights, rows, problem, tail)


def stage_name(row: ledger.Row) -> str:
    """Without the number of a part or a round: `sample`, `measure_quality_dataset`."""
    return re.sub(r"_\d+$", "", row.stage)


def _stages(gate: Gate) -> frozenset[str]:
    scope = f"_{gate.scope}" if gate.scope else ""
    return frozenset({*_BEFORE.get(gate.path, ()), f"{gate.measured_by}{scope}", f"judge_{gate.name}{scope}"})


def log_tail(state: ChainState, stage: str, lines: int = LOG_LINES) -> list[str]:
    """The last lines of the newest log of a stage, each as text that cannot draw."""
    places = [state.folder / "logs", state.folder / state.mode / "logs"]
    logs = [log for place in places for log in place.glob(f"{_plain(stage)}*.log") if state.holds(log)]
    if not logs:
        return []
    with max(logs, key=lambda log: log.stat().st_mtime).open("rb") as log:
        log.seek(max(0, log.seek(0, 2) - LOG_BYTES))
        said = log.read().decode(errors="replace").replace("\r", "\n").splitlines()
    return [text for text in map(clean, said) if text][-lines:]


def _plain(stage: str) -> str:
    return re.sub(r"[^\w-]", "?", stage)


def all_states(results: Path, most: int) -> list[ChainState]:
    """Of every experiment that left something; the one whose stage began last comes first.

    Args:
        most: no more than these are read.
    """
    by_name: dict[str, list[ledger.Row]] = {name: [] for name in experiments(results)}
    for row in ledger.rows(results / LEDGER, running=True):
        if row.experiment in by_name:
            by_name[row.experiment].append(row)
    newest = sorted(by_name, key=lambda name: -max((row.started_at for row in by_name[name]), default=0.0))
    return [chain_state(results, name, rows=by_name[name]) for name in newest[:most]]


def stamp(results: Path, experiment: str = "") -> str:
    """Changes whenever a page may: the times and sizes of what it is made from.

    Args:
        experiment: empty: of the list of all, where a stage that begins or ends adds to the ledger.
    """
    seen = [_seen(results), _seen(results / LEDGER), _seen(results / f"{LEDGER}-wal")]
    if experiment:
        folder = results / experiment
        for place in (folder, *sorted(inner for inner in folder.glob("*") if inner.is_dir())):
            files = [place, *place.glob("*/verdict.json"), *place.glob("logs/*.log"), *place.glob("*.log")]
            seen += [f"{file.name} {_seen(file)}" for file in [*files, *place.glob("*/*.json")]]
    return hashlib.sha256("\n".join(seen).encode()).hexdigest()[:16]


def _seen(path: Path) -> str:
    try:
        status = path.stat()
    except OSError:
        return ""
    return f"{status.st_mtime_ns} {status.st_size}"
