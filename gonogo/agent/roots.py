"""The roots of this user's targets on this machine, which share it: one thing is at work at a time in all of them.

They are listed in a folder of the user's home that is named after the machine, because several machines may share a
home. Another user has another list: of theirs, only a card that is in use is noticed (by setup).
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from .json_files import read_json, write_json

ROOTS, LISTED_AT_MOST = "roots.json", 100


def shared_folder(root: Path) -> Path:
    """Where what concerns the whole machine is kept; `root` itself where the home cannot be written."""
    home = os.environ.get("GONOGO_AGENT_HOME") or os.path.expanduser("~")
    folder = Path(home) / ".gonogo" / os.uname().nodename.replace("/", "_")
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.access(str(folder), os.W_OK):
            return folder
    return root


def remember(root: Path) -> None:
    """Add this root to the list, without those that are gone. Called by one process at a time."""
    folder, root = shared_folder(root), root.resolve()
    listed = _listed(folder)
    if root not in listed:
        with contextlib.suppress(OSError):
            write_json(folder / ROOTS, [str(path) for path in [*listed, root] if path.is_dir()], lasting=False)


def others(root: Path) -> list[Path]:
    """The other roots that are still there."""
    own = root.resolve()
    return [path for path in _listed(shared_folder(root)) if path != own and _is_folder(path)]


def _listed(folder: Path) -> list[Path]:
    with contextlib.suppress(OSError):
        found = read_json(folder / ROOTS)
        if isinstance(found, list):
            return [Path(path) for path in found[-LISTED_AT_MOST:] if isinstance(path, str)]
    return []


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False
