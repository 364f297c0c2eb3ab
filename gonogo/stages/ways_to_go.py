"""The two ways in which a machine goes, and how each is seen to have gone: destroyed, or shut down."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from gonogo.base.errors import UserError
from gonogo.config.target import Ssh, Target
from gonogo.remote.answers import Busy, Released
from gonogo.remote.errors import RemoteError, Unreachable
from gonogo.remote.providers import FailsInPassing, Provider, patiently, provider
from gonogo.remote.rented import Rented, machine_at
from gonogo.stages.held_machines import Alarm, HeldMachine, Unknown, update

GONE_WITHIN_S = 300.0
LOOK_EVERY_S = 3.0
ASK_WITHIN_S = 120.0  # for something short that is under way to end, and for a machine to answer
BILLS_ON = (
    "A machine that is switched off is still billed at most providers (DigitalOcean and Lambda among them): destroy it "
    "in your provider's console, unless you know that yours does otherwise."
)


class NotReleased(UserError):
    """It is not released, because something would be lost with it."""


def ssh_of(target: Target, held: HeldMachine) -> Ssh:
    """How to reach the machine that is held, whatever host the target names by now."""
    assert isinstance(target.connection, Ssh), "only a machine reached by SSH is held"
    return target.connection.model_copy(update={"host": held.host})


def destroy(target: Target, held: HeldMachine, path: Path, say: Callable[[str], None], even_unfetched: bool) -> str:
    """Through the provider; returns how it was seen to be gone.

    Raises:
        NotReleased, Alarm: as `refuse_what_would_be_lost` does; Alarm also where it is not known to be gone.
        UserError: the provider refuses, or fails for too long.
    """
    ssh = ssh_of(target, held)
    if target.release.provider == "command" and held.host != ssh_host(target):
        raise Alarm(
            f"ALARM: {held.host} is held, but connection.host of the target is {ssh_host(target)} now, and "
            f"release.command is about that one: {held.host} was not destroyed. It bills on. Destroy it in your "
            f"provider's console, then run: gonogo release --gone {held.host}."
        )
    refuse_what_would_be_lost(ssh, target, say, even_unfetched)
    there = provider(target.release)
    found = machine_at(patiently(there.find, say), held.host, target.release.tag)
    seen = held.machine
    if seen and seen.id not in [machine.id for machine in found] and not patiently(lambda: there.is_gone(seen), say):
        if found:
            raise Alarm(
                f"ALARM: {seen.name} ({seen.id}) was held, and {found[0].name} ({found[0].id}) is at {held.host} now: "
                f"neither was destroyed, and both bill on. Destroy {seen.name} in your provider's console."
            )
        found = [seen]  # without its tag
    if not found:
        return _gone_already(target, held, ssh)
    for machine in found:
        say(f"destroying {machine.name}")
        update(path, held, lambda entry: _asked(entry, f"asked the provider to destroy {machine.name}"))  # noqa: B023
        destroy_patiently(there, machine, say)
        wait_until_gone(there, machine)
    return f"the provider lists {', '.join(machine.name for machine in found)} no longer"


def ssh_host(target: Target) -> str:
    assert isinstance(target.connection, Ssh), "only a machine reached by SSH is held"
    return target.connection.host


def _asked(entry: HeldMachine, what: str) -> None:
    entry.asked_at = time.time()
    entry.note(what)


def _gone_already(target: Target, held: HeldMachine, ssh: Ssh) -> str:
    """What makes it certain that a machine is gone which nobody lists any more.

    Raises:
        Alarm: it answers. Unknown: nothing does make it certain.
    """
    if answers(ssh):
        raise Alarm(
            f"ALARM: {not_listed(target)}, but {held.host} answers. It bills on. Fix it in the target's release, or "
            "destroy the machine in your provider's console."
        )
    by_command = target.release.provider == "command"
    if held.machine is None or (by_command and held.asked_at is None):
        ever = ", though nothing here has destroyed it" if held.machine else ", now or ever"
        raise Unknown(
            f"ALARM: WHETHER {held.host} IS GONE IS UNKNOWN: {not_listed(target)}{ever}, and it does not answer. It "
            f"may bill on. Look in your provider's console, and destroy it there; then run: gonogo release --gone "
            f"{held.host}."
        )
    return f"{not_listed(target)}, {held.machine.name} is listed no longer, and nothing answers"


def not_listed(target: Target) -> str:
    """Who says that the machine is not there, in words."""
    if target.release.provider == "command":
        return "release.gone_command says that the machine is gone"
    return f"the provider lists no machine with the tag {target.release.tag!r}"


def refuse_what_would_be_lost(ssh: Ssh, target: Target, say: Callable[[str], None], even_unfetched: bool) -> None:
    """Ask the machine what is under way on it, in any folder; one that is down cannot be busy.

    Raises:
        NotReleased: a run is at work, something is being sent, or results of any run were not downloaded (unless
            `even_unfetched`).
        Alarm: it cannot be asked (unless `even_unfetched`).
    """
    until = time.monotonic() + ASK_WITHIN_S
    while True:
        try:
            busy = _busy(ssh, target)
        except Unreachable as error:
            if time.monotonic() > until:
                say(f"{error} It counts as down.")
                return
            busy = None
        except UserError as error:
            if even_unfetched:
                say(f"CAUTION: {ssh.host} cannot be asked what is under way on it: {error}")
                return
            raise Alarm(
                f"ALARM: {ssh.host} IS NOT RELEASED, and bills on: it cannot be asked whether a run or results are "
                f"there: {error} Fix that, or release it whatever is there with: gonogo release --discard."
            ) from None
        if busy and busy.runs:
            raise NotReleased(f"{ssh.host} is not released: {', '.join(busy.runs)} is still at work there.")
        if busy and busy.unfetched and not even_unfetched:
            raise NotReleased(
                f"{ssh.host} is not released: the results of {', '.join(busy.unfetched)} there were never downloaded. "
                "Download them from the folder that started them, or give them up with: gonogo release --discard."
            )
        if busy and not busy.under_way:
            return
        if busy and time.monotonic() > until:
            raise NotReleased(f"{ssh.host} is not released: {busy.under_way} is under way there.")
        time.sleep(min(LOOK_EVERY_S, ASK_WITHIN_S / 4))


def _busy(ssh: Ssh, target: Target) -> Busy:
    from gonogo.remote.machine import connect

    with connect(ssh, target) as machine:
        machine.install_agent()
        return machine.ask(Busy, "busy", ".")


def destroy_patiently(there: Provider, machine: Rented, say: Callable[[str], None]) -> None:
    """Asked again while it fails in passing; a failure after which the machine is gone was none."""

    def ask() -> None:
        try:
            there.destroy(machine)
        except FailsInPassing:
            with contextlib.suppress(UserError):
                if there.is_gone(machine):
                    return
            raise

    patiently(ask, say)


def wait_until_gone(there: Provider, machine: Rented, within_s: float | None = None) -> None:
    """Until the provider says that the machine is gone; one answer that does not come ends no waiting.

    Raises:
        Alarm: it does not say so: the machine may bill on.
    """
    within_s = GONE_WITHIN_S if within_s is None else within_s
    until = time.monotonic() + within_s
    while True:
        unasked = ""
        try:
            if there.is_gone(machine):
                return
        except UserError as error:
            unasked = str(error)
        if time.monotonic() > until:
            if unasked:
                raise Unknown(
                    f"ALARM: {machine.name} WAS TO BE DESTROYED, AND WHETHER IT IS GONE IS UNKNOWN after "
                    f"{within_s:.0f} s: {unasked} It may bill on. Run gonogo release, or look in your provider's "
                    "console."
                )
            raise Alarm(
                f"ALARM: {machine.name} WAS TO BE DESTROYED AND IS STILL THERE after {within_s:.0f} s. It bills on. "
                "Destroy it in your provider's console now."
            )
        time.sleep(min(LOOK_EVERY_S, within_s / 4))


def shut_down(target: Target, held: HeldMachine, path: Path, say: Callable[[str], None], even_unfetched: bool) -> str:
    """Through the agent, so that it happens once whoever asks; then until nothing answers there.

    Raises:
        NotReleased, Alarm: as `refuse_what_would_be_lost` does; Alarm also where it is not known to be off.
    """
    ssh = ssh_of(target, held)
    if not held.runs:
        raise Alarm(
            f"ALARM: {held.host} IS NOT SHUT DOWN: no run was started there, so no request says how. It bills on. "
            f"Shut it down there, then run: gonogo release --gone {held.host}."
        )
    refuse_what_would_be_lost(ssh, target, say, even_unfetched)
    found = _asked_to_shut_down(ssh, target, held)
    if found.code not in (0, None):
        raise Alarm(
            f"ALARM: {held.host} COULD NOT BE SHUT DOWN ({found.tries} tries, exit code {found.code}: "
            f"{found.said or 'no message'}). It bills on. Destroy it in your provider's console now."
        )
    if held.asked_at is None:
        update(path, held, lambda entry: _asked(entry, "asked it to shut down"))
    until = time.monotonic() + GONE_WITHIN_S
    while answers(ssh):
        if time.monotonic() > until:
            raise Alarm(f"ALARM: {held.host} WAS SHUT DOWN AND STILL ANSWERS after {GONE_WITHIN_S:.0f} s. It bills on.")
        time.sleep(LOOK_EVERY_S)
    say(f"{held.host} is switched off. {BILLS_ON}")
    return "it was asked to shut down, and nothing answers there"


def _asked_to_shut_down(ssh: Ssh, target: Target, held: HeldMachine) -> Released:
    """What became of the shutdown command, of the latest run that knows one."""
    from gonogo.remote.machine import connect

    until = time.monotonic() + ASK_WITHIN_S
    while True:
        try:
            with connect(ssh, target) as machine:
                said: RemoteError | None = None
                for run_dir in reversed(held.runs):
                    try:
                        return machine.ask(Released, "release", run_dir, timeout_s=600)
                    except Unreachable:
                        return Released(code=0)  # it went down before it could answer
                    except RemoteError as error:
                        said = said or error
                assert said is not None, "there was a run to ask"
                raise said
        except Unreachable as error:
            if held.asked_at is not None:
                return Released(code=0)
            if time.monotonic() > until:
                raise Unknown(
                    f"ALARM: WHETHER {held.host} IS OFF IS UNKNOWN: {error} It may bill on. Run gonogo release once it "
                    f"answers, or look in your provider's console, and then run: gonogo release --gone {held.host}."
                ) from None
        time.sleep(min(LOOK_EVERY_S, ASK_WITHIN_S / 4))


def answers(ssh: Ssh) -> bool:
    """Whether an SSH server answers there.

    Raises:
        Unreachable: it cannot be told, because the jump host does not answer.
    """
    from gonogo.remote import connection

    return connection.answers(ssh)
