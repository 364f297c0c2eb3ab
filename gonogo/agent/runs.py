"""Runs that the machine knows, whoever started them, and what they began with."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from .files import MANIFEST
from .json_files import read_facts
from .run_folder import ended
from .status import status

REFUSED = ("nan", "stopped_by_gate")  # the run ended by its own decision, and would again
LISTED_AT_MOST = 200


def runs(root: Path) -> list[dict[str, Any]]:
    """Every experiment's runs below `root`, the latest first: `run_dir`, `key`, `state` as in `status`, `cause`."""
    found = []
    for path in _latest_first(root.glob("*/runs/*/run.json"))[:LISTED_AT_MOST]:
        run = read_facts(path)
        if run and "key" in run:
            now = status(path.parent)
            cause = now["exit"]["cause"] if now["exit"] else ""
            folder = os.path.relpath(str(path.parent))
            found.append({"run_dir": folder, "key": run["key"], "state": now["state"], "cause": cause})
    return found


def earlier(runs_dir: Path, key: str) -> Path | None:
    """The folder of a run of this key that has finished, or else of the latest that can be resumed."""
    resumable = None
    for path in _latest_first(runs_dir.glob("*/run.json")):
        run, over = read_facts(path), ended(path.parent)
        if run is None or run.get("key") != key or (over and over["cause"] in REFUSED):
            continue
        if over and over["cause"] == "finished":
            return path.parent
        resumable = resumable or path.parent
    return resumable


def uploaded(workspace: Path) -> str:
    """Digest of what was last uploaded there; empty where nothing was."""
    import hashlib

    manifest = workspace / MANIFEST
    return hashlib.sha256(manifest.read_bytes()).hexdigest() if manifest.exists() else ""


def _latest_first(paths: Any) -> list[Path]:
    return sorted(paths, key=lambda path: path.stat().st_mtime, reverse=True)
