"""What the target's machine has cost, to the second: each stage on it takes over what the rows before it left.

A machine bills from its first use to its release, whatever is done with it. So a stage's row has the dollars of its
own seconds there, a row `held` those between two stages, and the last one those until the release: the rows of the
ledger sum to the bill.
"""

from __future__ import annotations

import contextlib
import functools
import sqlite3
import time
from collections.abc import Callable
from typing import Any

from gonogo.config.load import Settings
from gonogo.config.target import Ssh
from gonogo.runtime import ledger
from gonogo.runtime.context import Run
from gonogo.runtime.session import session_name
from gonogo.stages.held_machines import HeldMachine, changing, held_file, held_machines

LEAST_HELD_S = 60.0  # less than that counts with the stage that follows


def on_the_bill(stage: Callable[..., Any]) -> Callable[..., Any]:
    """Of a stage that uses the machine: its row gets what the machine cost, however it ends."""

    @functools.wraps(stage)
    def billed(run: Run, *arguments: Any, **options: Any) -> Any:
        try:
            return stage(run, *arguments, **options)
        finally:
            with contextlib.suppress(OSError, sqlite3.Error):
                run.usd = take(run)

    return billed


def take(run: Run) -> float:
    """Dollars of this stage's time on the machine, none of which another row has; what lies before it gets a row."""
    now = time.time()
    if not isinstance(run.target.connection, Ssh):
        return run.usd or (now - run.started_at) / 3600 * run.target.usd_per_hour
    usd = 0.0
    with changing(held_file(run.settings), run.target.connection.host) as machines:
        for held in machines:
            if held.host == run.target.connection.host:
                idle_s = max(0.0, min(now, run.started_at) - held.billed_to)
                if idle_s >= LEAST_HELD_S:
                    _add_row(run.settings, held, idle_s, run.experiment)
                usd = (now - held.billed_to) / 3600 * held.usd_per_hour
                held.billed_at = now
    return usd


def close(settings: Settings, held: HeldMachine) -> None:
    """The machine is gone: a row for its last seconds. A ledger that cannot be written keeps no machine."""
    with contextlib.suppress(OSError, sqlite3.Error):
        seconds = max(0.0, time.time() - held.billed_to)
        _add_row(settings, held, seconds, held.experiments[-1] if held.experiments else "")


def spent_usd(settings: Settings) -> float:
    """What the target's machine has cost from its first second on; 0: none is held, or its price is not known."""
    ssh = settings.target.connection
    if not isinstance(ssh, Ssh):
        return 0.0
    return sum(held.usd for held in held_machines(held_file(settings), ssh.host) if held.host == ssh.host)


def _add_row(settings: Settings, held: HeldMachine, seconds: float, experiment: str) -> None:
    """Of time in which no stage was at work there; from here on it is on the bill."""
    row = ledger.Row(
        session=session_name(),
        experiment=experiment,
        mode="",
        stage=ledger.HELD,
        started_at=held.billed_to,
        wall_s=seconds,
        usd=seconds / 3600 * held.usd_per_hour,
        note=settings.config.note,
    )
    ledger.add(settings.config.results_dir / "ledger.sqlite", row)
    held.billed_at = held.billed_to + seconds
