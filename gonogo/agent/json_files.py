"""JSON files that are read whole or not at all, and room for the last of them; the one exception of the agent."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from pathlib import Path
from typing import Any

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
RESERVES, RESERVE_BYTES = 4, 64 << 10


class Problem(Exception):
    """A failure that the message explains."""


def read_json(path: Path) -> Any:
    """The file's value; None where there is no such file, or no JSON in it, as after a power cut."""
    try:
        return json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError, RecursionError):
        return None


def read_facts(path: Path) -> dict[str, Any] | None:
    """`read_json` where that is an object with something in it; None for anything else."""
    value = read_json(path)
    return value if isinstance(value, dict) and value else None


def write_json(path: Path, value: Any, mode: int = 0o666, *, lasting: bool = True) -> None:
    """Write whole or not at all.

    Args:
        mode: before the umask.
        lasting: it must survive a power cut, and on a full disk it takes the room of one `reserve`.
    """
    text = (json.dumps(value) + "\n").encode()
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        try:
            _write(temporary, text, mode, lasting)
        except OSError as error:
            if not lasting or error.errno not in NO_ROOM:
                raise
            _write_into_reserve(path.parent, temporary, text, mode)
        while not _renamed(temporary, path):
            if not lasting or not _let_go(path.parent):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    if lasting:
        sync_folder(path.parent)


def reserve(folder: Path) -> None:
    """Keep room below `folder` for the last words of a run: files that are there already need no space.

    Raises:
        OSError: there is none.
    """
    for number in range(RESERVES):
        path = folder / f".reserve.{number}"
        if not path.exists() or path.stat().st_size < RESERVE_BYTES:
            _write(path, b"\n" * RESERVE_BYTES, 0o600, lasting=False)


def sync_folder(folder: Path) -> None:
    """Make the names in it last through a power cut, where its file system can."""
    with contextlib.suppress(OSError):
        handle = os.open(str(folder), os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _write(path: Path, text: bytes, mode: int, lasting: bool) -> None:
    handle = os.open(str(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        _write_all(handle, text)
        if lasting:
            os.fsync(handle)
    finally:
        os.close(handle)


def _write_all(handle: int, text: bytes) -> None:
    while text:
        text = text[os.write(handle, text) :]


def _write_into_reserve(folder: Path, temporary: Path, text: bytes, mode: int) -> None:
    """Into the blocks that a reserve has; where the file system never writes into a file's own, into what it frees."""
    for number in range(RESERVES):
        kept = folder / f".reserve.{number}"
        try:
            taken = _renamed(kept, temporary)
            if not taken:
                kept.unlink()
        except FileNotFoundError:
            continue  # another process has it
        if taken:
            try:
                _overwrite(temporary, text, mode)
                return
            except OSError:
                temporary.unlink()
        with contextlib.suppress(OSError):
            _write(temporary, text, mode, lasting=True)
            return
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


def _renamed(path: Path, to: Path) -> bool:
    """False where a name takes room and there is none, as under a quota of btrfs, which lets files go."""
    try:
        path.replace(to)
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        return False
    return True


def _let_go(folder: Path) -> bool:
    """One reserve less; False where there is none."""
    for number in range(RESERVES):
        with contextlib.suppress(FileNotFoundError):
            (folder / f".reserve.{number}").unlink()
            return True
    return False


def _overwrite(path: Path, text: bytes, mode: int) -> None:
    handle = os.open(str(path), os.O_WRONLY)
    try:
        _write_all(handle, text)
        os.ftruncate(handle, len(text))
        os.fchmod(handle, mode & ~UMASK)
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    """The process's; it can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


UMASK = _umask()
