"""What the agent answers about files, parsed strictly; each name is checked here, whatever the agent has checked.

A name of a stranger becomes the path of a file here only after `checked`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping
from typing import Annotated

from pydantic import Field

from gonogo.agent.files import check_name, chunk_count
from gonogo.agent.json_files import Problem
from gonogo.base.bounded_json import JsonBounds
from gonogo.base.text import shown
from gonogo.remote.answers import AgentAnswer, Count, Shown, quoted

FILES_AT_MOST = 500_000  # of a run's folder: their list is held in memory
NAME_AT_MOST_BYTES, PART_AT_MOST_BYTES, DEEPEST_FOLDERS = 1024, 255, 32
LISTED = JsonBounds(size_bytes=48 << 20, values=2 * FILES_AT_MOST)

Size = Annotated[int, Field(ge=0, lt=1 << 50)]
Name = Annotated[str, Field(max_length=4096)]
Hash = Annotated[str, Field(max_length=64)]


class FileList(AgentAnswer):
    """A folder's files: name → bytes, and name → reason of what cannot be transferred."""

    sizes: dict[str, Size] = Field(max_length=FILES_AT_MOST)
    skipped: dict[str, Shown] = Field(max_length=FILES_AT_MOST)


class HashedFile(AgentAnswer):
    """A file's size and the sha256 of its chunks."""

    bytes: Size
    sha256: list[Hash]


class SavedFile(HashedFile):
    """A checkpoint that is complete on the machine."""

    mtime: Annotated[float, Field(ge=0, le=1e12)]

    @property
    def plausible(self) -> bool:
        """Whether there are as many hashes as a file of this size has chunks."""
        return len(self.sha256) == chunk_count(self.bytes)


class Prepared(AgentAnswer):
    """What the machine has of an upload; `gonogo.agent.incoming.prepare` explains each key."""

    files: dict[Name, list[Hash]]
    parts: dict[Name, list[Hash]]
    extra: list[Name]
    free_bytes: Count
    refused: Count


class Verified(AgentAnswer):
    """How many files were read again, how many of them differ from what was sent, and the names of the first."""

    files: Count
    different: Count
    wrong: list[Shown]


def hashed(files: int, chunks: int) -> JsonBounds:
    """Of an answer with the hashes of so many files of ours, beside what may be there of others."""
    return JsonBounds(LISTED.size_bytes + 512 * files + 80 * chunks, LISTED.values // 2 + 4 * files + chunks)


def checked(listed: FileList) -> tuple[dict[str, int], dict[str, str]]:
    """Name → bytes of what can be fetched, and name, safe to show, → reason of what is missing.

    Raises:
        Problem: a name that the agent lists for no folder, because it leads out, is hidden, or is below a file.
    """
    sizes: dict[str, int] = {}
    missing = {quoted(name): reason for name, reason in listed.skipped.items()}
    for name, size in listed.sizes.items():
        check_name(name)
        if any(part.startswith(".") for part in name.split("/")):
            raise Problem(f"{quoted(name)!r}: a hidden name; refused")
        if reason := impossible(name):
            missing[quoted(ascii(name))] = reason
        else:
            sizes[name] = size
    folders = folders_of(sizes)
    if below := next((name for name in sizes if name in folders), None):
        raise Problem(f"{quoted(below)!r}: both a file and a folder; refused")
    return sizes, missing


def impossible(name: str) -> str:
    """Why no file here can, or should, have this name; empty where one can."""
    try:
        parts = [part.encode() for part in name.split("/")]
    except UnicodeEncodeError:
        return "a name that is not UTF-8"
    if shown(name) != name or "\n" in name or "\t" in name:
        return "a name with control characters"
    if max(map(len, parts)) > PART_AT_MOST_BYTES or len(b"/".join(parts)) > NAME_AT_MOST_BYTES:
        return "a name that is too long"
    return "a name with too many folders" if len(parts) > DEEPEST_FOLDERS else ""


def folders_of(names: Collection[str]) -> set[str]:
    """Every folder that these files need.

    Raises:
        Problem: more than `FILES_AT_MOST`.
    """
    folders: set[str] = set()
    for name in names:
        folder = name.rpartition("/")[0]
        while folder and folder not in folders:
            folders.add(folder)
            folder = folder.rpartition("/")[0]
        if len(folders) > FILES_AT_MOST:
            raise Problem(f"more than {FILES_AT_MOST} folders; refused")
    return folders


def alike(sizes: Mapping[str, int]) -> list[str]:
    """Names that a disk which folds case, or composes letters, takes for one; both of the first such pair."""
    seen: dict[str, str] = {}
    for name in sizes:
        other = seen.setdefault(unicodedata.normalize("NFC", name).casefold(), name)
        if other != name:
            return [other, name]
    return []
