"""The machine of a run: its connection and its folder there."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from gonogo.base.digests import digest
from gonogo.base.errors import UserError
from gonogo.base.shipped import own_or_shipped
from gonogo.config.target import Embedded, Slurm, Ssh
from gonogo.config.tracking import Tracker, requirements
from gonogo.project.requirements import pip_lines
from gonogo.remote import allocation, embedded_server
from gonogo.remote.answers import Turn
from gonogo.remote.errors import NotOurTurn, Unreachable
from gonogo.remote.machine import ENVIRONMENT, Machine, connect
from gonogo.runtime.context import Run
from gonogo.runtime.session import owner_pid, session_name
from gonogo.stages.held_limit import within
from gonogo.stages.release import note_held

TRAIN_LOCK = "requirements-train.lock"
FIRST_PAUSE_S, TURN_EVERY_S = 1.0, 15.0
Result = TypeVar("Result")


def ssh_settings(run: Run) -> Ssh:
    """How to reach the target; the embedded one is started, and a job submitted, where there is none."""
    connection = run.target.connection
    if isinstance(connection, Embedded):
        return embedded_server.ensure(run.config.results_dir / "instance", owner_pid())
    if isinstance(connection, Slurm):
        folder = allocation.folder_of(run.config.results_dir, run.config.target)
        return allocation.ensure(folder, run.target, session_name(), run.say)
    return connection


def own_packages(run: Run) -> list[str]:
    """What pip installs for an experiment that names its `requirements` or `more_packages`, or for `tracking`; empty:
    what ships.

    Raises:
        UserError: the file cannot be read, or is of another kind.
    """
    trackers = run.config.tracking
    if own := run.experiment_config.requirements:
        return with_trackers(pip_lines(run.settings.root / own.expanduser()), trackers)
    more = run.load_experiment().more_packages()
    if not more and not requirements(trackers):
        return []
    shipped = own_or_shipped(run.settings.root / TRAIN_LOCK, TRAIN_LOCK)
    return with_trackers([*shipped.read_text().splitlines(), *more], trackers)


def with_trackers(lines: list[str], trackers: Sequence[Tracker]) -> list[str]:
    """Lines for pip, with those that trackers need; they are written through Lightning's loggers."""
    needed = requirements(trackers)
    have = {re.split(r"[^\w.-]", line.strip())[0].lower() for line in lines}
    more = [*needed, *(["lightning>=2.5,<3"] if needed else [])]
    return [*lines, *(line for line in more if re.split(r"[^\w.-]", line)[0] not in have)]


def environment(run: Run) -> str:
    """Folder of the run's packages on the machine: experiments that want others do not replace each other's."""
    own = own_packages(run)
    return f".env-{digest(own)[:12]}" if own else ENVIRONMENT


@contextmanager
def machine(run: Run) -> Iterator[Machine]:
    note_held(run.settings, run.experiment)
    with connect(ssh_settings(run), run.target) as connected:
        yield connected


def in_turn(run: Run, work: Callable[[Machine], Result]) -> Result:
    """Do work for which the machine must be free, once it is: what waits here begins when what is at work ends.

    Raises:
        UserError: a run of this experiment itself is at work.
        Unreachable: the machine, at first; or for as long as a run there may go unwatched.
    """
    told, pause_s, heard = "", FIRST_PAUSE_S, time.monotonic()

    def once() -> Result:
        with machine(run) as there:
            return work(there)

    while True:
        try:
            return within(run, once)
        except NotOurTurn as wait:
            heard = time.monotonic()
            if wait.waiting_for.startswith(f"{workspace(run)}/"):
                raise UserError(
                    f"{wait.waiting_for}, a run of this experiment, is at work on the machine, and what it runs in "
                    "would be replaced. Wait for it (gonogo attach), or stop it (gonogo stop)."
                ) from None
            if wait.waiting_for != told:
                told = wait.waiting_for
                run.say(f"waiting for {told}: the machine runs one thing at a time")
        except Unreachable:
            if not told or time.monotonic() - heard > 60 * run.target.lease_minutes:
                raise
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, TURN_EVERY_S)


def is_alone(run: Run) -> bool:
    """Whether one thing at a time is at work on the machine: not on the processor of this one, which is shared."""
    return not isinstance(run.target.connection, Embedded) or not run.settings.accelerator.is_this_machine


def our_turn(there: Machine, run_dir: str, *, install: bool = False) -> None:
    """Raises NotOurTurn where something else is at work: asked before what is dear, such as reading all data there.

    Args:
        install: send the agent along.
    """
    turn = there.ask(Turn, "turn", run_dir, install=install)
    if turn.waiting_for:
        raise NotOurTurn(there.where, turn.waiting_for)


def workspace(run: Run) -> str:
    """The experiment's folder on the machine, from the root."""
    return run.experiment
