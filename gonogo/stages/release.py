"""release: a rented machine destroyed or shut down, once everything on it is verified here; and whether it is gone.

The SSH library is imported where it is needed: `gonogo` reads this module for each of its commands.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gonogo.base.errors import UserError
from gonogo.config.load import Settings
from gonogo.config.target import Ssh, Target
from gonogo.remote.providers import provider
from gonogo.remote.rented import Rented, addresses_of, machine_at
from gonogo.runtime.context import Run
from gonogo.stages.held import unfetched
from gonogo.stages.held_machines import (
    Alarm,
    HeldMachine,
    State,
    changing,
    held_file,
    held_machines,
    locked,
    update,
)
from gonogo.stages.machine_bill import close
from gonogo.stages.tell import alarm
from gonogo.stages.ways_to_go import NotReleased, destroy, not_listed, shut_down


def note_held(settings: Settings, experiment: str = "") -> str:
    """Remember that the target's machine is in use, until it is known to be gone; and which its provider says it is.

    A target that names another machine by now holds both.

    Returns:
        What would keep it from being released, as far as that is known now; empty: nothing.
    """
    ssh, target = settings.target.connection, settings.target
    if not isinstance(ssh, Ssh):
        return ""
    path = held_file(settings)
    listed = target.release.how == "destroy"
    for known in held_machines(path, ssh.host):
        noted = known.host == ssh.host and known.state == "held" and (known.machine or not listed)
        if noted and (not experiment or experiment in known.experiments):
            return ""
    seen, doubt = _listed(target, ssh.host) if listed else (None, "")
    with changing(path, ssh.host) as machines:
        held = _same(machines, ssh.host, seen)
        if held is None:
            held = HeldMachine(host=ssh.host, since=time.time(), usd_per_hour=target.usd_per_hour)
            held.note(f"in use by {settings.config.results_dir}")
            machines.append(held)
        if held.host != ssh.host:
            held.note(f"reached at {ssh.host} now, and no longer at {held.host}")
            held.host = ssh.host
        if held.state in ("alarm", "unknown"):
            held.become("held", "in use again")
        held.usd_per_hour = held.usd_per_hour or target.usd_per_hour
        if seen and held.machine is None:
            held.machine = seen
            held.note(f"listed by its provider as {seen.name} {seen.id}, {', '.join(seen.addresses or ()) or 'there'}")
        if doubt and all(doubt not in one.what for one in held.evidence):
            held.note(f"not listed by its provider: {doubt}")
        if experiment and experiment not in held.experiments:
            held.experiments.append(experiment)
    return doubt


def _same(machines: list[HeldMachine], host: str, seen: Rented | None) -> HeldMachine | None:
    """The entry of the machine at `host`: by address, or by the id that its provider gave it."""
    for held in machines:
        if held.host == host or (seen and seen.id and held.machine and held.machine.id == seen.id):
            return held
    return next((held for held in machines if addresses_of(held.host) & addresses_of(host)), None)


def _listed(target: Target, host: str) -> tuple[Rented | None, str]:
    """The machine as its provider lists it now; None, and why, where that cannot be told."""
    try:
        found = machine_at(provider(target.release).find(), host, target.release.tag)
    except UserError as error:
        return None, str(error)
    return (found[0], "") if found else (None, f"{not_listed(target)}, though {host} is in use")


def release(run: Run, inputs: Any, outputs: Any) -> None:
    """Release the machine that an earlier invocation left held."""
    release_machine(run.settings, run.say)
    Path(outputs[0]).touch()


def release_machine(settings: Settings, say: Callable[[str], None], *, even_unfetched: bool = False) -> bool:
    """Release the target's machines as its `release` says, and look whether they are gone; one caller at a time.

    Returns:
        Whether nothing bills on that we know of.

    Raises:
        Alarm: one should be gone, and is not known to be: it may bill on.
        UserError: results are not fetched (unless `even_unfetched`), or something is under way there: it bills on.
    """
    path = held_file(settings)
    if not path.exists():
        return True
    assert isinstance(settings.target.connection, Ssh), "only a machine reached by SSH is held"
    here = settings.target.connection.host
    with _one_at_a_time(path, lambda: say(f"another release of target {path.stem} is under way; waiting for it")):
        machines = held_machines(path, here)
        left = unfetched(settings)
        if machines and left and not even_unfetched:
            raise UserError(
                f"{_names(machines)} is not released: the results of {', '.join(left)} are not verified here. Run the "
                f"same command again to fetch them, or give them up with: gonogo release --discard. {_held(machines)}"
            )
        problems: list[UserError] = []
        gone = True
        for held in machines:
            try:
                gone &= _release_one(settings, held, path, say, even_unfetched)
            except UserError as problem:
                problems.append(problem)
        if problems:
            kind = next((type(problem) for problem in problems if isinstance(problem, Alarm)), UserError)
            words = " ".join(map(str, problems))
            if issubclass(kind, Alarm):
                alarm(settings, words)
            raise kind(words)
        return gone


@contextlib.contextmanager
def _one_at_a_time(path: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """A disk on which no lock can be made keeps no machine from being released."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            stack.enter_context(locked(path.with_name(f".{path.stem}.release"), waiting))
        yield


def _names(machines: list[HeldMachine]) -> str:
    return ", ".join(held.name for held in machines)


def _held(machines: list[HeldMachine]) -> str:
    return "Held " + ", ".join(held.cost for held in machines) + "."


def _release_one(
    settings: Settings, held: HeldMachine, path: Path, say: Callable[[str], None], even_unfetched: bool
) -> bool:
    """From `held` to whatever the evidence says; the state is in the file before anything is asked."""
    target = settings.target
    if target.release.how == "none":
        say(f"{held.name} is yours still, and bills on (release: none). Held {held.cost}.")
        return False

    def become(state: State, what: str) -> None:
        update(path, held, lambda entry: entry.become(state, what))

    become("releasing", f"release: {target.release.how}")
    try:
        work = destroy if target.release.how == "destroy" else shut_down
        evidence = work(target, held, path, say, even_unfetched)
    except Alarm as alarm:
        become(alarm.state, str(alarm))
        raise type(alarm)(f"{alarm} Held {held.cost}.") from None
    except NotReleased as refused:
        become("held", str(refused))
        raise UserError(f"{refused} Held {held.cost}.") from None
    except Exception as error:
        become("alarm", f"{type(error).__name__}: {error}")
        said = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}."
        raise Alarm(
            f"ALARM: {held.name} MAY NOT BE RELEASED: {said} It may bill on. Run gonogo release once that is fixed, "
            f"or destroy it in your provider's console. Held {held.cost}."
        ) from None
    become("gone", evidence)
    close(settings, held)
    say(f"{held.name} is released after {held.cost}")
    return True


def forget(settings: Settings, host: str) -> HeldMachine:
    """A person has seen in the provider's console that the machine at `host` is gone: it is no longer held.

    Raises:
        UserError: no such machine is held.
    """
    path = held_file(settings)
    machines = held_machines(path, host)
    held = next((one for one in machines if one.host == host), None)
    if held is None:
        known = ", ".join(one.host for one in machines) or "none"
        raise UserError(f"no machine {host} of target {path.stem} is held here; held: {known}")
    update(path, held, lambda entry: entry.become("releasing", "a person was asked"))
    update(path, held, lambda entry: entry.become("gone", "a person says that it is gone"))
    close(settings, held)
    return held
