"""Whether a run is there, and alive; asking it to end, and telling it that somebody watches."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

from .json_files import read_facts
from .locks import active
from .processes import lives
from .run_folder import RUN, ended, silent_s


def status(run_dir: Path) -> dict[str, Any]:
    """`state` none | running | exited | lost, with the last heartbeat, the exit and the release where there are such.

    `heartbeat.age_s`: seconds since it was written, by a clock that nobody sets.

    Lost: no exit was recorded and no process of the run is alive. `timer`: the second watcher is alive.
    """
    run = read_facts(run_dir / RUN)
    if run is None or "workspace" not in run:
        return {"state": "none", "heartbeat": None, "exit": None, "release": None, "timer": False}
    holder = active(Path(run["workspace"]))
    return status_unguarded(run_dir, holder is not None and Path(holder["run_dir"]).resolve() == run_dir.resolve())


def status_unguarded(run_dir: Path, held: bool) -> dict[str, Any]:
    """`status`, for whoever knows already whether the run holds its lock."""
    over, beat = ended(run_dir), read_facts(run_dir / "heartbeat.json")
    return {
        "state": "exited" if over else "running" if held else "lost",
        "heartbeat": beat and {**beat, "age_s": round(silent_s(beat), 3)},
        "exit": over,
        "release": read_facts(run_dir / "release.json"),
        "timer": lives(read_facts(run_dir / "timer.json")),
    }


def stop(run_dir: Path) -> dict[str, Any]:
    """Ask the run to end; it does so within its grace period. Answers with its status."""
    now = status(run_dir)
    if now["state"] in ("running", "lost"):
        (run_dir / "stop").touch()
    return now


def lease(run_dir: Path) -> dict[str, Any]:
    """Renew the run's lease: somebody watches it."""
    try:
        os.utime(str(run_dir / "lease"))
    except FileNotFoundError:
        if not run_dir.is_dir():
            return {"leased": False}
        with contextlib.suppress(OSError):
            (run_dir / "lease").touch()
    except OSError:
        return {"leased": False}
    return {"leased": True}
