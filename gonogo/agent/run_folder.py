"""What a run's folder holds between attempts, and its end."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Any

from .json_files import write_json
from .processes import boot, born

REQUEST = ".order.json"  # hidden, so that it never travels: it may hold secrets while the run lasts
# of a run's earlier attempts, as heartbeat.json keeps them
NO_PAST: dict[str, Any] = {
    "elapsed_s": 0.0, "started_at": 0.0, "attempts": [], "restarts": 0, "rung": 0, "cpu": False,
}  # fmt: skip


def past_of(beat: dict[str, Any] | None) -> dict[str, Any]:
    """What the run's last heartbeat says of it; the time since then counts, for the machine was paid for."""
    if beat is None:
        return dict(NO_PAST)
    past = {**NO_PAST, **{name: beat[name] for name in NO_PAST if name in beat}}
    past["elapsed_s"] = beat["elapsed_s"] + max(0.0, time.time() - beat["at"])
    return past


def record_exit(request: dict[str, Any], run_dir: Path, cause: str, code: int | None, past: dict[str, Any]) -> None:
    """Write exit.json, and remove the request's environment from the disk: it may hold secrets."""
    elapsed_s = round(past["elapsed_s"], 3)
    facts = {
        "cause": cause,
        "code": code if code is None or code >= 0 else None,
        "signal": -code if code is not None and code < 0 else None,
        "started_at": past["started_at"] or time.time(),
        "ended_at": time.time(),
        "elapsed_s": elapsed_s,
        "usd": round(elapsed_s / 3600 * request["usd_per_hour"], 6),
        "attempts": past["attempts"],
    }
    write_json(run_dir / REQUEST, {**request, "environment": {}}, mode=0o600)
    write_json(run_dir / "exit.json", facts)


def kill_remains(beat: dict[str, Any]) -> None:
    """What is left of the command's process group; not a stranger's that was given the same number since."""
    if beat["boot"] == boot() and born(beat["child_pid"]) in ("", beat["child_born"]):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(beat["child_pid"], signal.SIGKILL)
