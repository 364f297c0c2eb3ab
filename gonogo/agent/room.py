"""Whether what a run will keep fits on its disk: space, files, quota, and the largest file that it may write."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import sys
from pathlib import Path

from .json_files import NO_ROOM

FILES_BESIDE = 100  # log, pictures, metrics


def lacking(folder: Path, files: int, each_bytes: int) -> str:
    """What keeps so many files of this size from being kept below `folder`, with its fix; empty: nothing.

    Those that are there already count as kept.
    """
    there = [path.stat().st_size for path in folder.glob("**/*.ckpt") if path.is_file()]
    needed_bytes = max(0, files * each_bytes - sum(there))
    at = next(path for path in (folder, *folder.parents) if path.is_dir())
    needs = f"its checkpoints need {_gb(files * each_bytes)} ({files} of {_gb(each_bytes)}), and {os.path.relpath(at)}"
    largest_bytes = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    if largest_bytes not in (resource.RLIM_INFINITY, -1) and largest_bytes < each_bytes:
        return f"{needs} takes files of {_gb(largest_bytes)} at most (ulimit -f): raise that limit for the login"
    disk = os.statvfs(str(at))
    free_bytes = disk.f_bavail * disk.f_frsize
    if free_bytes < needed_bytes:
        return f"{needs} has {_gb(free_bytes)} free: {_FIX}"
    if disk.f_files > 0 and disk.f_favail < files + FILES_BESIDE:
        return f"{needs} has room for {disk.f_favail} more files (df -i): remove some"
    refusal = _refusal(at, needed_bytes)
    if refusal:
        return f"{needs} refuses that ({refusal}), though {_gb(free_bytes)} are free: ask for a larger quota, or {_FIX}"
    return ""


_FIX = "free some disk space, set root to a folder on a larger disk, or keep fewer (checkpoint_every_epochs, keep_best)"


def _gb(count: int) -> str:
    return f"{count / 1e9:.2f} GB"


def _refusal(folder: Path, needed_bytes: int) -> str:
    """Of the system, asked for the space for a moment: only so does a quota count. Empty where it cannot be asked."""
    if not needed_bytes or not sys.platform.startswith("linux") or _is_memory(folder):
        return ""
    import ctypes

    reserve = getattr(ctypes.CDLL(None, use_errno=True), "fallocate64", None)
    path = folder / f".room.{os.getpid()}"
    if reserve is None:
        return ""
    try:
        handle = os.open(str(path), os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            failed = reserve(handle, 0, ctypes.c_int64(0), ctypes.c_int64(needed_bytes))
            number = ctypes.get_errno() if failed else 0
        finally:
            os.close(handle)
    except OSError as error:
        number = error.errno or 0
    finally:
        with contextlib.suppress(OSError):
            path.unlink()
    known = number in NO_ROOM and number != errno.EFBIG  # one file of that size may be too large, the checkpoints not
    return os.strerror(number) if known else ""


def _is_memory(folder: Path) -> bool:
    """A disk in memory, where to ask for space is to take it."""
    best = ("", "")
    with contextlib.suppress(OSError, IndexError):
        for line in Path("/proc/self/mounts").read_text().splitlines():
            _, at, kind = line.split()[:3]
            if (str(folder.resolve()) + "/").startswith(at.rstrip("/") + "/") and len(at) >= len(best[0]):
                best = (at, kind)
    return best[1] in ("tmpfs", "ramfs")
