"""Files to the machine: what differs from what is there, in verified chunks, over as many streams as help."""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gonogo.agent.files import WHOLE_BYTES, chunk_bytes, chunk_count, chunk_hashes, files_below
from gonogo.agent.frames import frame, read_chunk
from gonogo.agent.json_files import Problem
from gonogo.base.errors import UserError
from gonogo.remote.answers import Done, read
from gonogo.remote.errors import RemoteError
from gonogo.remote.file_lists import Prepared, hashed
from gonogo.remote.machine import Machine
from gonogo.remote.transfer.chunks import BATCH_FILES, Batch, Chunk, Queue, batches, cut_file, lacking
from gonogo.remote.transfer.common import (
    HASHING_S,
    Ahead,
    Progress,
    Transfer,
    link_rate,
    no_word,
    packing_pays,
    question,
    sliced,
)
from gonogo.remote.transfer.streams import Stream, last_answer
from gonogo.remote.transfer.throughput import Probe, RateLimiter, StreamScaling, ThroughputMeter, estimate, round_trip_s
from gonogo.remote.transfer.worker_pool import TransferPool

OWN_STREAM_BYTES = 4 << 20
# What is sent along with the question what is there, so that the line does not idle until the answer: about as much as
# a new TCP connection carries meanwhile, and at most a hundredth of the whole, because it may be there already.
UNASKED_BYTES, UNASKED_SHARE, FEWEST_UNASKED_BYTES = 1 << 20, 1 / 100, 256 << 10


@dataclass
class _Plan:
    """What is here, what of it is sent before the machine has answered, and what it lacks according to its answer."""

    files: dict[str, Path] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    manifest: dict[str, list[str]] = field(default_factory=dict)
    chunks: list[Chunk] = field(default_factory=list)
    reuse: dict[str, list[list[int]]] = field(default_factory=dict)
    in_chunks: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    unasked: list[Chunk] = field(default_factory=list)

    @property
    def moving(self) -> list[Chunk]:
        return [*self.unasked, *self.chunks]

    @property
    def bytes(self) -> int:
        return sum(chunk.bytes for chunk in self.moving)


def upload(
    machine: Machine,
    local: Mapping[str, Path],
    remote_root: str,
    progress: Progress,
    ahead: Ahead = no_word,
    linked: Collection[str] = (),
) -> Transfer:
    """Make the machine's files below `remote_root` equal to ours: send what differs, remove what is not ours.

    `local` maps names below `remote_root` to files or folders here. Other names there are not touched. Hidden files and
    folders are never sent. A file has its name there only when it is complete and verified. Cut off at any point, the
    next call sends what is still missing, and of a large file that changed, the chunks that did.

    Args:
        progress: called with (bytes, of bytes) some times a second.
        ahead: called with (bytes, files, seconds as a range) before anything is sent.
        linked: of the names in `local`, those in whose folders a link to a file elsewhere counts as that file.

    Raises:
        UserError: a file cannot be read or leads out of its folder.
        Unreachable: the link dropped; the same call continues.
        RemoteError: the transfer failed; names the first file.
    """
    began, owner = time.monotonic(), secrets.token_hex(8)
    local = {name: path for name, path in local.items() if not any(part.startswith(".") for part in name.split("/"))}
    with TransferPool(machine, "receive", remote_root, f"--owner={owner}") as pool:
        plan, whole = _Plan(), 0
        for name, file in _local_files(local, linked):
            plan.files[name], plan.sizes[name] = file, file.stat().st_size
            whole += plan.sizes[name]
            if whole >= OWN_STREAM_BYTES:
                pool.open()  # beside the rest of this
        plan.unasked = [] if machine.target.max_mbit_per_s else _first_chunks(plan.sizes, whole)
        asked = {"names": list(local), "sizes": plan.sizes, "owner": owner, "unasked": int(bool(plan.unasked))}
        along = _framed(plan, plan.unasked, pack=True) if plan.unasked else []
        bounds = hashed(len(plan.files), 2 * sum(chunk_count(size) for size in plan.sizes.values()))
        answer = pool.ask(b"".join([question(asked), *along]), bounds.size_bytes)
        there = read(Prepared, answer, f"{machine.where}: agent receive", bounds)
        _compare(plan, there)
        check_room(machine, plan, there.free_bytes)
        if plan.extra:
            machine.ask(Done, "remove", remote_root, "--names", stdin=json.dumps(plan.extra), timeout_s=HASHING_S)
        if plan.reuse:
            machine.ask(Done, "reuse", remote_root, stdin=json.dumps(plan.reuse), timeout_s=HASHING_S)
        path = _send(machine, pool, plan, lambda: _ending(owner, list(local), plan), progress, ahead)
    sent = {chunk.name for chunk in plan.moving}
    return Transfer(
        files_sent=len(sent),
        bytes_sent=plan.bytes,
        files_total=len(plan.files),
        bytes_total=whole,
        seconds=time.monotonic() - began,
        path=path,
    )


def _local_files(local: Mapping[str, Path], linked: Collection[str]) -> Iterator[tuple[str, Path]]:
    """Name below the remote root, and the file here."""
    for name, path in local.items():
        if not path.exists():
            raise UserError(f"{path}: does not exist, so it cannot be uploaded as {name}")
        if path.is_file():
            yield name, path
            continue
        for below, found in files_below(path):
            file = path / below if found is None and name in linked and (path / below).is_file() else found
            if file is None:
                raise UserError(f"{path / below}: leads out of {path} or is not a file. Copy it in, or move it away.")
            yield f"{name}/{below}", file


def _first_chunks(sizes: Mapping[str, int], whole: int) -> list[Chunk]:
    """What is sent along with the question; nothing where there is little data."""
    most, taken = min(UNASKED_BYTES, int(UNASKED_SHARE * whole)), 0
    first: list[Chunk] = []
    for chunk in (chunk for name, size in sizes.items() for chunk in cut_file(name, size)):
        taken += chunk.bytes
        if most < FEWEST_UNASKED_BYTES or taken > most or len(first) == BATCH_FILES:
            break
        first.append(chunk)
    return first


def _compare(plan: _Plan, there: Prepared) -> None:
    """Only what the other side may have already is hashed in advance; the rest while it is sent."""
    plan.extra = there.extra
    known = sorted((there.files.keys() | there.parts.keys()) & plan.files.keys())
    try:
        hashes = chunk_hashes([(plan.files[name], chunk_bytes(plan.sizes[name])) for name in known])
    except OSError as error:
        raise UserError(f"{error.filename}: cannot be read ({error.strerror})") from None
    plan.manifest |= zip(known, hashes, strict=True)
    for name, size in plan.sizes.items():
        wanted = plan.manifest.setdefault(name, [""] * len(cut_file(name, size)))
        whole = there.files.get(name, [])
        if name in known and whole == wanted:
            continue
        if size > WHOLE_BYTES:
            plan.in_chunks.append(name)
        missing = lacking(name, size, wanted, there.parts.get(name, []))
        offsets = {sha256: index * chunk_bytes(size) for index, sha256 in enumerate(whole)}
        here_already = [chunk for chunk in missing if wanted[chunk.index] in offsets] if size > WHOLE_BYTES else []
        if here_already:
            plan.reuse[name] = [[offsets[wanted[p.index]], p.offset, p.bytes] for p in here_already]
        plan.chunks += [chunk for chunk in missing if chunk not in here_already]
    if not there.refused:
        plan.chunks = plan.chunks[len(plan.unasked) :]  # nothing was there, and the first of it is by now


def check_room(machine: Machine, plan: _Plan, free_bytes: int) -> None:
    if plan.bytes > free_bytes:
        raise RemoteError(
            f"{machine.where}: {plan.bytes / 1e6:.0f} MB to send, {free_bytes / 1e6:.0f} MB free on the machine: "
            "free some disk space there"
        )


def _send(
    machine: Machine, pool: TransferPool, plan: _Plan, ending: Callable[[], bytes], progress: Progress, ahead: Ahead
) -> str:
    rtt_s = round_trip_s(machine.transport)
    total, count = plan.bytes, len({chunk.name for chunk in plan.moving})
    scaling, meter = StreamScaling(rtt_s, total), ThroughputMeter(total)
    meter.add(sum(chunk.bytes for chunk in plan.unasked))
    if ahead is not no_word and plan.chunks:
        ahead(total, count, estimate(total, count, Probe(rtt_s, link_rate(machine, total))))
    queue, limiter, turn = Queue(batches(plan.chunks)), RateLimiter(machine.target.max_mbit_per_s), _LastTurn(pool.over)
    finished = threading.Event()

    def carry(stream: Stream) -> None:
        with turn:
            while (batch := queue.take()) is not None:
                _send_batch(stream, plan, batch, packing_pays(rtt_s, meter), meter, limiter)
            last = turn.mine()
            if last:
                stream.write(b"\n" + ending())
            last_answer(stream)
        if last:
            finished.set()

    return pool.carry(carry, meter, scaling, lambda: progress(meter.done, total), finished)


def _send_batch(
    stream: Stream, plan: _Plan, batch: Batch, pack: bool, meter: ThroughputMeter, limiter: RateLimiter
) -> None:
    for buffer in _framed(plan, batch, pack):
        for part in sliced(buffer, limiter):
            stream.write(part)
            meter.heard_at = time.monotonic()
    meter.add(sum(chunk.bytes for chunk in batch))


def _framed(plan: _Plan, batch: Batch, pack: bool) -> list[bytes]:
    """The buffers to write for a batch; its hashes are entered into the plan's manifest."""
    chunks: list[list[Any]] = []
    blocks = []
    for chunk in batch:
        path = plan.files[chunk.name]
        try:
            block, mode = read_chunk(path, chunk.offset, chunk.bytes), path.stat().st_mode & 0o777
        except (Problem, OSError) as error:
            raise UserError(str(error)) from None
        sha256 = hashlib.sha256(block).hexdigest()
        if (known := plan.manifest.get(chunk.name)) is None:
            known = plan.manifest[chunk.name] = [""] * len(cut_file(chunk.name, chunk.size))
        if known[chunk.index] not in ("", sha256):
            raise UserError(f"{path}: changed while it was being sent")
        known[chunk.index] = sha256
        chunks.append([chunk.name, chunk.offset, chunk.bytes, chunk.size, mode, sha256])
        blocks.append(block)
    return frame(chunks, blocks, pack)


class _LastTurn:
    """The first stream that works waits at its end until the others have ended: then all chunks are there."""

    def __init__(self, over: threading.Event) -> None:
        self._over = over
        self._changed = threading.Condition()
        self._first: int | None = None
        self._others = 0

    def __enter__(self) -> None:
        with self._changed:
            if self._first is None:
                self._first = threading.get_ident()
            else:
                self._others += 1

    def __exit__(self, *error: object) -> None:
        with self._changed:
            self._others -= self._first != threading.get_ident()
            self._changed.notify_all()

    def mine(self) -> bool:
        """Whether this is the first stream, and all others have ended; waits for them."""
        with self._changed:
            if self._first != threading.get_ident():
                return False
            while self._others and not self._over.is_set():
                self._changed.wait(0.1)
        return not self._others


def _ending(owner: str, names: list[str], plan: _Plan) -> bytes:
    """Files that came in chunks get their names, and the machine keeps the manifest, for `verify`."""
    done = {
        "owner": owner,
        "files": {name: [plan.sizes[name], plan.files[name].stat().st_mode & 0o777] for name in plan.in_chunks},
        "manifest": {
            "names": names,
            "files": {name: {"bytes": plan.sizes[name], "sha256": plan.manifest[name]} for name in plan.files},
        },
    }
    return json.dumps(done).encode()
