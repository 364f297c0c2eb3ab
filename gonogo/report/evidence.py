"""The files behind a verdict, with digests and sizes, so that the finding can be checked later."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, Field

from gonogo.base.digests import file_digest, folder_digest
from gonogo.base.files import walk


class Evidence(BaseModel):
    """One file, or one folder with everything below it."""

    path: str = Field(description="from the repository's root; absolute where it lies outside")
    sha256: str = Field(description="of the file; of all names and contents for a folder")
    size_bytes: int
    folder: bool = False


def evidence(paths: Iterable[Path], root: Path) -> list[Evidence]:
    """The paths that exist, each once, hashed and measured. Relative paths are taken from `root`."""
    root = root.resolve()
    found = dict.fromkeys((root / path).resolve() for path in paths)
    return [_one(path, root) for path in found if path.exists()]


def _one(path: Path, root: Path) -> Evidence:
    shown = path.relative_to(root) if path.is_relative_to(root) else path
    if path.is_dir():
        size = sum(file.stat().st_size for file in walk(path))
        return Evidence(path=shown.as_posix(), sha256=folder_digest(path), size_bytes=size, folder=True)
    return Evidence(path=shown.as_posix(), sha256=file_digest(path), size_bytes=path.stat().st_size)
