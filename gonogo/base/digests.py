"""sha256 of values, files and folders."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gonogo.base.files import file_sizes, walk

BLOCK = 1 << 20  # bytes that are read at once


def file_digest(path: Path | str) -> str:
    """sha256 of a file's bytes, in hex."""
    total = hashlib.sha256()
    with open(path, "rb", buffering=0) as stream:  # noqa: PTH123 - with its own buffer, three times slower on small files
        while block := stream.read(BLOCK):
            total.update(block)
    return total.hexdigest()


def digest(*parts: Any) -> str:
    """sha256 over JSON-serialisable values, in hex; the same values give the same digest in any process."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def manifest(folder: Path | str) -> dict[str, str]:
    """Relative POSIX path → sha256 for every file below `folder`."""
    folder = Path(folder)
    return {path.relative_to(folder).as_posix(): file_digest(path) for path in walk(folder)}


class FolderDigest:
    """One digest for names and contents of files, whatever the order in which they are added."""

    def __init__(self) -> None:
        self._sum = 0

    def add(self, path: str, sha256: str) -> None:
        """A file, by its relative POSIX path and the hash of its bytes."""
        one = hashlib.sha256(f"{path}\0{sha256}".encode(errors="surrogateescape")).digest()
        self._sum = (self._sum + int.from_bytes(one)) % (1 << 256)

    def merge(self, other: FolderDigest) -> None:
        """Add all that was added to another."""
        self._sum = (self._sum + other._sum) % (1 << 256)

    def hex(self) -> str:
        return f"{self._sum:064x}"


def folder_digest(folder: Path | str) -> str:
    """One digest for everything below `folder`: names and contents."""
    total = FolderDigest()
    for path, _ in file_sizes(folder):
        total.add(path, file_digest(f"{os.fspath(folder)}/{path}"))
    return total.hex()


def listing_digest(folder: Path | str) -> str:
    """One digest for names, sizes and times of all files below `folder`: what changes when one of them is written."""
    total = FolderDigest()
    for path, status in file_sizes(folder):
        total.add(path, f"{status.st_size} {status.st_mtime_ns}")
    return total.hex()


def code_digest(files: Iterable[Path | str]) -> str:
    """One digest for source files, by name and content."""
    return digest(sorted((Path(file).name, file_digest(file)) for file in files))
