"""Files from the machine: in verified chunks, into a folder that appears complete or not at all."""

from __future__ import annotations

import contextlib
import json
import shutil
import threading
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gonogo.agent.files import WHOLE_BYTES, chunk_bytes, chunk_count, chunk_hashes
from gonogo.agent.frames import cut, read_frames
from gonogo.agent.incoming import UNREAD, Incoming
from gonogo.agent.json_files import Problem
from gonogo.base.errors import explained
from gonogo.base.files import walk
from gonogo.remote.answers import quoted, read
from gonogo.remote.errors import RemoteError
from gonogo.remote.file_lists import LISTED, FileList, HashedFile, checked, hashed
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
from gonogo.remote.transfer.common import HASHING_S, Progress, Transfer, packing_pays, question, shown_missing
from gonogo.remote.transfer.landing import alone, already, compare_count, complete, refuse_existing
from gonogo.remote.transfer.room import check_room
from gonogo.remote.transfer.streams import Stream
from gonogo.remote.transfer.throughput import RateLimiter, StreamScaling, ThroughputMeter, round_trip_s
from gonogo.remote.transfer.worker_pool import TransferPool

ASKED_AHEAD = 16
HEARD_BYTES = 16 << 10
Sizes = dict[str, int]


def download(
    machine: Machine, remote_folder: str, local_final: Path, progress: Progress, partial: Path | None = None
) -> Transfer:
    """Download a folder to a new path; it appears complete and verified, or not at all.

    If the call is cut off, the next one with the same `partial` fetches what is still missing; what is there already
    is compared with the machine's hashes.

    Args:
        progress: called with (bytes, of bytes) some times a second.
        partial: where it grows, on the same disk, for the caller to remove once it has noted what came: until then
            another call returns the same; None: a hidden folder beside `local_final`, removed here.

    Raises:
        UserError: `local_final` exists, the disk has no room, or another process downloads the same.
        Unreachable: the link dropped; the same call continues.
        RemoteError: what was received is not what was requested; names the file.
    """
    began = time.monotonic()
    if partial and (before := already(partial)):
        return before
    refuse_existing(local_final)
    with TransferPool(machine, "send", remote_folder) as pool:
        pool.open()
        sizes, missing = _listed(machine, pool)
        if not sizes:
            left = f" ({shown_missing(missing)})" if missing else ""
            raise RemoteError(f"{machine.where}: {machine.path(remote_folder)} holds no files to download{left}")
        growing = partial or local_final.parent / f".{local_final.name}.partial"
        growing.mkdir(parents=True, exist_ok=True)
        with alone(growing), explained(growing):
            incoming = Incoming(growing / "files", growing / "parts")
            check_room(growing, sizes, sum(sizes.values()))
            chunks = _missing(machine, remote_folder, incoming, sizes)
            path, unread = fetch(machine, pool, incoming, chunks, {}, progress)
            for name in unread:
                del sizes[name]
                (incoming.folder / name).unlink(missing_ok=True)
            _finish(machine, incoming, sizes)
            compare_count(local_final, incoming.folder, sizes)
            sent = [chunk for chunk in chunks if chunk.name in sizes]
            moved = Transfer(
                files_sent=len({chunk.name for chunk in sent}),
                bytes_sent=sum(chunk.bytes for chunk in sent),
                files_total=len(sizes),
                bytes_total=sum(sizes.values()),
                seconds=time.monotonic() - began,
                path=path,
                missing={**missing, **{quoted(name): reason for name, reason in unread.items()}},
                folder=str(local_final),
            )
            complete(growing, incoming.folder, moved)
            if not partial:
                shutil.rmtree(growing, ignore_errors=True)
    return moved


def _listed(machine: Machine, pool: TransferPool) -> tuple[Sizes, dict[str, str]]:
    """Name → bytes of what the machine lists, every name checked; and what cannot be transferred, with its reason."""
    answer = pool.ask(question(None), LISTED.size_bytes)
    listed = read(FileList, answer, f"{machine.where}: agent send", LISTED)
    try:
        return checked(listed)
    except Problem as problem:
        raise RemoteError(f"{machine.where}: {problem}") from None


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
    there: dict[str, HashedFile] = {}
    if here:
        there = machine.ask(
            dict[str, HashedFile],
            "manifest",
            remote_folder,
            "--names",
            stdin=json.dumps(list(here)),
            timeout_s=HASHING_S,
            bounds=hashed(len(here), sum(map(len, here.values()))),
        )
    chunks: list[Chunk] = []
    for name, size in sizes.items():
        known = there.get(name)
        comparable = name in here and known is not None and len(known.sha256) == chunk_count(size)
        lacks = lacking(name, size, known.sha256, here[name]) if known and comparable else cut_file(name, size)
        if lacks and (incoming.folder / name).exists():
            (incoming.folder / name).unlink()
            lacks = cut_file(name, size)
        chunks += lacks
    return chunks


def fetch(
    machine: Machine,
    pool: TransferPool,
    incoming: Incoming,
    chunks: list[Chunk],
    expected: Mapping[str, list[str]],
    progress: Progress,
) -> tuple[str, dict[str, str]]:
    """Fetch these chunks with a pool whose agents send.

    Args:
        expected: hashes by name and chunk, for files whose hashes are known; other chunks bring their own.

    Returns:
        The connections used, in words; and name → reason of files that the machine could not read.
    """
    unread: dict[str, str] = {}
    total = sum(chunk.bytes for chunk in chunks)
    rtt_s = round_trip_s(machine.transport)
    scaling, meter, finished = StreamScaling(rtt_s, total), ThroughputMeter(total), threading.Event()
    limiter = RateLimiter(machine.target.max_mbit_per_s)
    queue = Queue(batches(chunks, SMALL_BATCH_BYTES if limiter.on else BATCH_BYTES))

    def carry(stream: Stream) -> None:
        with contextlib.closing(Incoming(incoming.folder, incoming.parts)) as own:
            window = 2 if limiter.on else max(2, ASKED_AHEAD // pool.size)
            _work(stream, queue, window, own, expected, unread, lambda: packing_pays(rtt_s, meter), meter, limiter)
        if meter.done == total:
            finished.set()

    try:
        return pool.carry(carry, meter, scaling, lambda: progress(meter.done, total), finished), unread
    except Problem as problem:
        raise RemoteError(f"{machine.where}: {problem}") from None


def _work(
    stream: Stream,
    queue: Queue,
    window: int,
    incoming: Incoming,
    expected: Mapping[str, list[str]],
    unread: dict[str, str],
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
        batch = asked.popleft()
        _keep(incoming, batch, chunks, data, expected, unread)
        meter.add(sum(chunk.bytes for chunk in batch))
    stream.end_input()
    if cause := stream.ended():
        raise cause


def _keep(
    incoming: Incoming,
    batch: Batch,
    chunks: list[list[Any]],
    data: memoryview,
    expected: Mapping[str, list[str]],
    unread: dict[str, str],
) -> None:
    """Nothing is kept but what was requested. What cannot be read there is noted; nothing is executable here."""
    if [chunk[0] for chunk in chunks] != [chunk.name for chunk in batch]:
        raise Problem(f"{batch[0].name}: received something that was not requested; refused")
    for asked, (chunk, part) in zip(batch, cut(chunks, data), strict=True):
        _, offset, count, size, _, sha256 = chunk
        if not count and sha256.startswith(UNREAD):
            unread.setdefault(asked.name, quoted(sha256[len(UNREAD) :]))
            continue
        if (offset, count, size) != (asked.offset, asked.bytes, asked.size):
            raise Problem(f"{asked.name}: received something that was not requested; refused")
        if asked.name in expected and expected[asked.name][asked.index] != sha256:
            raise Problem(f"{asked.name}: the file has changed on the machine")
        incoming.put([asked.name, offset, count, size, 0o644, sha256], part)


class _Heard:
    """A stream's stdout that notes when something was received."""

    def __init__(self, stream: Any, meter: ThroughputMeter) -> None:
        self._meter, self._stream, self._unheard_bytes = meter, stream, 0
        self.readline = stream.readline

    def readinto(self, data: memoryview) -> int:
        count: int = self._stream.readinto1(data)
        self._unheard_bytes += count
        if self._unheard_bytes >= HEARD_BYTES:  # a stream that drips is not heard
            self._unheard_bytes = 0
            self._meter.heard_at = time.monotonic()
        return count


def _finish(machine: Machine, incoming: Incoming, sizes: Sizes) -> None:
    waiting = {name: [size, 0o644] for name, size in sizes.items() if not (incoming.folder / name).exists()}
    try:
        incoming.finish(waiting)
    except Problem as problem:
        raise RemoteError(f"{machine.where}: {problem}") from None
