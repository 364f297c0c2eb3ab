"""Errors that are for people: one message, no traceback."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

FULL_BELOW_BYTES = 1_000_000  # numpy and torch report a full disk as errors of their own: less free than this is one


class UserError(Exception):
    """Something that the user can fix: the message names it and says how."""


class ProgramError(UserError):
    """A program that the config names ended badly."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code  # its exit code; negative: the signal that ended it


@contextlib.contextmanager
def explained(working_in: Path) -> Iterator[None]:
    """Turns a full disk or an unwritable path into a UserError, before a clean-up makes room again."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if found := explain(error, working_in):
            raise found from error
        raise


def explain(error: Exception, working_in: Path) -> UserError | None:
    """A full disk or an unwritable path in words; None for any other error.

    Args:
        working_in: folder that was being written, for errors that do not name a file.
    """
    where = Path(str(getattr(error, "filename", None) or working_in))
    existing = next((path for path in [where, *where.parents] if path.exists()), Path())
    free_bytes = shutil.disk_usage(existing).free
    code = error.errno if isinstance(error, OSError) else None
    if code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or free_bytes < FULL_BELOW_BYTES:
        return UserError(
            f"{where}: {_full(existing, free_bytes, code)} and run the same command again; nothing half written was "
            "kept."
        )
    if code in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR):
        return UserError(
            f"{where}: cannot be read or written ({error.strerror}). Check its permissions, "  # type: ignore[attr-defined]
            "or choose another folder with results_dir."
        )
    return None


def _full(folder: Path, free_bytes: int, code: int | None) -> str:
    """What of the disk is used up, and what helps."""
    if code == errno.EDQUOT:
        return f"your disk quota is used up ({free_bytes / 1e6:.1f} MB are free for others). Free some space (quota)"
    if code == errno.EFBIG:
        return "the file would exceed the limit on file size. Raise the limit (ulimit -f)"
    disk = os.statvfs(folder)
    if disk.f_files and not disk.f_favail and free_bytes >= FULL_BELOW_BYTES:
        return "the disk is full: it has no free inodes for more files (df -i). Remove some files"
    return f"the disk is full ({free_bytes / 1e6:.1f} MB free). Free some space"
