"""A run's log and heartbeat as they come, for a client that watches."""

from __future__ import annotations

import json
import os
import select
import sys
import time
from pathlib import Path
from typing import Any

from .run_log import LONGEST_LINE_BYTES, log_part
from .status import lease, status
from .timings import BEAT_S, LOG_POLL_S, UNRECORDED_S, WATCHER_SILENT_S

LOG_AT_ONCE_BYTES = 2 * LONGEST_LINE_BYTES  # then heartbeat and lease have their turn, however fast the log is


def follow(run_dir: Path, offset: int) -> None:
    """Stream JSON lines until the run ends: {"log", "offset"}, {"heartbeat"}, at last {"exit"} or {"state"}.

    Each byte on stdin renews the lease. It ends by itself when stdin closes or is silent for a minute, because then
    nobody is there: a link can drop without a sign of it on this side.

    Raises:
        OSError: the run's folder could not be read for UNRECORDED_S.
    """
    heard, readable, next_beat = time.monotonic(), time.monotonic(), 0.0
    while True:
        beat_due, begun = time.monotonic() >= next_beat, offset
        try:
            now = status(run_dir) if beat_due or (run_dir / "exit.json").exists() else {"state": "running"}
            offset = _emit_log(run_dir, offset)
            readable = time.monotonic()
        except OSError:
            if time.monotonic() - readable > UNRECORDED_S:
                raise
            now = {"state": "running"}
        if now["state"] != "running" and offset == begun:
            _emit({"exit": now["exit"]} if now["exit"] else {"state": now["state"]})
            return
        if beat_due:
            _emit({"heartbeat": now.get("heartbeat")})
            next_beat = time.monotonic() + BEAT_S
        if select.select([0], [], [], LOG_POLL_S if offset == begun else 0.0)[0]:
            if not os.read(0, 4096):
                return
            heard = time.monotonic()
            lease(run_dir)
        if time.monotonic() - heard > WATCHER_SILENT_S:
            return


def _emit_log(run_dir: Path, offset: int) -> int:
    """Emit the next whole lines after `offset`; returns where they end."""
    part = log_part(run_dir, offset, LOG_AT_ONCE_BYTES)
    lines = part.split(b"\n")[:-1]
    for line in lines:
        offset += len(line) + 1
        sys.stdout.write(json.dumps({"log": line.decode(errors="replace"), "offset": offset}) + "\n")
    if not lines and len(part) == LOG_AT_ONCE_BYTES:  # a line of someone else's
        offset += len(part)
        sys.stdout.write(json.dumps({"log": part.decode(errors="replace"), "offset": offset}) + "\n")
    sys.stdout.flush()
    return offset


def _emit(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()
