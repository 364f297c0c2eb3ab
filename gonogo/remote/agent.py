"""What runs on the machine: one file, standard library only, Python 3.8 or newer.

`python3 agent.py COMMAND …` from the target's root; paths are relative to it. Each command answers with one line of
JSON; `log`, `receive` and `send` with bytes, `follow` with lines. A run is a folder:

    run.json        key, argv, workspace
    .order.json     the whole order; readable by its owner alone, its environment forgotten at the end
    log.txt         stdout and stderr of the command, each line after a UTC time; the agent's own begin with [agent]
    heartbeat.json  every second
    timer.json      the second, independent timer
    exit.json       once, at the end: cause, code, signal, times, attempts
    lease           its mtime is renewed by whoever watches; unchanged for the order's lease_s: the run ends
    stop            appears when the run should end
    collected.json  appears when the results are verified elsewhere
    release.json    appears when the machine's release command is run, once
    agent.log       what the agent's own processes have to say, normally nothing

Two processes watch a run. The supervisor starts the command and is the only one to signal it; the timer replaces a
supervisor that is gone, ends a run that is far over its time, and releases the machine. Each starts the other again.

One run at a time holds the lock of its workspace. The lock's descriptor is inherited by the run, so "locked" means
that something of it is alive.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import re
import select
import selectors
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

CHUNK_BYTES = 1 << 20
LOCK, GUARD = ".run.lock", ".run.guard"
# files travel in pieces: of a 1 GB file 256 KiB each, of a 100 GB one 4 MiB
WHOLE_BYTES = 1 << 20
SMALLEST_PIECE_BYTES, LARGEST_PIECE_BYTES, MANY_PIECES = 1 << 18, 1 << 22, 4096
LARGEST_FRAME_BYTES, LARGEST_HEADER_BYTES = LARGEST_PIECE_BYTES, 1 << 20
HASHED_AT_ONCE_BYTES = 16 << 20
SAMPLE_BYTES = 16 << 10
LANE_BUFFER_BYTES = 1 << 20
INCOMING, OWNER, MANIFEST = ".gonogo-incoming", "owner", ".gonogo-manifest.json"
LANE_READY = b"gonogo lane ready\n"
BEAT_S = 1.0
GRACE_S = 20.0
LOG_POLL_S = 0.2
WATCHER_SILENT_S = 60.0
RELAUNCH_WAIT_S = 5.0
LONGEST_LINE_BYTES = 64 << 10
DRAIN_S = 2.0
STARTED = "started"
ORDER = ".order.json"  # hidden, so that it never travels: it may hold secrets while the run lasts
ORDER_AT_MOST_BYTES = 1 << 20
START_S = 30.0
QUIET_S = 30.0
GPU_EVERY_S = 30.0
TIMER_MARGIN_S = 10.0
RESTARTS = 3  # after a kill, a stall or a lost supervisor; rungs of the ladder do not count
RELEASE_TRIES = 3
RELEASE_PAUSE_S = 20.0
RELEASE_WAIT_S = 120.0
LAST_WORDS_BYTES = 64 << 10
ENDED_AS = {
    0: "finished",
    3: "nan",
    4: "stopped_by_gate",
    143: "killed",
}  # exit codes of `python -m gonogo.stages.train`
ABORTS = {signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP}
OUT_OF_MEMORY = re.compile(
    rb"out of memory|OutOfMemoryError|^\S* ?MemoryError|bad_alloc|ALLOC_FAILED|not enough memory|can't allocate memory",
    re.MULTILINE,
)
DEVICE_FAULT = re.compile(
    rb"HSA_STATUS_ERROR|Memory access fault by GPU|illegal memory access|device-side assert|unspecified launch failure"
    rb"|CUDA error: (no kernel image|unknown error|misaligned)|HIP error: (invalid device function|unknown)"
)
# of a run's earlier attempts, as heartbeat.json keeps them
NO_PAST: dict[str, Any] = {
    "elapsed_s": 0.0, "started_at": 0.0, "attempts": [], "restarts": 0, "rung": 0, "cpu": False,
}  # fmt: skip
OLDEST_PYTHON = (3, 11)


class Problem(Exception):
    """A failure that the message explains."""


def read_json(path: Path) -> Any:
    """What the file holds; None where there is none."""
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def write_json(path: Path, value: Any, mode: int = 0o644) -> None:
    """Write whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with os.fdopen(os.open(str(temporary), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as out:
        out.write(json.dumps(value) + "\n")
    temporary.replace(path)


# --- files: what is there, and pieces of it in and out ---------------------------------------------------


def check_name(name: str) -> None:
    """Raise Problem unless the name is a plain relative path that stays below its folder."""
    if not name or "\0" in name or any(part in ("", ".", "..") for part in name.split("/")):
        raise Problem(f"{name!r}: not a plain relative name; refused")


def files_below(root: Path, names: Iterable[str] = ("",)) -> Iterator[tuple[str, Path | None]]:
    """Relative name → path of every file below these names of `root`; None for what cannot travel.

    Links to files inside `root` count as the files; other links, devices and pipes cannot travel. Hidden names and
    `__pycache__` are left out.
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
        for entry in sorted(os.listdir(path)):
            if not entry.startswith(".") and entry != "__pycache__":
                yield from _walk(path + "/" + entry, f"{name}/{entry}" if name else entry, real_root)
    elif os.path.isfile(path) and (not linked or os.path.realpath(path).startswith(real_root + "/")):
        yield name, Path(path)
    elif linked or os.path.exists(path):
        yield name, None


def piece_bytes(size: int) -> int:
    """How much of a file of this size is hashed, sent and kept as one piece; the whole of it up to `WHOLE_BYTES`."""
    if size <= WHOLE_BYTES:
        return WHOLE_BYTES
    piece = SMALLEST_PIECE_BYTES
    while piece < LARGEST_PIECE_BYTES and piece * MANY_PIECES < size:
        piece *= 2
    return piece


def piece_hashes(files: list[tuple[Path, int]]) -> list[list[str]]:
    """For each (file, length of a piece): sha256 in hex of its pieces, in order; an empty file has one empty piece."""
    from concurrent.futures import ThreadPoolExecutor

    ranges: list[tuple[Path, int, int]] = []
    owners: list[int] = []
    for index, (path, piece) in enumerate(files):
        size, span = path.stat().st_size, max(piece, HASHED_AT_ONCE_BYTES // piece * piece)
        parts = [(path, offset, piece) for offset in range(0, size, span)] or [(path, 0, piece)]
        ranges += parts
        owners += [index] * len(parts)
    found: list[list[str]] = [[] for _ in files]
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        for owner, part in zip(owners, pool.map(_hash_range, ranges)):
            found[owner] += part
    return found


def _hash_range(given: tuple[Path, int, int]) -> list[str]:
    path, offset, piece = given
    found: list[str] = []
    with path.open("rb", buffering=0) as stream:
        stream.seek(offset)
        for _ in range(max(1, HASHED_AT_ONCE_BYTES // piece)):
            data = stream.read(piece)
            if data or not (offset or found):
                found.append(hashlib.sha256(data).hexdigest())
            if len(data) < piece:
                break
    return found


def file_entry(path: Path) -> dict[str, Any]:
    """A file's line in a manifest: its bytes, and sha256 of its pieces in hex; up to 1 MiB there is one piece."""
    size = path.stat().st_size
    return {"bytes": size, "sha256": piece_hashes([(path, piece_bytes(size))])[0]}


def manifest(root: Path, names: Iterable[str] = ("",)) -> dict[str, dict[str, Any]]:
    """Relative name → `file_entry`, with no hashes for what cannot travel."""
    found = dict(files_below(root, names))
    sizes = {name: path.stat().st_size for name, path in found.items() if path is not None}
    hashes = piece_hashes([(root / name, piece_bytes(size)) for name, size in sizes.items()])
    entries = {name: {"bytes": sizes[name], "sha256": pieces} for name, pieces in zip(sizes, hashes)}
    return {name: entries.get(name, {"bytes": 0, "sha256": []}) for name in found}


def listing(root: Path) -> dict[str, Any]:
    """`files`: name → [bytes, mode] of all below `root`; `skipped`: what cannot travel."""
    files, skipped = {}, []
    for name, path in files_below(root):
        if path is None:
            skipped.append(name)
        else:
            status = path.stat()
            files[name] = [status.st_size, status.st_mode & 0o777]
    return {"files": files, "skipped": skipped}


def checkpoints(root: Path) -> dict[str, Any]:
    """Name → `file_entry` and `mtime` of the checkpoints below `root` that are whole and not being written."""
    found = {}
    for name, path in files_below(root):
        if path is None or path.suffix != ".ckpt":
            continue
        with contextlib.suppress(OSError):
            before = path.stat()
            if not whole_archive(path):
                continue
            entry, after = file_entry(path), path.stat()
            if (before.st_size, before.st_mtime_ns, before.st_ino) == (after.st_size, after.st_mtime_ns, after.st_ino):
                found[name] = {**entry, "mtime": after.st_mtime}
    return found


def whole_archive(path: Path) -> bool:
    """Whether a checkpoint's zip has its end, which is written last, where the file ends."""
    with path.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - 22))
        return stream.read(4) == b"PK\x05\x06"  # end of the central directory, without a comment: as torch writes it


class Incoming:
    """Where pieces wait below `folder` until their file is whole: nothing else ever has the file's own name.

    A file that is one piece is renamed as soon as it is verified. Of a larger one the pieces are written where they
    belong in `PARTS/KEY.part`, and `finish` renames it. Which pieces are there is told by their hashes alone.
    """

    def __init__(self, folder: Path, parts: Path | None = None) -> None:
        self.folder, self.parts = folder, parts or folder / INCOMING
        self._folders: set[str] = set()
        self._open: tuple[str, int] = ("", -1)

    def part(self, name: str) -> Path:
        """Where the pieces of this file wait."""
        return self.parts / (hashlib.sha256(os.fsencode(name)).hexdigest()[:40] + ".part")

    def put(self, piece: list[Any], data: memoryview) -> None:
        """Keep a verified piece: [name, offset, bytes, size, mode, sha256].

        Raises:
            Problem: it is not what its hash says, or its name leads elsewhere.
        """
        name, offset, count, size, mode, sha256 = piece
        check_name(name)
        if hashlib.sha256(data).hexdigest() != sha256:
            raise Problem(f"{name}: what came is not what was sent (sha256)")
        if offset == 0 and count == size:
            waiting = str(self.part(name))
            target = self._target(name)
            handle = os.open(waiting, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, _mode(mode))
            try:
                _write_at(handle, data, 0)
            finally:
                os.close(handle)
            os.replace(waiting, target)
        else:
            _write_at(self._part_handle(name, size), data, offset)

    def _part_handle(self, name: str, size: int) -> int:
        if self._open[0] != name:
            self.close()
            handle = os.open(str(self.part(name)), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            self._open = (name, handle)
            if os.fstat(handle).st_size > size:
                os.ftruncate(handle, size)
        return self._open[1]

    def close(self) -> None:
        if self._open[1] >= 0:
            os.close(self._open[1])
        self._open = ("", -1)

    def reuse(self, name: str, ranges: list[list[int]]) -> None:
        """Copy pieces of the file that has this name now: [offset there, offset in the new one, bytes]."""
        check_name(name)
        part = self.part(name)
        part.touch()
        with Path(self._target(name)).open("rb") as old, part.open("r+b") as new:
            for source, offset, count in ranges:
                old.seek(source)
                new.seek(offset)
                new.write(old.read(count))

    def finish(self, files: dict[str, list[int]]) -> None:
        """Rename these files, name → [bytes, mode], whose pieces have all come; forget all others that wait."""
        for name, (size, mode) in files.items():
            check_name(name)
            part = self.part(name)
            if part.is_symlink() or not part.is_file() or part.stat().st_size != size:
                raise Problem(f"{name}: not all of it came; the same command again sends the rest")
            part.chmod(_mode(mode))
            part.replace(self._target(name))
        shutil.rmtree(str(self.parts), ignore_errors=True)

    def _target(self, name: str) -> str:
        """The file's path, its folders made, none of them reached through a link."""
        folder = os.path.dirname(name)
        if folder not in self._folders:
            path = str(self.folder)
            for part in folder.split("/") if folder else []:
                path = path + "/" + part
                if os.path.islink(path):
                    raise Problem(f"{name}: {path} is a link; refused to write through it")
                with contextlib.suppress(FileExistsError):
                    os.mkdir(path)
            self._folders.add(folder)
        return f"{self.folder}/{name}"


def _mode(mode: int) -> int:
    return 0o755 if mode & 0o100 else 0o644


def _write_at(handle: int, data: memoryview, offset: int) -> None:
    while data:
        written = os.pwrite(handle, data, offset)
        data, offset = data[written:], offset + written


def prepare(folder: Path, wanted: dict[str, Any]) -> dict[str, Any]:
    """What is here of what will be sent, and a place for the rest, which belongs to whoever asked last.

    `wanted`: `names` that are compared, `sizes` of all files below them, `owner` a word of the sender's, `unasked`
    how many frames follow this question at once.

    Returns:
        `files` and `parts`: name → hashes of the pieces that the file of that name has, or that wait for it, cut as
        the wanted size says. `extra`: what is not wanted. `free_bytes`. `refused`: how many of the first frames will
        be thrown away: all that were not asked for, unless nothing is here yet and there is room.
    """
    incoming, sizes = Incoming(folder), wanted["sizes"]
    incoming.parts.mkdir(parents=True, exist_ok=True)
    write_json(incoming.parts / OWNER, wanted["owner"])
    extra, files, parts = [], {}, {}
    for name, path in files_below(folder, wanted["names"]):
        if name not in sizes or path is None:
            extra.append(name)
        elif sizes[name] > WHOLE_BYTES or path.stat().st_size == sizes[name]:
            files[name] = path
    for name, size in sizes.items():
        if size > WHOLE_BYTES and incoming.part(name).is_file():
            parts[name] = incoming.part(name)
    hashes = [
        dict(zip(found, piece_hashes([(path, piece_bytes(sizes[name])) for name, path in found.items()])))
        for found in (files, parts)
    ]
    free = shutil.disk_usage(str(folder)).free
    welcome = not (files or parts or extra) and sum(sizes.values()) <= free
    refused = 0 if welcome else wanted["unasked"]
    return {"files": hashes[0], "parts": hashes[1], "extra": extra, "free_bytes": free, "refused": refused}


def reuse(folder: Path, wanted: dict[str, list[list[int]]]) -> dict[str, Any]:
    """`Incoming.reuse` for each of these names."""
    for name, ranges in wanted.items():
        Incoming(folder).reuse(name, ranges)
    return {"files": len(wanted)}


def answer_first(stream: IO[bytes], out: IO[bytes], reply: Callable[[Any], Any]) -> Any:
    """A lane may begin with a question: a line `?` with the length of the JSON that follows; one line answers it.

    Returns the answer; None where there was no question.
    """
    if stream.peek(1)[:1] != b"?":  # type: ignore[attr-defined]
        return None
    found = reply(json.loads(stream.read(int(stream.readline()[1:]))))
    out.write(json.dumps(found).encode() + b"\n")
    out.flush()
    return found


def receive(folder: Path, owner: str, stream: IO[bytes], refused: int = 0) -> dict[str, Any]:
    """Keep the pieces that come, until the stream ends or somebody else prepares to send here.

    After an empty line follows what `finish` wants to know. The first `refused` frames are thrown away.
    """
    incoming, kept = Incoming(folder), 0
    for number, (pieces, data) in enumerate(read_frames(stream)):
        if number < refused:
            continue
        if read_json(incoming.parts / OWNER) != owner:
            raise Problem("another transfer to this folder has begun; this one ends")
        for piece, part in cut(pieces, data):
            incoming.put(piece, part)
            kept += 1
    incoming.close()
    ending = stream.read()
    if ending:
        finish(folder, json.loads(ending))
    return {"pieces": kept}


def cut(pieces: list[list[Any]], data: memoryview) -> Iterator[tuple[list[Any], memoryview]]:
    """Each piece of a frame with its bytes."""
    offset = 0
    for piece in pieces:
        yield piece, data[offset : offset + piece[2]]
        offset += piece[2]


def read_frames(stream: IO[bytes]) -> Iterator[tuple[list[list[Any]], memoryview]]:
    """Frames of a stream: one line of JSON, {"pieces": […], "packed": bytes or 0}, then the pieces' bytes.

    The memory that is handed out is used again for the next frame.

    Raises:
        Problem: the stream breaks, or announces more than a frame may hold.
    """
    buffer = bytearray(LARGEST_FRAME_BYTES)
    while True:
        line = stream.readline(LARGEST_HEADER_BYTES)
        if not line.strip():
            return
        try:
            header = json.loads(line)
            pieces, packed = header["pieces"], header["packed"]
            size = sum(piece[2] for piece in pieces)
            if not all(len(piece) == 6 and piece[2] >= 0 for piece in pieces):
                raise ValueError
        except (ValueError, KeyError, TypeError, IndexError):
            raise Problem(f"the stream broke: {line[:60]!r} is not the head of a frame") from None
        if size > LARGEST_FRAME_BYTES or not 0 <= packed <= LARGEST_FRAME_BYTES:
            raise Problem("more data came than a frame may hold; refused")
        data = memoryview(buffer)[: packed or size]
        _read_all(stream, data)
        yield pieces, _unpacked(data, size) if packed else data


def _read_all(stream: Any, data: memoryview) -> None:
    while data:
        count = stream.readinto(data)
        if not count:
            raise Problem("the stream ended in the middle of a piece")
        data = data[count:]


def _unpacked(data: memoryview, size: int) -> memoryview:
    import zlib

    unpacker = zlib.decompressobj()
    try:
        found = unpacker.decompress(data, size + 1)
    except zlib.error:
        raise Problem("the stream broke: a compressed piece cannot be read") from None
    if len(found) != size:
        raise Problem("a compressed piece has not the size that was announced; refused")
    return memoryview(found)


def read_piece(path: Path, offset: int, count: int) -> bytes:
    """Bytes of a file.

    Raises:
        Problem: it cannot be read, or ends before.
    """
    try:
        with path.open("rb", buffering=0) as stream:
            stream.seek(offset)
            data = stream.read(count)
    except OSError as error:
        raise Problem(f"{path}: cannot be read ({error.strerror})") from None
    if len(data) != count:
        raise Problem(f"{path}: changed while it was being sent")
    return data


def frame(pieces: list[list[Any]], blocks: list[bytes], may_pack: bool) -> list[bytes]:
    """The buffers to write for these pieces; packed when a sample of them says that it pays."""
    packed = _packed(blocks) if may_pack else b""
    header = json.dumps({"pieces": pieces, "packed": len(packed)}).encode() + b"\n"
    return [header, packed] if packed else [header, *blocks]


def _packed(blocks: list[bytes]) -> bytes:
    """Compressed, or nothing where the sample or the whole does not become a fifth smaller."""
    import zlib

    sample = b"".join(block[: SAMPLE_BYTES // len(blocks) + 1] for block in blocks)
    if len(zlib.compress(sample, 1)) > 0.8 * len(sample):
        return b""
    packed = zlib.compress(b"".join(blocks), 1)
    return packed if len(packed) < 0.8 * sum(map(len, blocks)) else b""


def send(folder: Path, requests: IO[bytes], out: IO[bytes]) -> None:
    """Answer each request, a line {"pieces": [[name, offset, bytes, size], …], "pack": bool}, with a frame."""
    real_root = os.path.realpath(folder)
    for line in iter(requests.readline, b""):
        request = json.loads(line)
        pieces, blocks = [], []
        for name, offset, count, size in request["pieces"]:
            check_name(name)
            path = folder / name
            if not os.path.realpath(path).startswith(real_root + "/"):
                raise Problem(f"{name}: leads out of its folder; not sent")
            block = read_piece(path, offset, count)
            pieces.append([name, offset, count, size, path.stat().st_mode & 0o777, hashlib.sha256(block).hexdigest()])
            blocks.append(block)
        for buffer in frame(pieces, blocks, request["pack"]):
            out.write(buffer)
        out.flush()


def finish(folder: Path, done: dict[str, Any]) -> dict[str, Any]:
    """End a transfer to here: name the files that came in pieces, and note the manifest of all, for `verify`."""
    incoming = Incoming(folder)
    if read_json(incoming.parts / OWNER) != done["owner"]:
        raise Problem("another transfer to this folder has begun; this one ends")
    incoming.finish(done["files"])
    write_json(folder / MANIFEST, done["manifest"])
    return {"files": len(done["manifest"]["files"])}


def verify(folder: Path) -> dict[str, Any]:
    """Read everything again and compare it with what was sent: `files` looked at, and the names that are `wrong`."""
    known = read_json(folder / MANIFEST)
    if known is None:
        raise Problem(f"{folder}: nothing was ever sent there whole; upload first")
    found, wanted = manifest(folder, known["names"]), known["files"]
    wrong = [name for name in sorted(found.keys() | wanted.keys()) if found.get(name) != wanted.get(name)]
    return {"files": len(found), "wrong": wrong}


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


# --- the lock of a workspace -----------------------------------------------------------------------------


@contextlib.contextmanager
def guarded(workspace: Path) -> Iterator[None]:
    """Held for moments by whoever tries the run's lock, so that asking never looks like holding."""
    workspace.mkdir(parents=True, exist_ok=True)
    guard = os.open(str(workspace / GUARD), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(guard, fcntl.LOCK_EX)
        yield
    finally:
        os.close(guard)


def try_lock(workspace: Path) -> int | None:
    """A descriptor that holds the run's lock, or None when a run holds it. Call it guarded."""
    lock = os.open(str(workspace / LOCK), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def active(workspace: Path) -> dict[str, Any] | None:
    """The run that holds the workspace's lock: {"run_dir", "key"}; None when it is free."""
    if not workspace.is_dir():
        return None
    with guarded(workspace):
        lock = try_lock(workspace)
        if lock is None:
            return _holder(workspace)
        os.close(lock)
        return None


def _holder(workspace: Path) -> dict[str, Any]:
    holder = read_json(workspace / LOCK)
    return {"run_dir": os.path.relpath(holder["run_dir"]), "key": holder["key"]}


# --- runs: launch, adopt, status, log, stop --------------------------------------------------------------

# What an order says, and what goes where it is silent; `gonogo/remote/run_request.py` says what each key means.
SILENT_ORDER: dict[str, Any] = {
    "key": "",
    "argv": [],
    "workspace": "",
    "cwd": "",
    "environment": {},
    "max_s": 0.0,
    "max_usd": 0.0,
    "usd_per_hour": 0.0,
    "lease_s": 0.0,
    "first_s": 0.0,
    "stall_s": 0.0,
    "progress": "",
    "checkpoints": "",
    "resume": [],
    "override": [],
    "ladder": [],
    "cpu": None,
    "release": None,
}


def read_order(stream: IO[bytes]) -> dict[str, Any]:
    """The order of a launch, as JSON. It comes by stdin because every user can read a command line."""
    try:
        given = json.loads(stream.read(ORDER_AT_MOST_BYTES))
    except ValueError:
        raise Problem("launch: no order on stdin; it is one JSON object") from None
    unknown = sorted(given.keys() - SILENT_ORDER.keys())
    if unknown or not given.get("argv") or not given.get("key"):
        raise Problem(f"launch: an order has key, argv and what agent.py lists; unknown here: {', '.join(unknown)}")
    return {**SILENT_ORDER, **given}


def launch(run_dir: Path, order: dict[str, Any]) -> dict[str, Any]:
    """Start the command detached, unless the workspace is taken or the same key has finished well here.

    Returns:
        `state` started | already | done, with `run_dir` and `key` of the run that it is about, and for a new one
        `log_offset`, where its log begins, and `timer`, as it was read back.
    """
    run_dir = run_dir.absolute()
    workspace = Path(order["workspace"]).absolute() if order["workspace"] else run_dir.parent
    run_dir.mkdir(parents=True, exist_ok=True)
    give_up = time.monotonic() + RELAUNCH_WAIT_S
    while True:
        with guarded(workspace):
            lock = try_lock(workspace)
            if lock is not None:
                try:
                    return _start({**order, "workspace": str(workspace)}, run_dir, lock)
                finally:
                    os.close(lock)
            holder = _holder(workspace)
        if read_json(Path(holder["run_dir"]) / "exit.json") is None or time.monotonic() > give_up:
            return {"state": "already", **holder}
        time.sleep(0.1)  # it has ended and is about to let go


def _start(order: dict[str, Any], run_dir: Path, lock: int) -> dict[str, Any]:
    answer = {"run_dir": os.path.relpath(str(run_dir)), "key": order["key"]}
    known, ended = read_json(run_dir / "run.json"), read_json(run_dir / "exit.json")
    if known and known["key"] == order["key"] and ended and ended["cause"] == "finished":
        return {"state": "done", **answer}
    for name in ("exit.json", "heartbeat.json", "stop", "collected.json", "release.json"):
        with contextlib.suppress(FileNotFoundError):
            (run_dir / name).unlink()
    for name in ("lease", "log.txt"):
        (run_dir / name).touch()
    _dismiss_timer(run_dir)
    offset = (run_dir / "log.txt").stat().st_size
    write_json(run_dir / ORDER, order, mode=0o600)
    write_json(run_dir / "run.json", {"key": order["key"], "argv": order["argv"], "workspace": order["workspace"]})
    try:
        timer = arm(order, run_dir, 0.0)
        _supervise(order, run_dir, lock, NO_PAST)
    except Problem:
        for name in ("run.json", ORDER):  # without them the timer leaves
            with contextlib.suppress(FileNotFoundError):
                (run_dir / name).unlink()
        raise
    return {"state": "started", **answer, "log_offset": offset, "timer": timer}


def _dismiss_timer(run_dir: Path) -> None:
    """End the timer of an earlier run in this folder: it waits for that one's results to be fetched."""
    timer = read_json(run_dir / "timer.json")
    while _lives(timer):
        os.kill(timer["pid"], signal.SIGKILL)
        time.sleep(0.01)


def _supervise(order: dict[str, Any], run_dir: Path, lock: int, past: dict[str, Any]) -> None:
    """Start a supervisor that holds the lock; returns when the command runs."""
    os.ftruncate(lock, 0)
    os.pwrite(lock, json.dumps({"run_dir": str(run_dir), "key": order["key"]}).encode(), 0)
    word = _detached(run_dir, lambda say: Supervisor(order, run_dir, lock, past).run(say), lock)
    if word != STARTED:
        raise Problem("the run did not start: " + (word or f"see agent.log in {os.path.relpath(str(run_dir))}"))


def _detached(run_dir: Path, work: Callable[[Callable[[str], None]], None], *kept: int) -> str:
    """Do the work in a daemon of its own session, and wait for its first word."""
    reader, writer = os.pipe()
    child = os.fork()
    if child:
        os.close(writer)
        os.waitpid(child, 0)
        with os.fdopen(reader) as stream:
            return stream.read()
    try:
        os.setsid()
        if os.fork() == 0:
            null = os.open(os.devnull, os.O_RDWR)
            errors = os.open(str(run_dir / "agent.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            for number, descriptor in enumerate((null, null, errors)):
                os.dup2(descriptor, number)
            _close_all_but(writer, *kept)
            for number in (signal.SIGTERM, signal.SIGCHLD, signal.SIGPIPE):
                signal.signal(number, signal.SIG_DFL)
            work(lambda word: _say(writer, word))
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(0)


def _close_all_but(*kept: int) -> None:
    """Above the three standard ones. The guard is among those closed: kept open, it would stay held."""
    for descriptor in [int(path.name) for path in Path("/dev/fd").iterdir()]:
        if descriptor > 2 and descriptor not in kept:
            with contextlib.suppress(OSError):
                os.close(descriptor)


def _say(writer: int, word: str) -> None:
    with contextlib.suppress(OSError):
        os.write(writer, word.encode())
    os.close(writer)


def born(pid: int) -> str:
    """With the pid it names a process for good; empty where it is gone, or a zombie that nobody waits for."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if fields[0] in "ZX" else _boot() + fields[19]
    except (OSError, IndexError):
        pass
    if Path("/proc/self/stat").exists():
        return ""
    with contextlib.suppress(OSError):
        os.kill(pid, 0)
        return "alive"
    return ""


def _boot() -> str:
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip() + " "
    return ""


def _lives(facts: dict[str, Any] | None) -> bool:
    """Whether the process that wrote its `pid` and `born` is still there."""
    return bool(facts) and bool(facts["born"]) and born(facts["pid"]) == facts["born"]  # type: ignore[index]


def adopt(run_dir: Path) -> dict[str, Any]:
    """Take up a run whose supervisor is gone: killed, or lost with the machine's last boot.

    What is left of it is killed. It goes on from its last good checkpoint where the order says how; otherwise, when
    it was being ended, or when this was done often enough already, its end is recorded.

    Returns:
        `state` as in `status`, or `adopted`.
    """
    run_dir = run_dir.absolute()
    order = read_json(run_dir / ORDER)
    known = status(run_dir)
    if (known["state"] != "lost" and not _orphaned(run_dir, known)) or order is None:
        return known
    with guarded(Path(order["workspace"])):
        beat = read_json(run_dir / "heartbeat.json")
        if (run_dir / "exit.json").exists() or _lives(beat):
            return status_unguarded(run_dir, held=_lives(beat))
        lock = _lock_of_the_dead(run_dir, Path(order["workspace"]), beat)
        if lock is None:
            return known
        try:
            return _take_up(order, run_dir, lock, beat)
        finally:
            os.close(lock)


def _orphaned(run_dir: Path, known: dict[str, Any]) -> bool:
    """Something of it holds the lock, but not its supervisor."""
    return known["state"] == "running" and known["heartbeat"] is not None and not _lives(known["heartbeat"])


def _lock_of_the_dead(run_dir: Path, workspace: Path, beat: dict[str, Any] | None) -> int | None:
    """The workspace's lock, once those who inherited it from the run are killed; None when another run has it."""
    until = time.monotonic() + RELAUNCH_WAIT_S
    while time.monotonic() < until:
        if beat is not None:
            _kill_remains(beat)
        lock = try_lock(workspace)
        if lock is not None:
            return lock
        if beat is None or Path((read_json(workspace / LOCK) or {}).get("run_dir", "")) != run_dir:
            return None
        time.sleep(0.05)
    return None


def _kill_remains(beat: dict[str, Any]) -> None:
    """What is left of the command's process group; not a stranger's that was given the same number since."""
    if beat["boot"] == _boot() and born(beat["child_pid"]) in ("", beat["child_born"]):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(beat["child_pid"], signal.SIGKILL)


def _take_up(order: dict[str, Any], run_dir: Path, lock: int, beat: dict[str, Any] | None) -> dict[str, Any]:
    """Go on with an orphaned run, or record why not. Call it guarded, with the lock."""
    past = {**NO_PAST, **{name: beat[name] for name in NO_PAST if beat and name in beat}}
    if beat:  # the machine was paid for meanwhile
        past["elapsed_s"] = beat["elapsed_s"] + max(0.0, time.time() - beat["at"])
    attempt = {"cause": "agent_lost", "code": None, "signal": None, "rung": past["rung"], "cpu": past["cpu"]}
    past["attempts"] = [*past["attempts"], attempt]
    past["restarts"] += 1
    ending = "stopped" if (run_dir / "stop").exists() else (beat or {}).get("reason", "")
    if ending or not order["resume"] or past["restarts"] > RESTARTS:
        record_exit(order, run_dir, ending or "agent_lost", None, past)
    else:
        arm(order, run_dir, past["elapsed_s"])
        _supervise(order, run_dir, lock, past)
        return {**status_unguarded(run_dir, held=True), "state": "adopted"}
    return status_unguarded(run_dir, held=False)


def adopt_all(root: Path) -> dict[str, Any]:
    """`adopt` for every run below `root`, as after a reboot of the machine. Returns run → state."""
    found = sorted(root.glob(f"**/{ORDER}"))
    return {os.path.relpath(str(path.parent)): adopt(path.parent)["state"] for path in found}


def record_exit(order: dict[str, Any], run_dir: Path, cause: str, code: int | None, past: dict[str, Any]) -> None:
    """Write exit.json, and forget the order's environment: it may hold secrets."""
    elapsed_s = round(past["elapsed_s"], 3)
    facts = {
        "cause": cause,
        "code": code if code is None or code >= 0 else None,
        "signal": -code if code is not None and code < 0 else None,
        "started_at": past["started_at"] or time.time(),
        "ended_at": time.time(),
        "elapsed_s": elapsed_s,
        "usd": round(elapsed_s / 3600 * order["usd_per_hour"], 6),
        "attempts": past["attempts"],
    }
    write_json(run_dir / ORDER, {**order, "environment": {}}, mode=0o600)
    write_json(run_dir / "exit.json", facts)


def status(run_dir: Path) -> dict[str, Any]:
    """`state` none | running | exited | lost, with the last heartbeat, the exit and the release where there are such.

    Lost: no exit was recorded and nothing of the run is alive. `timer`: the second watch stands.
    """
    known = read_json(run_dir / "run.json")
    if known is None:
        return {"state": "none", "heartbeat": None, "exit": None, "release": None, "timer": False}
    holder = active(Path(known["workspace"]))
    return status_unguarded(run_dir, holder is not None and Path(holder["run_dir"]).resolve() == run_dir.resolve())


def status_unguarded(run_dir: Path, held: bool) -> dict[str, Any]:
    """`status`, for whoever knows already whether the run holds its lock."""
    ended = read_json(run_dir / "exit.json")
    return {
        "state": "exited" if ended else "running" if held else "lost",
        "heartbeat": read_json(run_dir / "heartbeat.json"),
        "exit": ended,
        "release": read_json(run_dir / "release.json"),
        "timer": _lives(read_json(run_dir / "timer.json")),
    }


def stop(run_dir: Path) -> dict[str, Any]:
    """Ask the run to end; it does so within its grace period. Answers with its status."""
    known = status(run_dir)
    if known["state"] in ("running", "lost"):
        (run_dir / "stop").touch()
    return known


def lease(run_dir: Path) -> dict[str, Any]:
    """Tell the run that somebody still looks after it."""
    if run_dir.is_dir():
        (run_dir / "lease").touch()
    return {"leased": run_dir.is_dir()}


def log_part(run_dir: Path, offset: int, limit_bytes: int = CHUNK_BYTES) -> bytes:
    """Bytes of the log from `offset`."""
    try:
        with (run_dir / "log.txt").open("rb") as log:
            log.seek(offset)
            return log.read(limit_bytes)
    except FileNotFoundError:
        return b""


def follow(run_dir: Path, offset: int) -> None:
    """Stream JSON lines until the run ends: {"log", "offset"}, {"heartbeat"}, at last {"exit"} or {"state"}.

    Each byte on stdin renews the lease. It ends by itself when stdin closes or is silent for a minute, because then
    nobody is there: a link can drop without this side being told.
    """
    heard, next_beat = time.monotonic(), 0.0
    while True:
        beat_due = time.monotonic() >= next_beat
        known = status(run_dir) if beat_due or (run_dir / "exit.json").exists() else {"state": "running"}
        offset = _emit_log(run_dir, offset)
        if known["state"] != "running":
            _emit({"exit": known["exit"]} if known["exit"] else {"state": known["state"]})
            return
        if beat_due:
            _emit({"heartbeat": known["heartbeat"]})
            next_beat = time.monotonic() + BEAT_S
        if select.select([0], [], [], LOG_POLL_S)[0]:
            if not os.read(0, 4096):
                return
            heard = time.monotonic()
            lease(run_dir)
        if time.monotonic() - heard > WATCHER_SILENT_S:
            return


def _emit_log(run_dir: Path, offset: int) -> int:
    """Emit the whole lines after `offset`; returns where they end."""
    while True:
        lines = log_part(run_dir, offset).split(b"\n")[:-1]
        if not lines:
            return offset
        for line in lines:
            offset += len(line) + 1
            _emit({"log": line.decode(errors="replace"), "offset": offset})


def _emit(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


# --- giving the machine back -----------------------------------------------------------------------------


def collected(run_dir: Path) -> dict[str, Any]:
    """The results are verified elsewhere: nothing is lost with this machine."""
    if read_json(run_dir / "exit.json") is None:
        raise Problem(f"{run_dir}: has not ended, so its results cannot have been fetched")
    write_json(run_dir / "collected.json", {"at": time.time()})
    return {"collected": True}


def release(run_dir: Path, why: str) -> dict[str, Any]:
    """Run the order's release command, once for a run whoever asks; a command that fails is tried again.

    Returns:
        What release.json says: `code` 0, or the failure's, with its last words.
    """
    order = read_json(run_dir / ORDER)
    if order is None or not order["release"]:
        raise Problem(f"{run_dir}: its order names no release command")
    busy = runs_at_work(Path.cwd())
    if busy:
        raise Problem(f"not released: {', '.join(busy)} is still at work here")
    path = run_dir / "release.json"
    facts: dict[str, Any] = {"at": time.time(), "why": why, "tries": 0, "code": None, "said": ""}
    try:
        with path.open("x") as claim:
            json.dump(facts, claim)
    except FileExistsError:
        return read_json(path) or facts
    while facts["code"] != 0 and facts["tries"] < RELEASE_TRIES:
        if facts["tries"]:
            time.sleep(RELEASE_PAUSE_S)
        facts["tries"] += 1
        facts["code"], facts["said"] = _hook(order["release"]["argv"])
        write_json(path, facts)
    return facts


def _hook(argv: list[str]) -> tuple[int, str]:
    """Exit code and last words; a command that is not there, or hangs, fails like any other."""
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=RELEASE_WAIT_S, check=False,
        )  # fmt: skip
    except OSError as error:
        return 127, f"{argv[0]}: {error.strerror}"
    except subprocess.TimeoutExpired:
        return 124, f"{argv[0]}: has not ended after {RELEASE_WAIT_S:g} s"
    return done.returncode, done.stdout.decode(errors="replace").strip()[-500:]


def runs_at_work(root: Path) -> list[str]:
    """The runs that hold a lock below `root`."""
    holders = [active(path.parent) for path in [*root.glob(LOCK), *root.glob(f"*/{LOCK}")]]
    return [holder["run_dir"] for holder in holders if holder]


# --- the second timer ------------------------------------------------------------------------------------


class Timer:
    """Watches the supervisor from a process of its own, and gives the machine back when nobody else does.

    A supervisor that is gone is replaced (`adopt`). A run that should have been ended long ago is killed. After the
    end the release command runs, once the results were fetched, or were not fetched for as long as the order says.
    """

    def __init__(self, order: dict[str, Any], run_dir: Path, elapsed_s: float) -> None:
        self.order, self.run_dir = order, run_dir
        self.began = time.monotonic()
        left_s = max(0.0, order["max_s"] - elapsed_s) + GRACE_S + TIMER_MARGIN_S
        self.deadline = self.began + left_s if order["max_s"] else float("inf")
        self.facts = {"pid": os.getpid(), "born": born(os.getpid()), "ends_in_s": left_s if order["max_s"] else None}

    def run(self, say: Callable[[str], None]) -> None:
        """Until the run has ended and there is nothing left to give back."""
        held = os.open(str(self.run_dir / ".timer.lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(STARTED)  # one is armed already
            return
        write_json(self.run_dir / "timer.json", self.facts)
        say(STARTED)
        while not (self.run_dir / "exit.json").exists():
            if not (self.run_dir / "run.json").exists():
                return  # it never started
            time.sleep(BEAT_S)
            self._look()
        self._give_back()

    def _look(self) -> None:
        beat = read_json(self.run_dir / "heartbeat.json")
        if beat is not None and time.monotonic() > self.deadline:
            if _lives(beat):
                os.kill(beat["pid"], signal.SIGKILL)
            _kill_remains(beat)
            past = {**NO_PAST, **{name: beat[name] for name in NO_PAST}}
            past["elapsed_s"] = beat["elapsed_s"] + max(0.0, time.time() - beat["at"])
            record_exit(self.order, self.run_dir, "over_time", None, past)
        elif not _lives(beat) if beat else time.monotonic() > self.began + START_S:
            with contextlib.suppress(Problem):
                adopt(self.run_dir)

    def _give_back(self) -> None:
        wanted = self.order["release"]
        since, leased = time.monotonic(), 0.0
        while wanted and not (self.run_dir / "release.json").exists() and (self.run_dir / "exit.json").exists():
            fetched = (self.run_dir / "collected.json").exists()
            patience_s = wanted["collected_s"] if fetched else wanted["uncollected_s"]
            with contextlib.suppress(FileNotFoundError):
                mtime = (self.run_dir / "lease").stat().st_mtime
                if mtime != leased and leased:
                    since = time.monotonic()
                leased = mtime
            if patience_s is not None and time.monotonic() - since >= patience_s:
                if runs_at_work(Path.cwd()):
                    since = time.monotonic()
                else:
                    release(self.run_dir, "results fetched" if fetched else "nobody fetched the results in time")
                    return
            time.sleep(BEAT_S)


def arm(order: dict[str, Any], run_dir: Path, elapsed_s: float) -> dict[str, Any]:
    """Start the second timer unless it stands, and read back that it does.

    Raises:
        Problem: it does not stand; nothing may run then.
    """
    word = _detached(run_dir, lambda say: Timer(order, run_dir, elapsed_s).run(say))
    found = read_json(run_dir / "timer.json")
    if word != STARTED or found is None or not _lives(found):
        raise Problem(f"the second timer is not armed, so the run did not start: {word or 'see agent.log there'}")
    return {"pid": found["pid"], "ends_in_s": found["ends_in_s"]}


# --- the supervisor --------------------------------------------------------------------------------------


def utc(seconds: float) -> str:
    """ISO 8601 with milliseconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds % 1 * 1000):03d}Z"


def _as_shown(line: bytes) -> bytes:
    """A line as a terminal shows it in the end: of a progress bar, what follows its last carriage return."""
    return line.rstrip(b"\r").rpartition(b"\r")[2]


def whole(checkpoint: Path) -> bool:
    """Whether a torch checkpoint is complete: it is a zip archive, and each record in it carries its checksum."""
    import zipfile
    import zlib

    try:
        with zipfile.ZipFile(str(checkpoint)) as archive:
            named = any(name.endswith("data.pkl") for name in archive.namelist())
            return named and archive.testzip() is None
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError):
        return False


class Supervisor:
    """Starts the command, writes its log and heartbeat, holds it to its limits and records how it ended.

    One that ran out of memory is started again on the next rung of the order's ladder, one that a device aborted on
    the CPU, one that was killed or hung as it is: each from the last good checkpoint.
    """

    def __init__(self, order: dict[str, Any], run_dir: Path, lock: int, past: dict[str, Any]) -> None:
        self.order, self.run_dir, self.lock = order, run_dir, lock
        self.log = os.open(str(run_dir / "log.txt"), os.O_WRONLY | os.O_APPEND)
        self.pending = b""
        self.reason = ""
        self.leaving = False
        self.kill_at = 0.0
        self.began = time.monotonic() - past["elapsed_s"]
        self.started_at = past["started_at"] or time.time()
        self.attempts, self.restarts = list(past["attempts"]), past["restarts"]
        self.rung, self.cpu = past["rung"], past["cpu"]
        self.progress = re.compile(order["progress"].encode()) if order["progress"] else None
        self.lease_mtime, self.lease_seen = 0.0, time.monotonic()
        self.gpu = Gpu()
        self.me = {"pid": os.getpid(), "born": born(os.getpid()), "boot": _boot()}

    def run(self, say: Callable[[str], None]) -> None:
        """From start to exit.json; says "started", or what prevented it."""
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, self._leave)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.wake, waker = os.pipe()
        os.set_blocking(self.wake, False)
        os.set_blocking(waker, False)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        told = False
        while True:
            try:
                self._spawn()
            except OSError as error:
                if not told:
                    say(f"{error.filename or self.order['argv'][0]}: {error.strerror}")
                    return
                self._note(f"cannot be started again: {error}")
                cause, code = "failed", None
                break
            self._beat()
            if not told:
                say(STARTED)
                told = True
            code = self._watch()
            if self.leaving:
                return  # the machine shuts down, or someone ended this process: `adopt` goes on
            cause = self._cause(code)
            self._remember(cause, code)
            if not self._again(cause):
                break
        record_exit(self.order, self.run_dir, cause, code, self._past())

    def _leave(self, *_: Any) -> None:
        self.leaving = True

    def _past(self) -> dict[str, Any]:
        return {
            "elapsed_s": self._elapsed_s(),
            "started_at": self.started_at,
            "attempts": self.attempts,
            "restarts": self.restarts,
            "rung": self.rung,
            "cpu": self.cpu,
        }

    # --- one attempt ---

    def _spawn(self) -> None:
        argv, extra = self._command()
        self.output, writer = os.pipe()
        os.set_blocking(self.output, False)
        self.attempt_offset = os.fstat(self.log).st_size
        self.oom_kills = _oom_kills()
        self.last_output_at, self.progress_seen, self.progressed = time.time(), time.monotonic(), False
        try:
            self.child = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=writer,
                stderr=writer,
                cwd=self.order["cwd"] or str(self.run_dir),
                env={**os.environ, "PYTHONUNBUFFERED": "1", **extra},
                pass_fds=[self.lock],
                start_new_session=True,
                preexec_fn=die_with_parent(),  # noqa: PLW1509  (no thread runs here)
            )
        except OSError:
            os.close(self.output)
            raise
        finally:
            os.close(writer)
        self.child_born = born(self.child.pid)

    def _command(self) -> tuple[list[str], dict[str, str]]:
        """Words and variables of the next attempt: the order's, with what the ladder changes and where it resumes."""
        order, argv = self.order, list(self.order["argv"])
        if "/" in argv[0]:
            argv[0] = str(Path(argv[0]).absolute())  # from here, not from its cwd
        changed = dict(order["ladder"][self.rung - 1]) if self.rung else {}
        environment = dict(order["environment"])
        if self.cpu:
            changed.update(order["cpu"]["overrides"])
            environment.update(order["cpu"]["environment"])
        if changed:
            argv += [word.replace("{overrides}", json.dumps(changed)) for word in order["override"]]
        checkpoint = self._last_good() if order["resume"] else None
        if checkpoint is not None:
            argv += [word.replace("{checkpoint}", str(checkpoint)) for word in order["resume"]]
        if self.attempts or checkpoint is not None:
            start = f"from {checkpoint.name}" if checkpoint else "from the beginning"
            self._note(f"attempt {len(self.attempts) + 1}, {start}" + (f", with {json.dumps(changed)}" * bool(changed)))
        return argv, environment

    def _last_good(self) -> Path | None:
        """The newest checkpoint that is whole; one that was being written when the run died is not."""
        folder = self.run_dir / self.order["checkpoints"]
        for path in sorted(folder.glob("*.ckpt"), key=lambda path: path.stat().st_mtime, reverse=True):
            if whole(path):
                return path
            self._note(f"{path.name} is not whole, and is passed over")
        return None

    def _watch(self) -> int:
        """Until the child has ended; returns its code, negative for a signal."""
        next_beat = time.monotonic() + BEAT_S
        with selectors.DefaultSelector() as ready:
            ready.register(self.output, selectors.EVENT_READ, self._read_output)
            ready.register(self.wake, selectors.EVENT_READ, lambda: bool(os.read(self.wake, 512)))
            while self.child.poll() is None:
                for key, _ in ready.select(max(0.0, next_beat - time.monotonic())):
                    if not key.data():
                        ready.unregister(key.fileobj)
                if time.monotonic() >= next_beat:
                    self._beat()
                    self._enforce()
                    next_beat += BEAT_S
        self._signal_group(signal.SIGKILL)  # what the command left behind
        self._drain()
        os.close(self.output)
        return int(self.child.returncode)

    def _read_output(self) -> bool:
        """Log what there is; False at the end of the output."""
        data = os.read(self.output, CHUNK_BYTES)
        if data:
            self.last_output_at = time.time()
        lines = (self.pending + data).split(b"\n")
        self.pending = _as_shown(lines.pop())
        if len(self.pending) > LONGEST_LINE_BYTES:
            lines.append(self.pending)
            self.pending = b""
        self._write_log(lines)
        return bool(data)

    def _write_log(self, lines: list[bytes]) -> None:
        stamp = utc(time.time()).encode()
        text = b"".join(stamp + b" " + _as_shown(line) + b"\n" for line in lines)
        with contextlib.suppress(OSError):  # a full disk must not end the run
            os.write(self.log, text)
        if lines and (self.progress is None or any(self.progress.search(line) for line in lines)):
            self.progress_seen, self.progressed = time.monotonic(), True

    def _note(self, text: str) -> None:
        """A line of the supervisor's own in the run's log."""
        with contextlib.suppress(OSError):
            os.write(self.log, f"{utc(time.time())} [agent] {text}\n".encode())

    def _drain(self) -> None:
        """What is still in the pipe; not for long, because something that escaped the group may hold it open."""
        until = time.monotonic() + DRAIN_S
        while select.select([self.output], [], [], max(0.0, until - time.monotonic()))[0] and self._read_output():
            pass
        if self.pending:
            self._write_log([self.pending])
            self.pending = b""

    # --- every second ---

    def _elapsed_s(self) -> float:
        return round(time.monotonic() - self.began, 3)

    def _usd(self) -> float:
        return round(self._elapsed_s() / 3600 * float(self.order["usd_per_hour"]), 6)

    def _silent_s(self) -> float:
        return time.monotonic() - self.progress_seen

    def _beat(self) -> None:
        if not _lives(read_json(self.run_dir / "timer.json")):
            self._arm_again()
        beat = {
            "state": "stopping" if self.reason else "running",
            "reason": self.reason,
            "child_pid": self.child.pid,
            "child_born": self.child_born,
            "at": time.time(),
            "usd": self._usd(),
            "log_bytes": os.fstat(self.log).st_size,
            "last_output_at": self.last_output_at,
            "gpu": self.gpu.look(),
            "quiet_s": round(self._silent_s(), 1) if self.progressed and self._silent_s() > QUIET_S else 0.0,
            **self.me,
            **self._past(),
        }
        with contextlib.suppress(OSError):
            write_json(self.run_dir / "heartbeat.json", beat)

    def _arm_again(self) -> None:
        try:
            arm(self.order, self.run_dir, self._elapsed_s())
            self._note("the second timer was gone, and is armed again")
        except (Problem, OSError) as error:
            self._note(f"the second timer is gone and cannot be armed: {error}")

    def _enforce(self) -> None:
        """TERM to the group at the first limit that is passed, KILL when the grace period is over."""
        if not self.kill_at:
            self.reason = self._limit_passed()
            if self.reason or self.leaving:
                self.kill_at = time.monotonic() + GRACE_S
                self._signal_group(signal.SIGTERM)
        elif time.monotonic() > self.kill_at:
            self._signal_group(signal.SIGKILL)

    def _limit_passed(self) -> str:
        """The cause that exit.json will give, or nothing."""
        order = self.order
        if (self.run_dir / "stop").exists():
            return "stopped"
        if order["max_s"] and self._elapsed_s() >= order["max_s"]:
            return "over_time"
        if order["max_usd"] and self._usd() >= order["max_usd"]:
            return "over_cost"
        if order["lease_s"] and self._unwatched_s() >= order["lease_s"]:
            return "lease_lost"
        patience_s = order["stall_s"] if self.progressed else order["first_s"]
        return "stalled" if patience_s and self._silent_s() >= patience_s else ""

    def _unwatched_s(self) -> float:
        """Since the lease's mtime last changed; by the monotonic clock, because clocks are set."""
        with contextlib.suppress(FileNotFoundError):
            mtime = (self.run_dir / "lease").stat().st_mtime
            if mtime != self.lease_mtime:
                self.lease_mtime, self.lease_seen = mtime, time.monotonic()
        return time.monotonic() - self.lease_seen

    def _signal_group(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.child.pid, number)

    # --- how it ended, and whether it goes on ---

    def _cause(self, code: int) -> str:
        if self.reason:
            return self.reason
        if code in ENDED_AS:
            return ENDED_AS[code]
        last_words = log_part(self.run_dir, max(self.attempt_offset, os.fstat(self.log).st_size - LAST_WORDS_BYTES))
        if OUT_OF_MEMORY.search(last_words) or (code == -signal.SIGKILL and _oom_kills() > self.oom_kills):
            return "oom"
        if -code in ABORTS or DEVICE_FAULT.search(last_words):
            return "aborted"
        return "killed" if code < 0 else "failed"

    def _remember(self, cause: str, code: int) -> None:
        self.attempts.append(
            {
                "cause": cause,
                "code": code if code >= 0 else None,
                "signal": -code if code < 0 else None,
                "rung": self.rung,
                "cpu": self.cpu,
            }
        )

    def _again(self, cause: str) -> bool:
        """Whether another attempt is made, and on what terms."""
        if cause == "oom" and self.rung < len(self.order["ladder"]):
            self.rung += 1
        elif cause == "aborted" and self.order["cpu"] is not None and not self.cpu:
            self.cpu = True
        elif cause in ("killed", "stalled") and self.order["resume"] and self.restarts < RESTARTS:
            self.restarts += 1
        else:
            return False
        self._note(f"ended as '{cause}'; taken up again")
        self.reason, self.kill_at = "", 0.0
        return True


class Gpu:
    """Memory, use and temperature of the first GPU, asked now and then without waiting for the answer."""

    NVIDIA = ("memory.used", "memory.total", "utilization.gpu", "temperature.gpu")
    QUERIES = (
        ["nvidia-smi", "--query-gpu=" + ",".join(NVIDIA), "--format=csv,noheader,nounits"],
        ["rocm-smi", "--showmeminfo", "vram", "--showuse", "--showtemp", "--json"],
    )

    def __init__(self, every_s: float = GPU_EVERY_S) -> None:
        self.every_s = every_s
        self.query = next((query for query in self.QUERIES if shutil.which(query[0])), None)
        self.asking: subprocess.Popen[bytes] | None = None
        self.asked_at = -every_s
        self.latest: dict[str, float] | None = None

    def look(self) -> dict[str, float] | None:
        """The latest answer: used_bytes, total_bytes, busy_percent, temperature_c; None where there is none."""
        if self.asking is not None and self.asking.poll() is not None:
            with contextlib.suppress(ValueError, KeyError, IndexError):
                self.latest = self._read(self.asking.communicate()[0].decode(errors="replace"))
            self.asking = None
        if self.query and self.asking is None and time.monotonic() - self.asked_at >= self.every_s:
            self.asked_at = time.monotonic()
            with contextlib.suppress(OSError):
                self.asking = subprocess.Popen(
                    self.query, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
                )
        return self.latest

    def _read(self, answer: str) -> dict[str, float]:
        if self.query == self.QUERIES[0]:
            used, total, busy, warm = (float(word) for word in answer.splitlines()[0].split(","))
            used, total = used * (1 << 20), total * (1 << 20)  # MiB
        else:
            card = next(iter(json.loads(answer).values()))
            used, total = float(card["VRAM Total Used Memory (B)"]), float(card["VRAM Total Memory (B)"])
            busy = float(card["GPU use (%)"])
            sensors = [value for name, value in card.items() if name.startswith("Temperature") and value != "N/A"]
            warm = max(float(value) for value in sensors)
        return {"used_bytes": used, "total_bytes": total, "busy_percent": busy, "temperature_c": warm}


def _oom_kills() -> int:
    """How often the kernel has killed for want of memory, in this machine and in this container."""
    count = 0
    for path in ("/proc/vmstat", "/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"):
        with contextlib.suppress(OSError):
            for line in Path(path).read_text().splitlines():
                if line.startswith("oom_kill "):
                    count += int(line.split()[1])
    return count


def die_with_parent() -> Callable[[], None] | None:
    """What the child does before it becomes the command: on Linux, ask to be killed when the supervisor dies."""
    if not sys.platform.startswith("linux"):
        return None
    import ctypes

    prctl, supervisor = ctypes.CDLL(None).prctl, os.getpid()

    def ask() -> None:
        prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != supervisor:
            os._exit(1)

    return ask


# --- setup -----------------------------------------------------------------------------------------------

PROBE_S = 300.0
PROBE_RUNGS = ("import", "device", "copy", "matmul", "convolution", "attention", "optimizer")
# Each rung says its name before it is tried: of a child that hangs or is aborted, the last name tells where.
PROBE = """
import json
def rung(name):
    print(name, flush=True)
rung("import")
import torch
import torch.nn.functional as F
rung("device")
hip, cuda = torch.version.hip, torch.version.cuda
build = "hip " + hip if hip else "cuda " + cuda if cuda else "cpu"
facts = {"torch_version": torch.__version__, "torch_build": build, "device": "CPU", "device_bytes": 0}
where = "cpu"
if torch.cuda.is_available():
    properties = torch.cuda.get_device_properties(0)
    where, facts["device"], facts["device_bytes"] = "cuda", properties.name, properties.total_memory
    arch = getattr(properties, "gcnArchName", "").partition(":")[0]
    known = torch.cuda.get_arch_list()
    assert not arch or arch in known, "torch has no code for " + arch + ", only for " + " ".join(known)
elif torch.backends.mps.is_available():
    where, facts["device"] = "mps", "Apple MPS"
torch.manual_seed(0)
rung("copy")
a = torch.randn(64, 64)
assert torch.equal(a.to(where).cpu(), a), "what is copied there and back is not the same"
rung("matmul")
error = ((a.to(where) @ a.to(where)).cpu() - a @ a).abs().max().item()
assert error < 0.1, "a product differs from the processor's by " + str(error)
rung("convolution")
image = torch.randn(2, 4, 16, 16, device=where, requires_grad=True)
F.conv2d(image, torch.randn(8, 4, 3, 3, device=where), padding=1).square().mean().backward()
assert torch.isfinite(image.grad).all(), "a gradient is no number"
rung("attention")
query = torch.randn(1, 2, 16, 8, device=where)
assert torch.isfinite(F.scaled_dot_product_attention(query, query, query)).all(), "attention gives no number"
rung("optimizer")
layer = torch.nn.Linear(8, 8).to(where)
optimizer = torch.optim.AdamW(layer.parameters())
for _ in range(3):
    optimizer.zero_grad()
    layer(torch.ones(4, 8, device=where)).square().mean().backward()
    optimizer.step()
assert all(torch.isfinite(p).all() for p in layer.parameters()), "three steps of AdamW give no number"
print(json.dumps(facts))
"""
UNPROBED: dict[str, Any] = {"torch_version": "", "torch_build": "", "device": "", "device_bytes": 0}


def setup(requirements: Path | None, torch_index: str, forbidden: list[str]) -> dict[str, Any]:
    """Make an environment from `requirements` (None: this interpreter serves as it is) and look at the machine.

    What is done already is not done again.

    Args:
        torch_index: package index of torch's build for this machine; empty: the default one.
    """
    problems = [
        f"{name} is set on the machine, and this accelerator must not have it: unset it there"
        for name in forbidden
        if name in os.environ
    ]
    interpreter, changed, probed = Path(sys.executable), False, UNPROBED
    if sys.version_info < OLDEST_PYTHON:
        asked = ".".join(map(str, OLDEST_PYTHON))
        problems.append(f"Python {_python()} on the machine: {asked} or newer is needed; set the target's python")
    else:
        if requirements is not None:
            interpreter, changed = _environment(requirements, torch_index)
        probed, problem = _probe(interpreter)
        problems += [problem] if problem else []
    return {
        "python": _python(),
        "interpreter": str(interpreter),
        **probed,
        "disk_free_bytes": shutil.disk_usage(".").free,
        "memory_bytes": _memory_bytes(),
        "problems": problems,
        "changed": changed,
        "time": time.time(),
    }


def _python() -> str:
    return ".".join(str(part) for part in sys.version_info[:3])


def _environment(requirements: Path, torch_index: str) -> tuple[Path, bool]:
    """The interpreter of `env/`, and whether something was installed into it."""
    folder = Path("env").absolute()
    interpreter, marker = folder / "bin" / "python", folder / "requirements.sha256"
    lines = requirements.read_text().splitlines()
    wanted = hashlib.sha256(json.dumps([lines, torch_index]).encode()).hexdigest()
    if marker.exists() and marker.read_text() == wanted:
        return interpreter, False
    if not interpreter.exists():
        _install([sys.executable, "-m", "venv", str(folder)])
    pip = [str(interpreter), "-m", "pip", "install", "--disable-pip-version-check"]
    builds = [line for line in lines if re.match(r"torch(vision)?\b(?!-)", line)]
    if torch_index and builds:  # first, so that the rest finds them there and takes no others
        _install([*pip, "--index-url", torch_index, *builds])
    _install([*pip, "-r", str(requirements)])
    marker.write_text(wanted)
    return interpreter, True


def _install(argv: list[str]) -> None:
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        what, tail = " ".join(argv[1:4]), done.stdout.decode(errors="replace").strip().splitlines()[-5:]
        raise Problem("\n".join([f"{what} failed on the machine:", *tail]))


def _probe(interpreter: Path) -> tuple[dict[str, Any], str]:
    """What torch is and sees, and what keeps it from working; a success is remembered until reboot or new packages.

    In a process of its own: a device can abort the process that touches it, or hang it.
    """
    packages = sorted(interpreter.parent.parent.glob("lib/python*/site-packages"))
    state = [str(interpreter), _python(), _boot(), hashlib.sha256(PROBE.encode()).hexdigest()]
    state += [str(folder.stat().st_mtime) for folder in packages]
    known = read_json(Path(".probe.json"))
    if known and known["state"] == state:
        return known["probed"], ""
    try:
        done = subprocess.run(
            [str(interpreter), "-c", PROBE],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PROBE_S,
            check=False,
        )
    except subprocess.TimeoutExpired as hung:
        return UNPROBED, f"torch hangs on the machine, {_rung(hung.stdout)}: nothing for {PROBE_S:.0f} s"
    if done.returncode:
        last = (done.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        return UNPROBED, f"torch cannot be used on the machine, {_rung(done.stdout)}: {last}"
    probed = json.loads(done.stdout.decode().splitlines()[-1])
    write_json(Path(".probe.json"), {"state": state, "probed": probed})
    return probed, ""


def _rung(output: bytes | None) -> str:
    """Where a probe ended."""
    tried = [line for line in (output or b"").decode(errors="replace").splitlines() if line in PROBE_RUNGS]
    return f"at '{tried[-1]}'" if tried else "before anything"


def _memory_bytes() -> int:
    """RAM, or the container's limit where that is less."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with contextlib.suppress(OSError, ValueError):
        memory = min(memory, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return memory


# --- the command line ------------------------------------------------------------------------------------


def _names(args: argparse.Namespace) -> list[str]:
    return json.load(sys.stdin) if args.names else [""]


def _lane() -> tuple[IO[bytes], IO[bytes]]:
    """stdin and stdout with large buffers; the other side is told that what follows is ours."""
    for descriptor in (0, 1):
        with contextlib.suppress(OSError):
            fcntl.fcntl(descriptor, 1031, LANE_BUFFER_BYTES)  # F_SETPIPE_SZ, of Linux
    out = os.fdopen(1, "wb", LANE_BUFFER_BYTES, closefd=False)
    out.write(LANE_READY)
    out.flush()
    return os.fdopen(0, "rb", LANE_BUFFER_BYTES, closefd=False), out


def _receive(args: argparse.Namespace) -> None:
    stream, out = _lane()
    answer = answer_first(stream, out, lambda wanted: prepare(args.folder, wanted))
    refused = answer["refused"] if answer else 0
    out.write(json.dumps(receive(args.folder, args.owner, stream, refused)).encode() + b"\n")
    out.flush()


def _send(args: argparse.Namespace) -> None:
    stream, out = _lane()
    answer_first(stream, out, lambda _: listing(args.folder))
    send(args.folder, stream, out)


def _log(args: argparse.Namespace) -> None:
    lease(args.folder)
    sys.stdout.buffer.write(log_part(args.folder, args.offset))


# what each command does with its options
COMMANDS: dict[str, Callable[[argparse.Namespace], Any]] = {
    "manifest": lambda args: manifest(args.folder, _names(args)),
    "remove": lambda args: remove(args.folder, _names(args)),
    "checkpoints": lambda args: checkpoints(args.folder),
    "reuse": lambda args: reuse(args.folder, json.load(sys.stdin)),
    "verify": lambda args: verify(args.folder),
    "active": lambda args: active(args.folder),
    "launch": lambda args: launch(args.folder, read_order(sys.stdin.buffer)),
    "adopt": lambda args: adopt(args.folder) if (args.folder / "run.json").exists() else adopt_all(args.folder),
    "status": lambda args: status(args.folder),
    "stop": lambda args: stop(args.folder),
    "lease": lambda args: lease(args.folder),
    "busy": lambda args: runs_at_work(args.folder),
    "collected": lambda args: collected(args.folder),
    "release": lambda args: release(args.folder, "asked for"),
    "setup": lambda args: setup(args.requirements, args.torch_index, args.forbid),
}
# these write bytes or lines themselves, the others answer with JSON
STREAMS: dict[str, Callable[[argparse.Namespace], None]] = {
    "receive": _receive,
    "send": _send,
    "log": _log,
    "follow": lambda args: follow(args.folder, args.offset),
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="agent.py", description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name in [*COMMANDS, *STREAMS]:
        command = commands.add_parser(name)
        if name != "setup":
            command.add_argument("folder", type=Path)
        if name in ("manifest", "remove"):
            command.add_argument("--names", action="store_true", help="only these names, a JSON list on stdin")
        if name in ("log", "follow"):
            command.add_argument("--offset", type=int, default=0)
        if name == "receive":
            command.add_argument("--owner", required=True)
    make = commands.choices["setup"]
    make.add_argument("--requirements", type=Path)
    make.add_argument("--torch-index", default="")
    make.add_argument("--forbid", action="append", default=[])
    return parser


def main(arguments: list[str]) -> int:
    """Run one command; a failure is a message on stderr and exit code 1."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    args = _parser().parse_args(arguments)
    try:
        if args.command in STREAMS:
            STREAMS[args.command](args)
        else:
            print(json.dumps(COMMANDS[args.command](args)), flush=True)
    except Problem as problem:
        print(problem, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{error.filename or args.command}: {error.strerror or error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
