"""A run's log and heartbeat as they come, for a client that watches."""

from __future__ import annotations

import json
import os
import select
import sys
import time
from pathlib import Path
from typing import Any

from .run_log import log_part
from .status import lease, status
from .timings import BEAT_S, LOG_POLL_S, WATCHER_SILENT_S


def follow(run_dir: Path, offset: int) -> None:
    """Stream JSON lines until the run ends: {"log", "offset"}, {"heartbeat"}, at last {"exit"} or {"state"}.

    Each byte on stdin renews the lease. It ends by itself when stdin closes or is silent for a minute, because then
    nobody is there: a link can drop without a sign of it on this side.
    """
    heard, next_beat = time.monotonic(), 0.0
    while True:
        beat_due = time.monotonic() >= next_beat
        now = status(run_dir) if beat_due or (run_dir / "exit.json").exists() else {"state": "running"}
        offset = _emit_log(run_dir, offset)
        if now["state"] != "running":
            _emit({"exit": now["exit"]} if now["exit"] else {"state": now["state"]})
            return
        if beat_due:
            _emit({"heartbeat": now["heartbeat"]})
            next_beat = time.monotonic() + BEAT_S
        if select.select([0], [], [], LOG_POLL_S)[0]:
            if not os.read(0, 4096):
                return
            heard = time.monotonic()
            lease(run_dir)
        if time.monotonic() - heard > WATCHER_SILENT_S:
            return


def _emit_log(run_dir: Path, offset: int) -> int:
    """Emit the whole lines after `offset`; returns where they end."""
    while True:
        lines = log_part(run_dir, offset).split(b"\n")[:-1]
        if not lines:
            return offset
        for line in lines:
            offset += len(line) + 1
            _emit({"log": line.decode(errors="replace"), "offset": offset})


def _emit(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()
