"""Whether the disk here has room for what a machine says that it will send, which it may have made up."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from gonogo.base.errors import UserError
from gonogo.base.files import file_sizes
from gonogo.remote.file_lists import folders_of

ENTRY_BYTES = 4096  # a small file, or a folder, takes a block


def check_room(folder: Path, names: Collection[str], size_bytes: int, spare_bytes: int = 0) -> None:
    """Raise UserError unless these files fit on the disk of `folder`, beside `spare_bytes`.

    What is in the folder already counts as a part of them.
    """
    count = here_bytes = 0
    for _, status in file_sizes(folder):
        count, here_bytes = count + 1, here_bytes + 512 * status.st_blocks  # of a file with holes, what it takes
    entries = len(names) + len(folders_of(names))
    lacking_bytes = size_bytes + ENTRY_BYTES * entries - here_bytes - ENTRY_BYTES * count
    disk = os.statvfs(folder)
    free_bytes = disk.f_bavail * disk.f_frsize
    if lacking_bytes + spare_bytes > free_bytes:
        spare = f", of which {spare_bytes / 1e6:.0f} MB are to stay free" if spare_bytes else ""
        raise UserError(
            f"{folder}: {lacking_bytes / 1e6:.0f} MB to download, {free_bytes / 1e6:.0f} MB free{spare}. "
            "Free some disk space."
        )
    if disk.f_files and entries - count > disk.f_favail:
        raise UserError(
            f"{folder}: {entries} files and folders to download, room for {disk.f_favail} on this disk (inodes). "
            "Remove some files."
        )
