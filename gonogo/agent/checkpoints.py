"""Whether a torch checkpoint is complete: it is a zip archive, whose directory is written last."""

from __future__ import annotations

import os
from pathlib import Path

MOST_PACKED = 4


def has_end(path: Path) -> bool:
    """Whether the archive ends as torch ends one; cheap, and says nothing about the records in it."""
    with path.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - 22))
        return stream.read(4) == b"PK\x05\x06"  # end of the central directory, without a comment


def is_packed(path: Path) -> bool:
    """Whether a zip archive unpacks to much more than it is, as none does that torch wrote; False for other files."""
    import zipfile

    try:
        with zipfile.ZipFile(str(path)) as archive:
            unpacked = sum(record.file_size for record in archive.infolist())
    except Exception:  # zipfile has many for what is damaged
        return False
    return unpacked > MOST_PACKED * path.stat().st_size


def is_complete(path: Path) -> bool:
    """Whether every record is there and has the checksum that was written with it."""
    import zipfile

    if is_packed(path):
        return False
    try:
        with zipfile.ZipFile(str(path)) as archive:
            named = any(name.endswith("data.pkl") for name in archive.namelist())
            return named and archive.testzip() is None
    except Exception:  # zipfile has many for what is damaged
        return False
