"""What a run's folder holds between attempts, and its end."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Any

from .json_files import read_facts, write_json
from .processes import boot, born, clock_s, lives, stirrings
from .timings import BEAT_S, FROZEN_S, REBOOT_AT_MOST_S

RUN, RUN_KEYS = "run.json", ("key", "argv", "workspace")
BEGAN = ".began"  # made with the run, and never again: what is older came with its code
REQUEST = ".order.json"  # hidden, so that it never travels: it may hold secrets while the run lasts
# of a run's earlier attempts, as heartbeat.json keeps them
NO_PAST: dict[str, Any] = {
    "elapsed_s": 0.0, "started_at": 0.0, "attempts": [], "restarts": 0, "rung": 0, "cpu": False,
    "unwatched_s": 0.0, "lease_mtime": 0.0,
}  # fmt: skip


def ended(run_dir: Path) -> dict[str, Any] | None:
    """What exit.json says; None where the run has not ended, or the file is empty, as after a power cut."""
    facts = read_facts(run_dir / "exit.json")
    return facts if facts and "cause" in facts else None


def past_of(beat: dict[str, Any] | None) -> dict[str, Any]:
    """What the run's last heartbeat says of it; the time since then counts, for the machine was paid for."""
    past = dict(NO_PAST)
    for name, value in (beat or {}).items():
        if name in NO_PAST and isinstance(value, type(NO_PAST[name])):
            past[name] = value
    since_s = silent_s(beat)
    past["elapsed_s"] += since_s
    past["unwatched_s"] += since_s
    return past


def silent_s(beat: dict[str, Any] | None) -> float:
    """Since the heartbeat was written; 0 where that cannot be said.

    By the clock that counts from the machine's start. After another start by the wall clock, which may have been set
    meanwhile: the machine was up since, and before that it was off for REBOOT_AT_MOST_S at most.
    """
    now_s, then_s, at = clock_s(), (beat or {}).get("clock_s"), (beat or {}).get("at")
    if beat and beat.get("boot") == boot() and isinstance(then_s, float) and then_s <= now_s:
        return now_s - then_s
    return min(max(0.0, time.time() - at), now_s + REBOOT_AT_MOST_S) if isinstance(at, float) else 0.0


def is_frozen(beat: dict[str, Any] | None) -> bool:
    """The supervisor is there, has written nothing for FROZEN_S, and does nothing for three of its beats."""
    if not beat or not lives(beat) or silent_s(beat) <= FROZEN_S:
        return False
    before = stirrings(beat["pid"])
    time.sleep(3 * BEAT_S)
    return stirrings(beat["pid"]) == before


def record_exit(request: dict[str, Any], run_dir: Path, cause: str, code: int | None, past: dict[str, Any]) -> None:
    """Write exit.json, and remove the request's environment from the disk: it may hold secrets.

    Raises:
        OSError: exit.json cannot be written.
    """
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
    remove_environment(run_dir)
    write_json(run_dir / "exit.json", facts)


def remove_secrets(workspace: Path, but: Path | None = None) -> None:
    """`remove_environment` of the runs below the workspace. Call it with its lock: then none of them is alive.

    Args:
        but: a run that is about to be resumed.
    """
    for path in [found for depth in ("", "*/", "*/*/") for found in workspace.glob(depth + REQUEST)]:
        if path.parent != but:
            remove_environment(path.parent)


def remove_environment(run_dir: Path) -> None:
    """That of a run that will not be resumed: it may hold secrets."""
    with contextlib.suppress(OSError):
        request = read_facts(run_dir / REQUEST)
        if request and request.get("environment"):
            write_json(run_dir / REQUEST, {**request, "environment": {}}, mode=0o600)


def kill_remains(beat: dict[str, Any]) -> None:
    """What is left of the command's process group; not a stranger's that was given the same number since."""
    pid, birth = beat.get("child_pid"), beat.get("child_born")
    if isinstance(pid, int) and pid > 1 and beat.get("boot") == boot() and born(pid) in ("", birth):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
