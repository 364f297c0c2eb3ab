"""Files written whole or not at all, and digests of what is on disk."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gonogo.base.errors import UserError, explained


def _umask() -> int:
    """This process's; it can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


UMASK = _umask()


@contextlib.contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends well, and goes when it does not.

    The temporary name ends like the real one, so libraries that look at suffixes write the right format.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    temporary.chmod(0o666 & ~UMASK)
    try:
        with explained(path.parent):
            yield temporary
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def folder_replacing(path: Path | str) -> Iterator[Path]:
    """`replacing` for a folder: filled under a temporary name, renamed when the block ends well."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    temporary.chmod(0o777 & ~UMASK)
    try:
        with explained(path.parent):
            yield temporary
            if path.exists():
                shutil.rmtree(path)
            temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_text(path: Path | str, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path | str, value: Any) -> None:
    """Write what must last through a power cut: which machine is held, which run was started, what was downloaded."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
        _sync(temporary)
    _sync(Path(path).parent)


def _sync(path: Path) -> None:
    with contextlib.suppress(OSError):  # some network disks sync no folders
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def read_json(path: Path | str) -> dict[str, Any]:
    """What `write_json` wrote.

    Raises:
        UserError: the file is empty or damaged.
    """
    try:
        value = json.loads(Path(path).read_bytes())
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise UserError(
            f"{path}: is empty or damaged, as a power cut or a full disk leaves a file. Look at what it was about (a "
            "machine that is held, a run that was started), then remove it; the same command attaches to a run again."
        )
    return value


@dataclass(frozen=True)
class Unlisted:
    """What a listing could not follow: its path from the folder, and what it is, in words."""

    path: str
    reason: str


def walk(folder: Path | str) -> list[Path]:
    """Every regular file below `folder`, sorted; hidden files and folders (`.git`, `.snakemake`) left out."""
    return survey(folder)[0]


def survey(folder: Path | str) -> tuple[list[Path], list[Unlisted]]:
    """The files of `walk`, and what may hold more: folders that may not be entered, links that are not followed."""
    names, unlisted = names_below(folder)
    return [Path(folder, name) for name in names], unlisted


def names_below(folder: Path | str) -> tuple[list[str], list[Unlisted]]:
    """`survey` with POSIX paths from `folder`, which take a third of the memory."""
    root = os.fspath(folder)
    names, unlisted = [], []
    for path, reason in _entries_below(root):
        name = _from(root, path)
        if reason:
            unlisted.append(Unlisted(name, reason))
        else:
            names.append(name)
    return names, sorted(unlisted, key=lambda entry: entry.path)


def _from(root: str, path: str) -> str:
    """`os.path.relpath` of a path that was made from the root, without asking for the working directory each time."""
    return path[len(root) :].lstrip(os.sep) or "."


def file_sizes(folder: Path | str) -> Iterator[tuple[str, os.stat_result]]:
    """Path from `folder` and status of each file of `walk`, in its order and never all at once."""
    root = os.fspath(folder)
    for path, reason in _entries_below(root):
        if not reason:
            with contextlib.suppress(OSError):  # gone meanwhile
                yield _from(root, path), os.stat(path)  # noqa: PTH116  a Path for each of a million takes as long


def survey_size(folder: Path | str) -> tuple[int, int]:
    """How many files of `walk` there are, and how many bytes."""
    files = size = 0
    for _, status in file_sizes(folder):
        files, size = files + 1, size + status.st_size
    return files, size


def _entries_below(root: str) -> Iterator[tuple[str, str]]:
    """Files with an empty reason, and what cannot be followed with its own; in the order of their paths' parts.

    Four times as fast as `Path.rglob`, which asks the system again what each entry is.
    """
    waiting: list[os.DirEntry[str] | str] = [root]
    while waiting:
        entry = waiting.pop()
        if not isinstance(entry, str) and not entry.is_dir(follow_symlinks=False):
            if (reason := _not_a_file(entry)) is not None:
                yield entry.path, reason
            continue
        folder = os.fspath(entry)
        try:
            with os.scandir(folder) as found:
                entries = [one for one in found if not one.name.startswith(".")]
        except (FileNotFoundError, NotADirectoryError):
            continue
        except PermissionError:
            yield folder, "folder that may not be entered"
            continue
        except OSError as error:
            yield folder, f"folder that cannot be listed: {error.strerror}"
            continue
        entries.sort(key=lambda one: one.name, reverse=True)
        waiting.extend(entries)


def _not_a_file(entry: os.DirEntry[str]) -> str | None:
    """Empty for a file, None for what holds no data: a socket, a pipe."""
    if not entry.is_symlink():
        return "" if entry.is_file(follow_symlinks=False) else None
    try:
        mode = entry.stat().st_mode
    except PermissionError:
        return "link that may not be followed"
    except OSError:
        return "link that leads nowhere"
    return "" if stat.S_ISREG(mode) else "link to a folder, which is not followed" if stat.S_ISDIR(mode) else None
