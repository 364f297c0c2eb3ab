"""Errors that are for people: one message, no traceback."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path


class UserError(Exception):
    """Something that the user can mend: the message names it and says how."""


def explain_os_error(error: OSError) -> UserError | None:
    """A full disk or an unwritable folder in words; None for any other OSError."""
    where = Path(str(error.filename or "."))
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        existing = next((p for p in [where, *where.parents] if p.exists()), Path())
        free_mb = shutil.disk_usage(existing).free / 1e6
        return UserError(
            f"{where}: the disk is full ({free_mb:.0f} MB free). Free some space and run the same command again; nothing half written was kept."
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR):
        return UserError(
            f"{where}: cannot be written or read ({error.strerror}). Check its permissions, or choose another folder with results_dir."
        )
    return None
