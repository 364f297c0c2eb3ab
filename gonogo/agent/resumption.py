"""Where a run's next attempt begins, and with what."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .checkpoints import is_complete
from .saved import newest


def next_attempt(
    request: dict[str, Any], run_dir: Path, past: dict[str, Any], note: Callable[[str], None]
) -> tuple[list[str], dict[str, str]]:
    """Words and variables: the request's, changed by the ladder and by the checkpoint from which it resumes.

    Args:
        past: of earlier attempts, as NO_PAST lists it.
        note: is given what the log should say.
    """
    attempts, rung = len(past["attempts"]), past["rung"]
    argv = list(request["argv"])
    if "/" in argv[0]:
        argv[0] = str(Path(argv[0]).absolute())  # from here, not from its cwd
    changed = dict(request["ladder"][rung - 1]) if rung else {}
    environment = dict(request["environment"])
    if past["cpu"]:
        changed.update(request["cpu"]["overrides"])
        environment.update(request["cpu"]["environment"])
    if changed:
        argv += [word.replace("{overrides}", json.dumps(changed)) for word in request["override"]]
    checkpoint = _to_resume(request, run_dir, note) if request["resume"] else None
    if checkpoint is not None:
        argv += [word.replace("{checkpoint}", str(checkpoint)) for word in request["resume"]]
    if attempts or checkpoint is not None:
        start = f"from {checkpoint.name}" if checkpoint else "from the beginning"
        changes = f", with {json.dumps(changed)}" if changed else ""
        note(f"attempt {attempts + 1}, {start}{changes}")
    return argv, environment


def _to_resume(request: dict[str, Any], run_dir: Path, note: Callable[[str], None]) -> Path | None:
    folder = run_dir / request["checkpoints"]
    if request.get("patterns"):
        return newest(folder.resolve(), request["patterns"], run_dir, note)
    return _last_complete(folder, note)


def _last_complete(folder: Path, note: Callable[[str], None]) -> Path | None:
    """The newest complete checkpoint; one that was being written when the run died is not."""
    for path in sorted(folder.glob("*.ckpt"), key=_written_at, reverse=True):
        if is_complete(path):
            return path
        note(f"{path.name} is incomplete and is skipped")
    return None


def _written_at(path: Path) -> float:
    """Its mtime; before all others where it leads nowhere, as a link to a checkpoint that was removed."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
