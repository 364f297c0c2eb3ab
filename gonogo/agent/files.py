"""What is in a folder: names that can travel, in chunks with their hashes."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from .checkpoints import has_end
from .json_files import Problem

MANIFEST = ".gonogo-manifest.json"  # what was uploaded into a folder
# files travel in chunks: of a 1 GB file 256 KiB each, of a 100 GB one 4 MiB
WHOLE_BYTES = 1 << 20


SMALLEST_CHUNK_BYTES, LARGEST_CHUNK_BYTES, MANY_CHUNKS = 1 << 18, 1 << 22, 4096
HASHED_AT_ONCE_BYTES = 16 << 20
TEXT_AT_MOST_BYTES = 64 << 20


def check_name(name: str) -> None:
    """Raise Problem unless the name is a plain relative path that stays below its folder."""
    if not name or "\0" in name or any(part in ("", ".", "..") for part in name.split("/")):
        raise Problem(f"{name!r}: not a plain relative name; refused")


NO_DATA = "a pipe, a socket or a device"  # nothing is lost with it


def files_below(root: Path, names: Iterable[str] = ("",)) -> Iterator[tuple[str, Path | None]]:
    """Relative name → path of every file below these names of `root`; None for what cannot travel.

    Links to files inside `root` count as the files; other links, devices, pipes and folders that cannot be read do not
    travel. Hidden names and `__pycache__` are left out.
    """
    real_root = os.path.realpath(root)
    for name in names:
        path = f"{root}/{name}" if name else str(root)
        if (os.path.realpath(path) + "/").startswith(real_root + "/"):
            yield from _walk(path, name, real_root)
        elif os.path.lexists(path):
            yield name, None


def _walk(path: str, name: str, real_root: str) -> Iterator[tuple[str, Path | None]]:
    """By os.path: pathlib takes three times as long, which counts for thousands of files."""
    linked = os.path.islink(path)
    if os.path.isdir(path) and not (name and linked):
        try:
            entries = sorted(os.listdir(path))
        except PermissionError:
            yield name, None
            return
        for entry in entries:
            if not entry.startswith(".") and entry != "__pycache__":
                yield from _walk(path + "/" + entry, f"{name}/{entry}" if name else entry, real_root)
    elif os.path.isfile(path) and (not linked or os.path.realpath(path).startswith(real_root + "/")):
        yield name, Path(path)
    elif not _gone(path):
        yield name, None


def _gone(path: str) -> bool:
    """Whether it went since it was listed; one in a folder that may not be entered is still there."""
    try:
        os.lstat(path)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return False


def chunk_bytes(size: int) -> int:
    """How much of a file of this size is hashed, sent and kept as one chunk; the whole of it up to `WHOLE_BYTES`."""
    if size <= WHOLE_BYTES:
        return WHOLE_BYTES
    chunk = SMALLEST_CHUNK_BYTES
    while chunk < LARGEST_CHUNK_BYTES and chunk * MANY_CHUNKS < size:
        chunk *= 2
    return chunk


def chunk_count(size: int) -> int:
    """How many chunks a file of this size has; an empty one has one, which is empty."""
    return max(1, -(-size // chunk_bytes(size)))


def chunk_hashes(files: list[tuple[Path, int]]) -> list[list[str]]:
    """For each (file, length of a chunk): sha256 in hex of its chunks, in order; an empty file has one empty chunk."""
    from concurrent.futures import ThreadPoolExecutor

    ranges: list[tuple[Path, int, int]] = []
    owners: list[int] = []
    for index, (path, chunk) in enumerate(files):
        size, span = path.stat().st_size, max(chunk, HASHED_AT_ONCE_BYTES // chunk * chunk)
        parts = [(path, offset, chunk) for offset in range(0, size, span)] or [(path, 0, chunk)]
        ranges += parts
        owners += [index] * len(parts)
    hashes: list[list[str]] = [[] for _ in files]
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        for owner, part in zip(owners, pool.map(_hash_range, ranges)):
            hashes[owner] += part
    return hashes


def _hash_range(part: tuple[Path, int, int]) -> list[str]:
    import hashlib

    path, offset, chunk = part
    hashes: list[str] = []
    with path.open("rb", buffering=0) as stream:
        stream.seek(offset)
        for _ in range(max(1, HASHED_AT_ONCE_BYTES // chunk)):
            data = stream.read(chunk)
            if data or not (offset or hashes):
                hashes.append(hashlib.sha256(data).hexdigest())
            if len(data) < chunk:
                break
    return hashes


def file_entry(path: Path) -> dict[str, Any]:
    """A file's line in a manifest: its bytes, and sha256 of its chunks in hex; up to 1 MiB there is one chunk."""
    size = path.stat().st_size
    return {"bytes": size, "sha256": chunk_hashes([(path, chunk_bytes(size))])[0]}


def manifest(root: Path, names: Iterable[str] = ("",)) -> dict[str, dict[str, Any]]:
    """Relative name → `file_entry`, with no hashes for what cannot travel."""
    paths = dict(files_below(root, names))
    sizes = {name: path.stat().st_size for name, path in paths.items() if path is not None}
    hashes = chunk_hashes([(root / name, chunk_bytes(size)) for name, size in sizes.items()])
    entries = {name: {"bytes": sizes[name], "sha256": chunks} for name, chunks in zip(sizes, hashes)}
    return {name: entries.get(name, {"bytes": 0, "sha256": []}) for name in paths}


def listing(root: Path) -> dict[str, Any]:
    """`sizes`: name → bytes of all below `root`; `skipped`: name → reason of what may matter and cannot travel."""
    sizes, skipped = {}, {}
    real_root = os.path.realpath(root)
    for name, path in files_below(root):
        try:
            name.encode()
        except UnicodeEncodeError:
            skipped[ascii(name)] = "a name that is not UTF-8"
            continue
        if path is None:
            reason = _why_not(root / name, real_root)
            skipped.update({name: reason} if reason else {})
        elif os.access(str(path), os.R_OK):
            sizes[name] = path.stat().st_size
        else:
            skipped[name] = "may not be read"
    return {"sizes": sizes, "skipped": skipped}


def _why_not(path: Path, real_root: str) -> str:
    """Why this cannot travel; empty where nothing is lost: its files travel under other names, or there are none."""
    try:
        mode = path.lstat().st_mode
        if not stat.S_ISLNK(mode):
            return "a folder that may not be entered" if stat.S_ISDIR(mode) else NO_DATA
        path.stat()
    except FileNotFoundError:
        return ""  # a link that leads nowhere
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    target = os.path.realpath(path)
    inside = (target + "/").startswith(real_root + "/")
    hidden = any(part.startswith(".") for part in os.path.relpath(target, real_root).split("/"))
    return "" if inside and not hidden else "a link to " + target


def checkpoints(root: Path) -> dict[str, Any]:
    """Name → `file_entry` and `mtime` of the checkpoints below `root` that are complete and not being written."""
    complete = {}
    for name, path in files_below(root):
        if path is None or path.suffix != ".ckpt":
            continue
        with contextlib.suppress(OSError):
            before = path.stat()
            if not has_end(path):
                continue
            entry, after = file_entry(path), path.stat()
            if (before.st_size, before.st_mtime_ns, before.st_ino) == (after.st_size, after.st_mtime_ns, after.st_ino):
                complete[name] = {**entry, "mtime": after.st_mtime}
    return complete


def read_text(path: Path) -> dict[str, Any]:
    """A small file's `text`; None where there is no such file."""
    try:
        with path.open("rb") as stream:
            return {"text": stream.read(TEXT_AT_MOST_BYTES).decode("utf-8", "replace")}
    except FileNotFoundError:
        return {"text": None}


def put_text(path: Path, text: bytes) -> dict[str, Any]:
    """Write a small file whole or not at all, its folders made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_bytes(text)
    temporary.replace(path)
    return {"bytes": len(text)}


def remove(root: Path, names: Iterable[str]) -> dict[str, Any]:
    """Remove these files of `root`, and the folders that this empties."""
    count = 0
    for name in names:
        check_name(name)
        parts = name.split("/")
        parents = [root.joinpath(*parts[:depth]) for depth in range(len(parts) - 1, 0, -1)]
        if any(parent.is_symlink() for parent in parents):
            raise Problem(f"{name}: reached through a link; not removed")
        (root / name).unlink()
        count += 1
        for folder in parents:
            with contextlib.suppress(OSError):
                folder.rmdir()
    return {"removed": count}
