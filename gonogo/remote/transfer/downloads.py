"""Files from the machine: in verified chunks, into a folder that appears complete or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gonogo.agent.files import WHOLE_BYTES, check_name, chunk_bytes, chunk_hashes
from gonogo.agent.frames import cut, read_frames
from gonogo.agent.incoming import Incoming
from gonogo.agent.json_files import Problem
from gonogo.base.errors import UserError, explained
from gonogo.base.files import walk
from gonogo.remote.errors import RemoteError
from gonogo.remote.machine import Machine
from gonogo.remote.transfer.chunks import (
    BATCH_BYTES,
    SMALL_BATCH_BYTES,
    Batch,
    Chunk,
    Queue,
    batches,
    cut_file,
    lacking,
)
from gonogo.remote.transfer.common import HASHING_S, Progress, Transfer, packing_pays, question
from gonogo.remote.transfer.streams import Stream
from gonogo.remote.transfer.throughput import RateLimiter, StreamScaling, ThroughputMeter, round_trip_s
from gonogo.remote.transfer.worker_pool import TransferPool

ASKED_AHEAD = 16
Sizes = dict[str, int]


def download(
    machine: Machine, remote_folder: str, local_final: Path, progress: Progress, partial: Path | None = None
) -> Transfer:
    """Download a folder to a new path; it appears complete and verified, or not at all.

    If the call is cut off, the next one with the same `partial` fetches what is still missing; what is there already
    is compared with the machine's hashes.

    Args:
        progress: called with (bytes, of bytes) some times a second.
        partial: where it grows, on the same disk; None: a hidden folder beside `local_final`.

    Raises:
        UserError: `local_final` exists, the disk has no room, or another process downloads the same.
        Unreachable: the link dropped; the same call continues.
        RemoteError: what was received is not what was requested; names the file.
    """
    began = time.monotonic()
    _refuse_existing(local_final)
    with TransferPool(machine, "send", remote_folder) as pool:
        pool.open()
        there = pool.ask(question(None))
        sizes, skipped = _checked(machine, there)
        if not sizes:
            raise RemoteError(f"{machine.where}: {machine.path(remote_folder)} holds no files to download")
        partial = partial or local_final.parent / f".{local_final.name}.partial"
        partial.mkdir(parents=True, exist_ok=True)
        with _alone(partial), explained(partial):
            incoming = Incoming(partial / "files", partial / "parts")
            _check_room(partial, sum(sizes.values()))
            chunks = _missing(machine, remote_folder, incoming, sizes)
            path = fetch(machine, pool, incoming, chunks, {}, progress)
            _finish(machine, incoming, sizes, there["files"])
            _refuse_existing(local_final)
            incoming.folder.rename(local_final)
            shutil.rmtree(partial, ignore_errors=True)
    return Transfer(
        files_sent=len({chunk.name for chunk in chunks}),
        bytes_sent=sum(chunk.bytes for chunk in chunks),
        files_total=len(sizes),
        bytes_total=sum(sizes.values()),
        seconds=time.monotonic() - began,
        path=path,
        skipped=skipped,
    )


def _refuse_existing(path: Path) -> None:
    if path.exists() or path.is_symlink():
        raise UserError(f"{path}: exists, and a download never overwrites. Move it away, or choose another name.")


def _checked(machine: Machine, there: dict[str, Any]) -> tuple[Sizes, tuple[str, ...]]:
    """Name → bytes of what the machine lists, every name checked; and what cannot be transferred."""
    sizes: Sizes = {}
    try:
        for name, (size, mode) in there["files"].items():
            check_name(name)
            if not isinstance(size, int) or not isinstance(mode, int) or size < 0:
                raise TypeError
            sizes[name] = size
        return sizes, tuple(sorted(map(str, there["skipped"])))
    except Problem as problem:
        raise RemoteError(f"{machine.where}: {problem}") from None
    except (TypeError, ValueError, KeyError, AttributeError):
        raise RemoteError(f"{machine.where}: sent a malformed list of files") from None


@contextlib.contextmanager
def _alone(partial: Path) -> Iterator[None]:
    """Two downloads to the same place would overwrite each other's chunks."""
    lock = os.open(partial, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise UserError(f"{partial}: another process is downloading this. Wait for it to end.") from None
    finally:
        os.close(lock)


def _missing(machine: Machine, remote_folder: str, incoming: Incoming, sizes: Sizes) -> list[Chunk]:
    """What an earlier call did not download, or what has changed on the machine since."""
    incoming.folder.mkdir(exist_ok=True)
    incoming.parts.mkdir(exist_ok=True)
    paths: dict[str, Path] = {}
    for file in walk(incoming.folder):
        name = file.relative_to(incoming.folder).as_posix()
        if not file.is_symlink() and sizes.get(name) == file.stat().st_size:
            paths[name] = file
        else:
            file.unlink()
    paths |= {
        name: incoming.part(name)
        for name, size in sizes.items()
        if size > WHOLE_BYTES and name not in paths and incoming.part(name).is_file()
    }
    here = dict(
        zip(
            paths,
            chunk_hashes([(path, chunk_bytes(sizes[name])) for name, path in paths.items()]),
            strict=True,
        )
    )
    there = {}
    if here:
        there = machine.run_agent(
            "manifest", remote_folder, "--names", stdin=json.dumps(list(here)), timeout_s=HASHING_S
        )
    chunks: list[Chunk] = []
    for name, size in sizes.items():
        lacks = lacking(name, size, there[name]["sha256"], here[name]) if name in here else cut_file(name, size)
        if lacks and (incoming.folder / name).exists():
            (incoming.folder / name).unlink()
            lacks = cut_file(name, size)
        chunks += lacks
    return chunks


def _check_room(partial: Path, total: int) -> None:
    """Before anything is planned by the machine's list, which it may have made up."""
    lacking_bytes = total - sum(path.stat().st_blocks * 512 for path in walk(partial))
    free = shutil.disk_usage(partial).free
    if lacking_bytes > free:
        raise UserError(
            f"{partial}: {lacking_bytes / 1e6:.0f} MB to download, {free / 1e6:.0f} MB free. Free some disk space."
        )


def fetch(
    machine: Machine,
    pool: TransferPool,
    incoming: Incoming,
    chunks: list[Chunk],
    expected: Mapping[str, list[str]],
    progress: Progress,
) -> str:
    """Fetch these chunks with a pool whose agents send; returns the connections used, in words.

    Args:
        expected: hashes by name and chunk, for files whose hashes are known; other chunks bring their own.
    """
    total = sum(chunk.bytes for chunk in chunks)
    rtt_s = round_trip_s(machine.transport)
    scaling, meter, finished = StreamScaling(rtt_s, total), ThroughputMeter(total), threading.Event()
    limiter = RateLimiter(machine.target.max_mbit_per_s)
    queue = Queue(batches(chunks, SMALL_BATCH_BYTES if limiter.on else BATCH_BYTES))

    def carry(stream: Stream) -> None:
        with contextlib.closing(Incoming(incoming.folder, incoming.parts)) as own:
            window = 2 if limiter.on else max(2, ASKED_AHEAD // pool.size)
            _work(stream, queue, window, own, expected, lambda: packing_pays(rtt_s, meter), meter, limiter)
        if meter.done == total:
            finished.set()

    try:
        return pool.carry(carry, meter, scaling, lambda: progress(meter.done, total), finished)
    except Problem as problem:
        raise RemoteError(f"{machine.where}: {problem}") from None


def _work(
    stream: Stream,
    queue: Queue,
    window: int,
    incoming: Incoming,
    expected: Mapping[str, list[str]],
    may_pack: Any,
    meter: ThroughputMeter,
    limiter: RateLimiter,
) -> None:
    """Request batches, some ahead of what was received so that no round trip is waited for, and keep what comes."""
    asked: deque[Batch] = deque()
    frames = read_frames(_Heard(stream.stdout, meter))  # type: ignore[arg-type]
    while True:
        while len(asked) < window and (batch := queue.take()) is not None:
            request = {"chunks": [[p.name, p.offset, p.bytes, p.size] for p in batch], "pack": may_pack()}
            limiter.take(sum(chunk.bytes for chunk in batch))
            stream.write(json.dumps(request).encode() + b"\n")
            asked.append(batch)
        if not asked:
            break
        try:
            chunks, data = next(frames)
        except (StopIteration, Problem) as error:
            cause = stream.ended() if isinstance(error, StopIteration) or "ended in the middle" in str(error) else None
            raise cause or Problem(str(error) or "the stream ended early") from None
        _keep(incoming, asked.popleft(), chunks, data, expected)
        meter.add(len(data))
    stream.end_input()
    if cause := stream.ended():
        raise cause


def _keep(
    incoming: Incoming,
    batch: Batch,
    chunks: list[list[Any]],
    data: memoryview,
    expected: Mapping[str, list[str]],
) -> None:
    """Nothing is kept but what was requested."""
    if [tuple(chunk[:4]) for chunk in chunks] != [(p.name, p.offset, p.bytes, p.size) for p in batch]:
        raise Problem(f"{batch[0].name}: received something that was not requested; refused")
    for asked, (chunk, part) in zip(batch, cut(chunks, data), strict=True):
        if asked.name in expected and expected[asked.name][asked.index] != chunk[5]:
            raise Problem(f"{asked.name}: the file has changed on the machine")
        incoming.put(chunk, part)


class _Heard:
    """A stream's stdout that notes when something was received."""

    def __init__(self, stream: Any, meter: ThroughputMeter) -> None:
        self._meter, self._stream = meter, stream
        self.readline = stream.readline

    def readinto(self, data: memoryview) -> int:
        count: int = self._stream.readinto1(data)
        self._meter.heard_at = time.monotonic()
        return count


def _finish(machine: Machine, incoming: Incoming, sizes: Sizes, files: dict[str, list[int]]) -> None:
    waiting = {name: files[name] for name in sizes if not (incoming.folder / name).exists()}
    try:
        incoming.finish(waiting)
    except Problem as problem:
        raise RemoteError(f"{machine.where}: {problem}") from None
