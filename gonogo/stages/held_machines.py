"""The rented machines that a results folder holds, each in a state with its evidence: a file for each target.

    held → releasing → gone | unknown | alarm | held

`held`: in use, or kept. `releasing`: it is being asked to go. `gone`: seen gone, and listed in released.jsonl alone.
`unknown`: nobody could see whether it is gone. `alarm`: it should be gone and is not known to be. Only `gone` ends a
hold; `unknown` and `alarm` stay until a later release sees the machine gone, or a person says so.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from gonogo.base.errors import UserError
from gonogo.base.files import write_json
from gonogo.base.models import StrictModel
from gonogo.base.units import dollars, duration
from gonogo.config.load import Settings
from gonogo.config.target import Ssh
from gonogo.remote.rented import Rented

State = Literal["held", "releasing", "gone", "unknown", "alarm"]
NEXT: dict[State, tuple[State, ...]] = {
    "held": ("releasing",),
    "releasing": ("releasing", "held", "gone", "unknown", "alarm"),
    "unknown": ("releasing", "held"),
    "alarm": ("releasing", "held"),
    "gone": (),
}
EVIDENCE_AT_MOST = 50  # the first and the latest
LEAST_TOLD_USD = 0.01
RELEASED = "released.jsonl"


class Alarm(UserError):
    """A machine that should be gone is not known to be: it may bill on."""

    state: State = "alarm"


class Unknown(Alarm):
    """Nobody could see whether it is gone."""

    state: State = "unknown"


class Observation(StrictModel):
    """What was seen or done, and when."""

    at: float
    what: str


class HeldMachine(StrictModel):
    """A rented machine, as this results folder knows it."""

    host: str = Field(description="the address by which it was reached")
    since: float = Field(description="first used for this results folder then")
    usd_per_hour: float = 0.0
    billed_at: float | None = Field(None, description="up to then its dollars are in the ledger; null: none are")
    state: State = "held"
    machine: Rented | None = Field(None, description="as its provider listed it when it was held; null: not listed yet")
    runs: list[str] = Field(default_factory=list, description="folders of runs there, the latest last")
    experiments: list[str] = Field(default_factory=list, description="that have used it")
    asked_at: float | None = Field(None, description="when it was last asked to go, by whichever way")
    evidence: list[Observation] = Field(default_factory=list)

    def note(self, what: str) -> None:
        """Add to the evidence."""
        added = [*self.evidence, Observation(at=time.time(), what=what)]
        self.evidence = added if len(added) <= EVIDENCE_AT_MOST else [added[0], *added[1 - EVIDENCE_AT_MOST :]]

    def become(self, state: State, what: str) -> None:
        """Go to the next state; `what` is the evidence for it."""
        if state not in NEXT[self.state]:
            raise AssertionError(f"{self.host}: from {self.state} there is no way to {state}")
        self.state = state
        self.note(f"{state}: {what}")

    @property
    def billed_to(self) -> float:
        """The second from which on its dollars are in no row of the ledger."""
        return self.since if self.billed_at is None else self.billed_at

    @property
    def held_s(self) -> float:
        return max(0.0, time.time() - self.since)

    @property
    def usd(self) -> float:
        return self.held_s / 3600 * self.usd_per_hour

    @property
    def cost(self) -> str:
        """In words: for how long, and for how many dollars."""
        return f"{duration(self.held_s)}, about {dollars(self.usd)}"

    @property
    def name(self) -> str:
        """The host, and what its provider calls it."""
        known = self.machine
        return f"{self.host} ({known.name}, {known.id})" if known and known.id else self.host


def held_folder(results_dir: Path) -> Path:
    return results_dir / "held"


def held_file(settings: Settings) -> Path:
    """Exists while a machine of the target is held."""
    return held_folder(settings.config.results_dir) / f"{settings.config.target}.json"


def held_machines(path: Path, host: str = "?") -> list[HeldMachine]:
    """What the file says; none where it does not exist.

    A file that is damaged still says that a machine is held.

    Args:
        host: of the machine that a damaged file means: the target's.
    """
    try:
        text = path.read_text()
    except FileNotFoundError:
        return []
    except UnicodeDecodeError:
        text = ""
    try:
        raw = json.loads(text)
        entries = raw["machines"] if "machines" in raw else [_of_an_earlier_version(raw)]
        return [HeldMachine.model_validate(entry) for entry in entries]
    except (ValueError, ValidationError, TypeError, KeyError, AttributeError):
        found = HeldMachine(host=host, since=path.stat().st_mtime)
        found.note(f"{path.name} was damaged: which machine is held, and since when, is not known")
        return [found]


def _of_an_earlier_version(raw: dict[str, Any]) -> dict[str, Any]:
    """One machine, without a state."""
    asked = {"asked_at": raw["since"]} if raw.pop("asked_to_shut_down", False) else {}
    return {**raw, **asked}


@contextlib.contextmanager
def changing(path: Path, host: str = "?") -> Iterator[list[HeldMachine]]:
    """The machines of this file, to be changed; written when the block ends well, by one process at a time."""
    with locked(path.with_name(f".{path.stem}.lock")):
        machines = held_machines(path, host)
        before = [machine.model_dump() for machine in machines]
        yield machines
        after = [machine.model_dump(mode="json") for machine in machines if machine.state != "gone"]
        if not after:
            path.unlink(missing_ok=True)
        elif before != [machine.model_dump() for machine in machines] or not path.exists():
            write_json(path, {"machines": after})


@contextlib.contextmanager
def locked(path: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold this lock file, once nobody else does.

    Args:
        waiting: called once where somebody does.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def update(path: Path, held: HeldMachine, change: Callable[[HeldMachine], None]) -> None:
    """Change this machine's state, and its entry in the file; one that is gone by then is listed in RELEASED.

    A disk that is full here keeps no machine from being released: then `held` alone changes.
    """
    change(held)
    with contextlib.suppress(OSError, UserError), changing(path, held.host) as machines:
        for entry in machines:
            if (entry.host, entry.since) == (held.host, held.since):
                entry.state, entry.asked_at, entry.evidence = held.state, held.asked_at, held.evidence
        if held.state == "gone":
            _note_released(path, held)


def _note_released(path: Path, held: HeldMachine) -> None:
    facts = {"target": path.stem, "released_at": time.time(), "usd": round(held.usd, 2)}
    # on a full disk the hold must end even so: removing it needs no room
    with contextlib.suppress(OSError), path.with_name(RELEASED).open("a") as lines:
        lines.write(json.dumps({**facts, **held.model_dump(mode="json")}) + "\n")


def spent_before_run(settings: Settings) -> str:
    """What the target's machine has cost before a run that begins now, in words; empty where that is nothing."""
    ssh = settings.target.connection
    for held in held_machines(held_file(settings)):
        if isinstance(ssh, Ssh) and held.host == ssh.host and held.usd >= LEAST_TOLD_USD:
            return (
                f"the machine has been held for {held.cost}, before this run: budget_usd "
                f"({dollars(settings.config.budget_usd)}) and max_hours count the run alone, max_held_hours and "
                "max_held_usd of the target the machine's time"
            )
    return ""


def note_run(settings: Settings, run_dir: str) -> None:
    """Remember a run of the target's machine: its request says how the machine is shut down."""
    ssh = settings.target.connection
    if not isinstance(ssh, Ssh) or not held_file(settings).exists():
        return
    with changing(held_file(settings), ssh.host) as machines:
        for held in machines:
            if held.host == ssh.host:
                held.asked_at = None
                held.runs = [*(run for run in held.runs if run != run_dir), run_dir]
