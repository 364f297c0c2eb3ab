"""Where a download grows and becomes whole: one at a time, beside what is there, never over it."""

from __future__ import annotations

import contextlib
import fcntl
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

from gonogo.base.errors import UserError
from gonogo.base.files import survey_size, write_json
from gonogo.remote.answers import quoted
from gonogo.remote.file_lists import alike
from gonogo.remote.transfer.common import Transfer

LOCK, DONE, KNOWN_THERE, REPORTED = "lock", "done.json", "collected", "reported"


def refuse_existing(path: Path) -> None:
    if path.exists() or path.is_symlink():
        raise UserError(f"{path}: exists, and a download never overwrites. Move it away, or choose another name.")


@contextlib.contextmanager
def alone(partial: Path) -> Iterator[None]:
    """Two downloads to the same place would overwrite each other's chunks."""
    with (partial / LOCK).open("a") as lock:  # open for writing: on NFS nothing else can be locked
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"{partial}: another process is downloading this. Wait for it to end.") from None
        except OSError as error:
            raise UserError(
                f"{partial}: cannot be locked ({error.strerror}). Set archive_dir to a folder on another disk."
            ) from None
        yield


def complete(growing: Path, files: Path, moved: Transfer) -> None:
    """Give the folder its name, as the last step; what it was is noted before, for `already`."""
    refuse_existing(Path(moved.folder))
    write_json(growing / DONE, asdict(moved))
    files.rename(moved.folder)


def already(partial: Path) -> Transfer | None:
    """What an earlier call has downloaded to the end, where all of it is still there."""
    try:
        moved = Transfer(**json.loads((partial / DONE).read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    whole = not (partial / "files").exists() and Path(moved.folder).is_dir()
    return moved if whole and survey_size(moved.folder) == (moved.files_total, moved.bytes_total) else None


def note_known_there(partial: Path) -> None:
    """The machine has been told that what is there is here: it is not needed for that any more."""
    write_json(partial / KNOWN_THERE, {})


def without_the_machine(partial: Path) -> Transfer | None:
    """`already`, where the machine knows it, too."""
    return already(partial) if (partial / KNOWN_THERE).exists() else None


def note_reported(partial: Path) -> None:
    """The download is in a report: whoever asks for it from now on wants it again."""
    write_json(partial / REPORTED, {})


def was_reported(partial: Path) -> bool:
    return (partial / REPORTED).exists()


def compare_count(final: Path, folder: Path, sizes: Mapping[str, int]) -> None:
    """Raise UserError where one file has replaced another: on a disk that takes two names for one."""
    if survey_size(folder) == (len(sizes), sum(sizes.values())):
        return
    pair = " and ".join(quoted(name) for name in alike(sizes))
    why = f"{pair} are one name on its disk" if pair else "files are not as they were written"
    raise UserError(f"{final.parent}: {why}: nothing was kept. Set archive_dir to a folder on another disk.")
