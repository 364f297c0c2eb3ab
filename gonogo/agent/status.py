"""Whether a run is there, and alive; asking it to end, and telling it that somebody watches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .json_files import read_json
from .locks import active
from .processes import lives


def status(run_dir: Path) -> dict[str, Any]:
    """`state` none | running | exited | lost, with the last heartbeat, the exit and the release where there are such.

    Lost: no exit was recorded and no process of the run is alive. `timer`: the second watcher is alive.
    """
    run = read_json(run_dir / "run.json")
    if run is None:
        return {"state": "none", "heartbeat": None, "exit": None, "release": None, "timer": False}
    holder = active(Path(run["workspace"]))
    return status_unguarded(run_dir, holder is not None and Path(holder["run_dir"]).resolve() == run_dir.resolve())


def status_unguarded(run_dir: Path, held: bool) -> dict[str, Any]:
    """`status`, for whoever knows already whether the run holds its lock."""
    ended = read_json(run_dir / "exit.json")
    return {
        "state": "exited" if ended else "running" if held else "lost",
        "heartbeat": read_json(run_dir / "heartbeat.json"),
        "exit": ended,
        "release": read_json(run_dir / "release.json"),
        "timer": lives(read_json(run_dir / "timer.json")),
    }


def stop(run_dir: Path) -> dict[str, Any]:
    """Ask the run to end; it does so within its grace period. Answers with its status."""
    now = status(run_dir)
    if now["state"] in ("running", "lost"):
        (run_dir / "stop").touch()
    return now


def lease(run_dir: Path) -> dict[str, Any]:
    """Renew the run's lease: somebody watches it."""
    if run_dir.is_dir():
        (run_dir / "lease").touch()
    return {"leased": run_dir.is_dir()}
