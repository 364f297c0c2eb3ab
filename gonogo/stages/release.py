"""release: a rented machine destroyed or shut down, once everything on it is verified here; and whether it is gone.

The SSH library is imported where it is needed: `gonogo` reads this module for each of its commands.
"""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gonogo.base.errors import UserError
from gonogo.base.files import write_json
from gonogo.base.units import dollars, duration
from gonogo.config.load import Settings
from gonogo.config.target import Ssh, Target
from gonogo.remote.answers import Released, RunsAtWork, read
from gonogo.remote.errors import RemoteError, Unreachable
from gonogo.remote.providers import Provider, Rented, addresses_of, is_address, plain, provider
from gonogo.runtime.context import Run
from gonogo.stages.held import held_file, unfetched

GONE_WITHIN_S = 300.0
LOOK_EVERY_S = 3.0
BILLS_ON = (
    "A machine that is switched off is still billed at most providers (DigitalOcean and Lambda among them): destroy it "
    "in your provider's console, unless you know that yours does otherwise."
)


def note_held(settings: Settings) -> None:
    """Remember that the target's machine is in use, until it is known to be gone; and which its provider says it is."""
    path, ssh = held_file(settings), settings.target.connection
    if not isinstance(ssh, Ssh):
        return
    if not path.exists():
        write_json(path, {"host": ssh.host, "since": time.time(), "runs": []})
    held = json.loads(path.read_text())
    if settings.target.release.how == "destroy" and "machine" not in held and held["host"] == ssh.host:
        seen = _listed(settings.target, ssh.host)
        if seen:
            write_json(path, {**json.loads(path.read_text()), "machine": asdict(seen)})


def _listed(target: Target, host: str) -> Rented | None:
    """The machine as its provider lists it now; None where that cannot be told, reported when it is released."""
    try:
        found = machine_at(provider(target.release).find(), host, target.release.tag)
    except UserError:
        return None
    return found[0] if found else None


def release(run: Run, inputs: Any, outputs: Any) -> None:
    """Release the machine that an earlier invocation left held."""
    release_machine(run.settings, run.say)
    Path(outputs[0]).touch()


def release_machine(settings: Settings, say: Callable[[str], None], *, even_unfetched: bool = False) -> bool:
    """Release the target's machine as its `release` says, and look whether it is gone.

    Returns:
        Whether nothing bills on that we know of.

    Raises:
        UserError: results are not fetched (unless `even_unfetched`), or it could not be released: it bills on.
    """
    path, target = held_file(settings), settings.target
    if not path.exists():
        return True
    held = json.loads(path.read_text())
    cost = _cost(target, held)
    left = unfetched(settings)
    if left and not even_unfetched:
        raise UserError(
            f"{held['host']} is not released: the results of {', '.join(left)} are not verified here. Run the same "
            f"command again to fetch them, or give them up with: gonogo release --discard. Held {cost}."
        )
    assert isinstance(target.connection, Ssh), "only a machine of one's own is held"
    if target.connection.host != held["host"]:
        raise UserError(
            f"{held['host']} is held, but connection.host of the target is {target.connection.host} now: neither is "
            f"released. Write {held['host']} there to release it, or remove {path} if it is gone. Held {cost}."
        )
    if target.release.how == "none":
        say(f"{held['host']} is yours still, and bills on (release: none). Held {cost}.")
        return False
    gone = _destroy(target, held, path, say) if target.release.how == "destroy" else _shut_down(target, held, path, say)
    if gone:
        path.unlink()
        say(f"{held['host']} is released after {cost}")
    return gone


def _cost(target: Target, held: dict[str, Any]) -> str:
    seconds = time.time() - held["since"]
    return f"{duration(seconds)}, about {dollars(seconds / 3600 * target.usd_per_hour)}"


def _destroy(target: Target, held: dict[str, Any], path: Path, say: Callable[[str], None]) -> bool:
    there, host = provider(target.release), held["host"]
    ssh = target.connection
    assert isinstance(ssh, Ssh), "only a machine of one's own is held"
    _refuse_busy(ssh, target)
    found = machine_at(there.find(), host, target.release.tag)
    seen = Rented(**held["machine"]) if "machine" in held else None
    if seen and seen.id not in [machine.id for machine in found] and not there.is_gone(seen):
        if found:
            raise UserError(
                f"ALARM: {seen.name} ({seen.id}) was held, and {found[0].name} ({found[0].id}) is at {host} now: "
                f"neither was destroyed, and both bill on. Destroy {seen.name} in your provider's console."
            )
        found = [seen]  # without its tag
    if not found and _answers(ssh):
        raise UserError(
            f"ALARM: {_not_listed(target)}, but {host} answers. It bills on. Fix it in the target's release, or "
            "destroy the machine in your provider's console."
        )
    if not found and not seen:
        raise UserError(
            f"ALARM: WHETHER {host} IS GONE IS UNKNOWN: {_not_listed(target)}, now or ever, and it does not answer. It "
            f"may bill on. Look in your provider's console, and destroy it there; then remove {path}."
        )
    for machine in found:
        say(f"destroying {machine.name}")
        there.destroy(machine)
        wait_until_gone(there, machine)
    return True


def _not_listed(target: Target) -> str:
    if target.release.provider == "command":
        return "release.gone_command says that the machine is gone"
    return f"the provider lists no machine with the tag {target.release.tag!r}"


def _refuse_busy(ssh: Ssh, target: Target) -> None:
    """Raise UserError while a run is at work there, ours or another's; a machine that is down is not busy."""
    from gonogo.remote.machine import connect

    try:
        with connect(ssh, target) as machine:
            machine.install_agent()
            busy: list[str] = read(RunsAtWork, machine.run_agent("busy", "."), f"{machine.where}: agent busy")
    except Unreachable:
        return
    if busy:
        raise UserError(f"{ssh.host} is not released: {', '.join(busy)} is still at work there")


def machine_at(found: list[Rented], host: str, tag: str) -> list[Rented]:
    """The machine at the target's address; where the host is a name that leads nowhere, the only one with the tag.

    Raises:
        UserError: one of several would have to be chosen, or the address is another's: nothing is destroyed.
    """
    wanted = addresses_of(host)
    told = [machine for machine in found if machine.addresses is not None]
    at_host = [machine for machine in told if wanted & {plain(address) for address in machine.addresses or ()}]
    if told and not at_host and any(is_address(address) for address in wanted):
        theirs = "; ".join(f"{machine.name}: {', '.join(machine.addresses or ()) or 'none'}" for machine in told)
        raise UserError(
            f"ALARM: no machine with the tag {tag!r} has the address of {host} ({theirs}): nothing was destroyed, and "
            f"{host} bills on. Give the tag to that machine, or write the machine's own address into connection.host."
        )
    found = at_host or found
    if len(found) > 1:
        names = ", ".join(machine.name for machine in found)
        raise UserError(
            f"{len(found)} machines carry the tag {tag!r} ({names}), and none of them is known to be {host}: nothing "
            "was destroyed. Give the target's machine a tag of its own, or its address in connection.host."
        )
    return found


def wait_until_gone(there: Provider, machine: Rented, within_s: float = GONE_WITHIN_S) -> None:
    """Until the provider says that the machine is gone.

    Raises:
        UserError: it does not say so: the machine may bill on.
    """
    until = time.monotonic() + within_s
    while not there.is_gone(machine):
        if time.monotonic() > until:
            raise UserError(
                f"ALARM: {machine.name} WAS TO BE DESTROYED AND IS STILL THERE after {within_s:.0f} s. It bills on. "
                "Destroy it in your provider's console now."
            )
        time.sleep(min(LOOK_EVERY_S, within_s / 4))


def _shut_down(target: Target, held: dict[str, Any], path: Path, say: Callable[[str], None]) -> bool:
    """Through the agent, so that it happens once whoever asks; then until nothing answers there."""
    from gonogo.remote.machine import connect

    ssh = target.connection
    assert isinstance(ssh, Ssh), "only a machine of one's own is held"
    if not held["runs"]:
        raise UserError(f"{held['host']}: no run was started there, so no order says how to shut it down: do it there")
    found = Released(code=0)
    try:
        # what cannot answer any more went down before it could
        with connect(ssh, target) as machine, contextlib.suppress(Unreachable):
            said = machine.run_agent("release", held["runs"][-1], timeout_s=600)
            found = read(Released, said, f"{ssh.host}: agent release")
    except Unreachable as error:
        if not held.get("asked_to_shut_down"):
            raise UserError(
                f"ALARM: WHETHER {held['host']} IS OFF IS UNKNOWN: {error} It may bill on. Run gonogo release once it "
                f"answers, or look in your provider's console, and then remove {path}."
            ) from None
    if found.code not in (0, None):
        raise UserError(
            f"ALARM: {held['host']} COULD NOT BE SHUT DOWN ({found.tries} tries, exit code {found.code}: "
            f"{found.said or 'no message'}). It bills on. Destroy it in your provider's console now."
        )
    write_json(path, {**held, "asked_to_shut_down": True})
    until = time.monotonic() + GONE_WITHIN_S
    while _answers(ssh):
        if time.monotonic() > until:
            raise RemoteError(
                f"ALARM: {held['host']} WAS SHUT DOWN AND STILL ANSWERS after {GONE_WITHIN_S:.0f} s. It bills on."
            )
        time.sleep(LOOK_EVERY_S)
    say(f"{held['host']} is switched off. {BILLS_ON}")
    return True


def _answers(ssh: Ssh) -> bool:
    try:
        with socket.create_connection((ssh.host, ssh.port), timeout=5) as link:
            link.settimeout(5)
            return link.recv(4) == b"SSH-"
    except OSError:
        return False
