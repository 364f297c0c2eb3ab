"""Items measured side by side, a few at a time: by threads where they are few, by processes where they are many.

Decoding lets go of the interpreter's lock, the rest does not: two processes measure small pictures nearly twice as fast
as two threads do. Starting them takes half a second.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from multiprocessing.util import Finalize

from gonogo import lifetime
from gonogo.files import FolderDigest
from gonogo.quality.kinds import ItemFiles, Kind, Known

MOST_WORKERS = 4
MANY_FILES = 3_000  # from so many on, processes
CHUNK = 16  # items that a worker takes at a time
AHEAD = 4  # chunks that wait, for each worker: what is measured is never far ahead of what is written


@dataclass
class Chunk:
    """Some items as they were measured: their lines of `items.jsonl`, and what adds up."""

    lines: str = ""
    items: int = 0
    files: int = 0
    digest: FolderDigest = field(default_factory=FolderDigest)
    contents: list[str] = field(default_factory=list)  # of each item


def measured_chunks(kind: Kind, items: Sequence[ItemFiles], known: Known) -> Iterator[Chunk]:
    """All items, in their order."""
    chunks = (items[start : start + CHUNK] for start in range(0, len(items), CHUNK))
    count = min(MOST_WORKERS, _cores())
    many = sum(len(item.files) for item in items) >= MANY_FILES
    if many and count > 1 and _travels(kind, known):
        with _processes(count, kind, known) as pool:
            yield from _in_order(pool, _measure_in_worker, chunks, AHEAD * count)
    else:
        with ThreadPoolExecutor(count) as pool:
            yield from _in_order(pool, partial(measure_chunk, kind, known), chunks, AHEAD * count)


def measure_chunk(kind: Kind, known: Known, items: Sequence[ItemFiles]) -> Chunk:
    chunk, lines = Chunk(), []
    for reading in kind.measure_all(items, known):
        lines.append(reading.item.model_dump_json() + "\n")
        chunk.items += 1
        chunk.files += reading.item.files
        chunk.contents.append(reading.item.content)
        for path, sha256 in reading.hashes.items():
            chunk.digest.add(path, sha256)
    chunk.lines = "".join(lines)
    return chunk


def _in_order(
    pool: Executor,
    measure: Callable[[Sequence[ItemFiles]], Chunk],
    chunks: Iterator[Sequence[ItemFiles]],
    ahead: int,
) -> Iterator[Chunk]:
    waiting: deque[Future[Chunk]] = deque(pool.submit(measure, chunk) for chunk in islice(chunks, ahead))
    while waiting:
        yield waiting.popleft().result()
        waiting.extend(pool.submit(measure, chunk) for chunk in islice(chunks, 1))


# --- processes ---

_worker: tuple[Kind, Known] | None = None


def _processes(count: int, kind: Kind, known: Known) -> ProcessPoolExecutor:
    """Workers that end with this process, whatever it dies of."""
    # a fork of this process could inherit a lock that one of its threads holds
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([type(kind).__module__])  # imported once; the workers share its pages
    return ProcessPoolExecutor(count, context, _begin, (os.getpid(), kind, known))


def _begin(owner_pid: int, kind: Kind, known: Known) -> None:
    global _worker  # noqa: PLW0603  a process's own
    lifetime.watch(owner_pid, lambda: os._exit(1))
    _worker = kind, known
    Finalize(None, known.close, exitpriority=10)


def _measure_in_worker(items: Sequence[ItemFiles]) -> Chunk:
    assert _worker is not None
    return measure_chunk(*_worker, items)


def _travels(*values: object) -> bool:
    """Whether these can be handed to another process."""
    try:
        pickle.dumps(values)
    except Exception:  # whatever an object raises that cannot be copied
        return False
    return True


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
