"""Checkpoints are downloaded while training runs, so that a lost machine costs at most one interval."""

from __future__ import annotations

import contextlib
import json
import shutil
import threading
import zipfile
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from gonogo.agent.checkpoints import is_complete
from gonogo.agent.files import WHOLE_BYTES, file_entry
from gonogo.agent.incoming import INCOMING, Incoming
from gonogo.agent.json_files import Problem
from gonogo.agent.saved import BEST_AT_MOST, unit_of
from gonogo.base.bounded_json import JsonBounds
from gonogo.base.errors import UserError, explain, explained
from gonogo.base.files import walk
from gonogo.config.target import Ssh, Target
from gonogo.remote.errors import RemoteError
from gonogo.remote.file_lists import SavedFile, impossible
from gonogo.remote.machine import Machine, connect
from gonogo.remote.transfer.chunks import cut_file
from gonogo.remote.transfer.common import HASHING_S, Progress, question
from gonogo.remote.transfer.downloads import fetch
from gonogo.remote.transfer.room import check_room
from gonogo.remote.transfer.worker_pool import TransferPool

FOLDER = "out/checkpoints"
BEST, SUFFIX = "best", ".ckpt"
LISTED = JsonBounds(size_bytes=32 << 20, values=400_000)  # a checkpoint of 10 GB has 2400 hashes
DIRECTORY_AT_MOST_BYTES = 8 << 20  # of a checkpoint's archive: 80 000 tensors
SPARE_BYTES = 1 << 30  # left free here: a stranger's checkpoints must not fill the disk
ENDING_S = 2.0
FILES_AT_MOST = 20_000  # of all checkpoints that are fetched
NAMED = 4  # files, in one line


@dataclass(frozen=True)
class Saved:
    """Where a script of any make leaves its checkpoints."""

    folder: str  # from the root, below which they are looked for
    patterns: tuple[str, ...]  # of their names; with a `/` at its end, of folders that are a checkpoint each


def fetch_checkpoints(
    machine: Machine,
    run_dir: str,
    into: Path,
    progress: Progress = lambda done, total: None,
    saved: Saved | None = None,
) -> list[Path]:
    """Download the newest and the best checkpoint of a run, complete and verified, and delete older ones here.

    One that is being written is left for the next call; what is here already is not sent again. Older ones go only
    once a newer one is here that can be read from its first to its last record, whatever the machine says of it.

    Args:
        saved: of a script of any make; None: *.ckpt in the run's own folder.

    Returns:
        The files that were downloaded.

    Raises:
        RemoteError: the transfer failed; what was here before stays.
        UserError: the disk here is full.
    """
    if saved is None:
        folder = f"{run_dir}/{FOLDER}"
        listed = machine.ask(dict[str, SavedFile], "checkpoints", folder, timeout_s=HASHING_S, bounds=LISTED)
        wanted = _newest_and_best(machine, listed)
    else:
        folder, asked = saved.folder, json.dumps(saved.patterns)
        wanted = machine.ask(
            dict[str, SavedFile], "saved", folder, "--run", run_dir, stdin=asked, timeout_s=HASHING_S, bounds=LISTED
        )
        _refuse_others(machine, wanted, saved)
    with explained(into):
        into.mkdir(parents=True, exist_ok=True)
        came = {name: entry for name, entry in wanted.items() if not _is_here(into / name, entry)}
        if came:
            _bring(machine, folder, into, came, progress)
        if came and all(_is_whole(into / name) for name in wanted):
            _remove_others(into, wanted)
    return [into / name for name in came]


def _bring(machine: Machine, folder: str, into: Path, came: dict[str, SavedFile], progress: Progress) -> None:
    incoming = Incoming(into, into / INCOMING)
    shutil.rmtree(incoming.parts, ignore_errors=True)
    incoming.parts.mkdir()
    check_room(incoming.parts, came, sum(entry.bytes for entry in came.values()), SPARE_BYTES)
    chunks = [chunk for name, entry in came.items() for chunk in cut_file(name, entry.bytes)]
    with TransferPool(machine, "send", folder) as pool:
        pool.open()
        pool.ask(question(None))
        hashes = {name: entry.sha256 for name, entry in came.items()}
        _, missing = fetch(machine, pool, incoming, chunks, hashes, progress)
    if missing:
        name, reason = next(iter(missing.items()))
        raise RemoteError(f"{machine.where}: {name}: {reason}")
    in_chunks = {name: [entry.bytes, 0o644] for name, entry in came.items() if entry.bytes > WHOLE_BYTES}
    try:
        incoming.finish(in_chunks)
    except Problem as problem:
        raise RemoteError(f"{machine.where}: {problem}") from None


def _newest_and_best(machine: Machine, listed: dict[str, SavedFile]) -> dict[str, SavedFile]:
    """The entries that are wanted, each with a plain file name; nothing that the machine sends is trusted."""
    saved = {name: entry for name, entry in listed.items() if "/" not in name}
    for name, entry in saved.items():
        if name.startswith(".") or not name.endswith(SUFFIX) or impossible(name) or not entry.plausible:
            raise RemoteError(f"{machine.where}: sent a malformed list of checkpoints ({ascii(name)[:80]})")
    newest = sorted(saved, key=lambda name: saved[name].mtime, reverse=True)
    best = [name for name in newest if name.startswith(BEST)]
    return {name: saved[name] for name in {*newest[:1], *best[:BEST_AT_MOST]}}


def _refuse_others(machine: Machine, listed: dict[str, SavedFile], saved: Saved) -> None:
    """Raise RemoteError for a name that no pattern of ours matches, or that leads elsewhere; nothing is trusted."""
    for name, entry in listed.items():
        hidden = any(part.startswith(".") or not part for part in name.split("/"))
        if hidden or impossible(name) or not unit_of(name, saved.patterns) or not entry.plausible:
            raise RemoteError(f"{machine.where}: sent a malformed list of checkpoints ({ascii(name)[:80]})")
    units = {unit_of(name, saved.patterns) for name in listed}
    if len(units) > 1 + BEST_AT_MOST or len(listed) > FILES_AT_MOST:
        raise RemoteError(f"{machine.where}: sent a list of {len(units)} checkpoints, more than were asked for")


def _remove_others(into: Path, wanted: Collection[str]) -> None:
    """Delete the checkpoints here that are not wanted any more, and the folders that this empties."""
    for path in sorted(walk(into), reverse=True):
        if path.relative_to(into).as_posix() not in wanted:
            path.unlink()
            for folder in path.relative_to(into).parents:
                with contextlib.suppress(OSError):
                    (into / folder).rmdir() if folder.parts else None


def _is_here(path: Path, entry: SavedFile) -> bool:
    if path.is_symlink() or not path.is_file() or path.stat().st_size != entry.bytes:
        return False
    return bool(file_entry(path)["sha256"] == entry.sha256)


def _is_whole(path: Path) -> bool:
    """`is_complete`, but for a file whose directory or records are larger than it can be: a stranger wrote it.

    A file of a form without such records is what was sent, by its hashes, and no more can be said of it.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        if path.suffix != SUFFIX and file.read(4) != b"PK\x03\x04":
            return True
        file.seek(max(0, size - 98))
        end = file.read()
    directory_bytes = int.from_bytes(end[-10:-6], "little")
    if end[-42:-38] == b"PK\x06\x07":  # a zip64 archive has a second, longer end record before the first
        directory_bytes = int.from_bytes(end[-58:-50], "little")
    if directory_bytes > DIRECTORY_AT_MOST_BYTES:
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked_bytes = sum(record.file_size for record in archive.infolist())
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError):
        return False
    return unpacked_bytes <= 2 * size and is_complete(path)


@contextlib.contextmanager
def fetching_checkpoints(
    ssh: Callable[[], Ssh],
    target: Target,
    run_dir: str,
    into: Path,
    every_s: float,
    say: Callable[[str], None],
    saved: Saved | None = None,
) -> Iterator[None]:
    """`fetch_checkpoints` every `every_s` seconds, on connections of its own, while the block runs.

    No failure ends it, and it keeps nobody waiting: at the block's end what is under way is cut off, and is fetched
    by the next call.
    """
    over = threading.Event()
    open_now: list[Machine] = []

    def go_on(done: int, total: int) -> None:
        if over.is_set():
            raise InterruptedError

    def once() -> None:
        with connect(ssh(), target) as machine:
            open_now[:] = [machine]
            go_on(0, 0)
            came = fetch_checkpoints(machine, run_dir, into, go_on, saved)
        if came:
            names = sorted(path.relative_to(into).as_posix() for path in came)
            more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
            say(f"downloaded {', '.join(names[:NAMED])}{more} to {into}")

    def work() -> None:
        while not over.wait(every_s):
            try:
                once()
            except Exception as error:  # whatever it is, the next try may go well, and the run must be watched on
                if over.is_set():
                    return
                told = error if isinstance(error, UserError) else explain(error, into)
                said = told or f"{type(error).__name__}: {error}"
                say(f"checkpoints could not be downloaded, trying again later: {said}")

    thread = threading.Thread(target=work, name="checkpoints", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        for machine in open_now:
            machine.hang_up()
        thread.join(timeout=ENDING_S)
