"""For how long, and for how many dollars, a machine may be held: upload, setup, canary and run together."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from gonogo.base.errors import UserError
from gonogo.base.units import dollars, duration
from gonogo.config.target import Ssh
from gonogo.remote.answers import Exit
from gonogo.runtime.context import Run
from gonogo.stages.held_machines import HeldMachine, held_file, held_machines

Result = TypeVar("Result")
NO_LIMIT_S = float("inf")


def left_s(run: Run) -> float:
    """Seconds until the target's machine has been held for as long as it may be; infinite without a limit."""
    held = _held(run)
    return NO_LIMIT_S if held is None else _limit(run)[0] - held.held_s


def refuse_beyond(run: Run) -> None:
    """Raises UserError once the limit has passed: nothing more is begun there, and the machine is released."""
    held = _held(run)
    if held is not None and left_s(run) <= 0:
        raise UserError(
            f"{held.name} has been held for {held.cost}, which is beyond {_limit(run)[1]}: nothing more is begun "
            "there, and it is released. Raise that key of the target, and run the same command again."
        )


def within(run: Run, work: Callable[[], Result]) -> Result:
    """Do work whose own failure, once the limit has passed, is that it has."""
    refuse_beyond(run)
    try:
        return work()
    except UserError:
        refuse_beyond(run)
        raise


def run_at_most_s(run: Run) -> float:
    """How long a run that begins now may take: `max_hours`, and no longer than the machine may be held."""
    return max(1.0, min(3600 * run.target.max_hours, left_s(run)))


def short_of(run: Run, planned_hours: float | None) -> str:
    """What is left for a run that needs more than that, in words; empty: it is enough, as far as that is known."""
    left = left_s(run)
    if planned_hours is None or left >= 3600 * planned_hours:
        return ""
    return (
        f"{_limit(run)[1]} leaves the run {duration(max(0.0, left))}, and it is forecast at "
        f"{duration(3600 * planned_hours)}: it will be ended, with its last checkpoint kept"
    )


def over_words(run: Run, ended: Exit) -> str:
    """Which key ended a run that ran out of time before `max_hours`; empty: another one, or none of these."""
    if ended.cause != "over_time" or ended.elapsed_s >= 3600 * run.target.max_hours or left_s(run) == NO_LIMIT_S:
        return ""
    return f"That was {_limit(run)[1]}, which counts the machine's hours before the run, too. "


def _held(run: Run) -> HeldMachine | None:
    ssh = run.target.connection
    if not isinstance(ssh, Ssh):
        return None
    return next((held for held in held_machines(held_file(run.settings), ssh.host) if held.host == ssh.host), None)


def _limit(run: Run) -> tuple[float, str]:
    """Seconds, and the key that says so."""
    target, limits = run.target, [(NO_LIMIT_S, "")]
    if target.max_held_hours is not None:
        limits.append((3600 * target.max_held_hours, f"max_held_hours ({target.max_held_hours:g} h)"))
    if target.max_held_usd is not None and target.usd_per_hour:
        seconds = 3600 * target.max_held_usd / target.usd_per_hour
        limits.append((seconds, f"max_held_usd ({dollars(target.max_held_usd)})"))
    return min(limits)
