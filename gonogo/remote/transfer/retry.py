"""Transfers that continue where they were cut off, on a new connection whenever the link drops."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from gonogo.config.target import Ssh, Target
from gonogo.remote.errors import NoSuchHost, Unreachable
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
        Unreachable: for `patience_s` no connection left fewer bytes to transfer.
        NoSuchHost: the first found no machine.
    """
    heard, pause, first, least = time.monotonic(), FIRST_PAUSE_S, True, float("inf")
    while True:
        progressed = False
        try:
            with connect(ssh(), target, wait=False) as machine:
                try:
                    return work(machine)
                finally:
                    progressed, least = machine.left_bytes < least, min(machine.left_bytes, least)
        except Unreachable as error:
            if isinstance(error, NoSuchHost) and first:
                raise
            if progressed:
                heard, pause = time.monotonic(), FIRST_PAUSE_S
            if time.monotonic() - heard > patience_s:
                raise
            first = False
            say(f"{error} Trying again in {pause:.0f} s.")
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_S)
