"""`gonogo rent`: one machine of the target's provider, from the order to its first login; or none.

    ordered (results/rented/TARGET.json) → booting → held (results/held/TARGET.json)

The order is on disk before the provider hears of it, so a second attempt finds the first one's machine. Whatever goes
wrong on the way, the machine is released; where that fails too, the order stays, for `gonogo release`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from gonogo.base.errors import UserError
from gonogo.base.models import read_model
from gonogo.base.units import dollars, duration
from gonogo.config.load import Settings
from gonogo.config.target import Ssh
from gonogo.config.target_file import with_values, write_values
from gonogo.remote.providers import FailsInPassing, patiently
from gonogo.remote.rental import Order, new_host_key
from gonogo.remote.rented import Rented
from gonogo.stages import rent_order
from gonogo.stages.held_machines import HeldMachine, changing, held_file, held_machines
from gonogo.stages.rent_order import NotRented, Renting, found_of, noted, order_file, write_order
from gonogo.stages.ways_to_go import destroy_patiently, wait_until_gone

MARK = "gonogo-rent"  # of our lines in known_hosts


def rent_machine(renting: Renting, agree: Callable[[str], bool]) -> bool:
    """Rent the target's machine, unless it is rented already; written to the target's file once it answers.

    Args:
        agree: asks a person whether what is said is to be bought.

    Returns:
        Whether the target has its machine.

    Raises:
        NotRented: nothing is rented.
        UserError: a machine may be rented; says which, and how to end that.
    """
    settings, say = renting.settings, renting.say
    with renting.alone():
        order = _standing_order(renting)
        held = held_machines(held_file(settings), renting.ssh.host)
        if held and order is None:
            say(f"{held[0].name} is rented already, target {renting.target}: {held[0].cost}. Nothing else was rented")
            return True
        if order is None:
            order = _agreed_order(renting, agree)
            if order is None:
                say("nothing was rented")
                return False
        try:
            order = _placed(renting, order)
            ssh = _answering(renting, order)
            _keep(renting, order, ssh)
        except NotRented:
            raise
        except BaseException as error:
            said = "interrupted" if isinstance(error, KeyboardInterrupt) else str(error) or type(error).__name__
            say(f"{said}: releasing the machine (Ctrl-C leaves it rented)")
            release_order(renting, order)
            raise NotRented(f"{said.rstrip('.')}. The machine was released; nothing is rented.") from error
        return True


def _standing_order(renting: Renting) -> Order | None:
    """The order of an attempt that was ended before its machine was held, if its machine is there.

    Raises:
        NotRented: a machine carries the tag that no order of this folder made.
    """
    order = read_model(Order, renting.path) if renting.path.exists() else None
    if order and order.machine_id is None:
        order = found_of(renting, order)
    held = [one.machine.id for one in held_machines(held_file(renting.settings)) if one.machine]
    ours = [*held, order.machine_id] if order else held
    others = [one for one in patiently(renting.there.find, renting.say) if one.id not in ours]
    if others and renting.settings.target.release.provider == "command":
        raise NotRented(
            "release.gone_command does not say that there is no machine yet: one is there that no order of this folder "
            "rented, or the command fails. Nothing was rented."
        )
    if others:
        names = ", ".join(
            f"{one.name} ({one.id}) at {', '.join(one.addresses or ()) or 'no address'}" for one in others
        )
        raise NotRented(
            f"{names} has the tag {renting.settings.target.release.tag!r} already, and no order of this folder rented "
            "it. Nothing was rented. Destroy it in your provider's console, or give the target another tag."
        )
    if order:
        renting.say(f"continuing with {order.machine}, rented {duration(time.time() - order.asked_at)} ago")
    return order


def _agreed_order(renting: Renting, agree: Callable[[str], bool]) -> Order | None:
    """A new order at the provider's price; None where the person does not agree."""
    with_values(renting.file, _values(renting.ssh, renting.ssh, 0.0))  # before anything is paid
    login_key = renting.login_key
    price = patiently(lambda: renting.there.offer(login_key), renting.say)
    cap = renting.rent.max_usd_per_hour
    if cap is not None and price > cap:
        raise NotRented(
            f"{renting.where()} costs {dollars(price)} an hour, more than the {dollars(cap)} that are allowed "
            "(--max-usd-per-hour, rent.max_usd_per_hour). Nothing was rented."
        )
    later = " now, and at most " + (dollars(cap) if cap else "the price on demand") if renting.rent.spot else ""
    question = f"{renting.where()} costs {dollars(price)} an hour{later}, from now until it is released. Rent it?"
    if not agree(question):
        return None
    private, public = new_host_key()
    return Order(
        target=renting.target, rent=renting.rent, accelerator=renting.accelerator, usd_per_hour=price,
        login_key=login_key, host_key=public, private_host_key=private,
    )  # fmt: skip


def _placed(renting: Renting, order: Order) -> Order:
    """The order with its machine's id; the provider is asked unless it was before.

    Raises:
        NotRented: the provider refuses.
    """
    if order.machine_id is not None:
        return order
    order.asked_at = time.time()
    write_order(renting.path, order)
    try:
        return noted(renting, order, renting.there.ask(order))
    except FailsInPassing as error:
        renting.say(f"{error} Looking whether it was rented even so.")
        if found := found_of(renting, order):
            return found
        raise NotRented(f"{error} Nothing was rented.") from None
    except UserError as refused:
        renting.path.unlink()
        raise NotRented(f"{refused} Nothing was rented.") from None


def _answering(renting: Renting, order: Order) -> Ssh:
    """The machine's address, once a login there succeeds with the host key of the order.

    Raises:
        UserError: it is gone, or does not answer in time.
    """
    from gonogo.remote.connection import open_connection
    from gonogo.remote.errors import RemoteError
    from gonogo.remote.known_hosts import pin

    minutes = renting.rent.answer_minutes
    until = time.monotonic() + 60 * minutes
    renting.say(f"rented {order.machine}; waiting until it answers, for up to {minutes:g} min")
    known = renting.path.with_suffix(".known_hosts")
    last = "it has no address yet"
    while True:
        try:
            found = renting.there.look(order.machine_id or "")
            if found.state == "gone":
                raise UserError(f"{order.machine} is gone: {found.why}.")
            if found.address:
                login = {"port": found.port or renting.ssh.port, "user": found.user or renting.ssh.user}
                ssh = renting.ssh.model_copy(update={"host": found.address, "known_hosts": known, **login})
                pin(known, ssh, order.host_key, MARK)
                open_connection(ssh).close()
                pin(renting.ssh.known_hosts.expanduser(), ssh, order.host_key, MARK)
                return ssh
        except (FailsInPassing, RemoteError) as error:
            last = str(error)
        finally:
            known.unlink(missing_ok=True)
        if time.monotonic() > until:
            raise UserError(f"{order.machine} did not answer within {minutes:g} min (rent.answer_minutes): {last}")
        time.sleep(rent_order.LOOK_EVERY_S)


def _keep(renting: Renting, order: Order, ssh: Ssh) -> None:
    """Written to the target; and held from the order on, so that its dollars count and the workflow releases it."""
    listed = patiently(renting.there.find, renting.say)
    unlisted = Rented(order.machine_id or "", order.machine, (ssh.host,))
    machine = next((one for one in listed if one.id == order.machine_id), unlisted)
    card = {"accelerator": order.accelerator} if order.accelerator else {}
    write_values(renting.file, {**_values(renting.ssh, ssh, order.usd_per_hour), **card})
    with changing(held_file(renting.settings), ssh.host) as machines:
        if all(one.machine is None or one.machine.id != machine.id for one in machines):
            held = HeldMachine(host=ssh.host, since=order.asked_at, usd_per_hour=order.usd_per_hour, machine=machine)
            held.note(f"rented by gonogo: {renting.where()}")
            machines.append(held)
    renting.path.unlink()
    renting.say(f"{machine.name} answers at {ssh.user}@{ssh.host}:{ssh.port}; written to {renting.file}")


def _values(before: Ssh, now: Ssh, usd_per_hour: float) -> dict[str, Any]:
    """Keys of the target's file."""
    changed = {key: getattr(now, key) for key in ("port", "user") if getattr(now, key) != getattr(before, key)}
    return {"connection": {"host": now.host, **changed}, "usd_per_hour": usd_per_hour}


def release_order(renting: Renting, order: Order) -> None:
    """Destroy what the order rented, and see it gone.

    Raises:
        UserError: it may still be rented; the order stays.
    """
    try:
        found = order if order.machine_id is not None else found_of(renting, order)
        if found:
            machine = Rented(found.machine_id or "", found.machine, None)
            destroy_patiently(renting.there, machine, renting.say)
            wait_until_gone(renting.there, machine)
        renting.path.unlink(missing_ok=True)
    except BaseException as error:
        release = renting.settings.target.release
        raise UserError(
            f"ALARM: {order.machine} MAY STILL BE RENTED, and bill: {error or 'interrupted'} "
            f"Run: gonogo release --target {renting.target}. Or destroy what has the tag {release.tag!r} in your "
            "provider's console."
        ) from error


def abandon(settings: Settings, say: Callable[[str], None]) -> None:
    """Release the machine of an order whose `gonogo rent` was ended before it was held.

    Raises:
        UserError: it may still be rented.
    """
    order = read_model(Order, order_file(settings))
    renting = Renting(settings, order.rent, say)
    with renting.alone():
        if renting.path.exists():
            release_order(renting, read_model(Order, renting.path))
