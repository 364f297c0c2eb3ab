"""Transfers that continue where they were cut off, on a new connection whenever the link drops."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from gonogo.config.target import Ssh, Target
from gonogo.remote.errors import Unreachable
from gonogo.remote.machine import Machine, connect

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0
Result = TypeVar("Result")


def persistently(
    ssh: Callable[[], Ssh],
    target: Target,
    work: Callable[[Machine], Result],
    say: Callable[[str], None],
    patience_s: float = 600.0,
) -> Result:
    """Do work that continues where it was cut off, on a new connection whenever the link drops.

    Raises:
        Unreachable: not one connection worked for `patience_s`.
    """
    heard, pause = time.monotonic(), FIRST_PAUSE_S
    while True:
        began = time.monotonic()
        try:
            with connect(ssh(), target, wait=False) as machine:
                return work(machine)
        except Unreachable as error:
            if time.monotonic() - began > LONGEST_PAUSE_S:
                heard, pause = time.monotonic(), FIRST_PAUSE_S  # it had worked for a while
            if time.monotonic() - heard > patience_s:
                raise
            say(f"{error} Trying again in {pause:.0f} s.")
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_S)
