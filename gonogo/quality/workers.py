"""Items measured side by side, a few at a time: by threads where they are few, by processes where they are many.

Decoding releases the interpreter's lock, the rest does not: two processes measure small pictures nearly twice as fast
as two threads do. Starting them takes some hundredths of a second by `fork`, half a second by a fork server.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from multiprocessing.util import Finalize
from pathlib import Path

from gonogo.base import processes
from gonogo.base.cores import available_cores
from gonogo.base.digests import FolderDigest
from gonogo.quality.inspector import Inspector, ItemFiles, StatisticsCache

MOST_WORKERS = 4
MANY_FILES = {"fork": 300, "forkserver": 3_000}  # from which on processes are used, by how they are started
CHUNK = 32  # items that a worker takes at a time, at most
AHEAD = 4  # chunks that wait, for each worker: what is measured is never far ahead of what is written


@dataclass
class MeasuredChunk:
    """Some items as they were measured: their lines of `items.jsonl`, and what adds up."""

    lines: str = ""
    items: int = 0
    files: int = 0
    digest: FolderDigest = field(default_factory=FolderDigest)
    contents: list[str] = field(default_factory=list)  # of each item


def measured_chunks(kind: Inspector, items: Sequence[ItemFiles], cache: StatisticsCache) -> Iterator[MeasuredChunk]:
    """All items, in their order."""
    count = min(MOST_WORKERS, available_cores())
    size = min(CHUNK, len(items) // (AHEAD * count) + 1)
    chunks = (items[start : start + size] for start in range(0, len(items), size))
    method = "fork" if is_single_threaded() else "forkserver"
    many = sum(len(item.files) for item in items) >= MANY_FILES[method]
    pickled = _pickled(kind, cache) if many and count > 1 else None
    if pickled:
        cache.close()  # a connection to a database must not be open in two processes
        with _without_the_script(), _processes(method, count, type(kind).__module__, pickled) as pool:
            yield from _in_order(pool, _measure_in_worker, chunks, AHEAD * count)
    else:
        with ThreadPoolExecutor(count) as pool:
            yield from _in_order(pool, partial(measure_chunk, kind, cache), chunks, AHEAD * count)


def measure_chunk(kind: Inspector, cache: StatisticsCache, items: Sequence[ItemFiles]) -> MeasuredChunk:
    chunk, lines = MeasuredChunk(), []
    for reading in kind.measure_all(items, cache):
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
    measure: Callable[[Sequence[ItemFiles]], MeasuredChunk],
    chunks: Iterator[Sequence[ItemFiles]],
    ahead: int,
) -> Iterator[MeasuredChunk]:
    waiting: deque[Future[MeasuredChunk]] = deque(pool.submit(measure, chunk) for chunk in islice(chunks, ahead))
    try:
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(measure, chunk) for chunk in islice(chunks, 1))
    finally:  # after an error, or Ctrl-C, nothing more is begun
        for future in waiting:
            future.cancel()


# --- processes ---

_worker: tuple[Inspector, StatisticsCache] | None = None


def _processes(method: str, count: int, module: str, pickled: bytes) -> ProcessPoolExecutor:
    """Workers that end with this process, whatever it dies of."""
    context = multiprocessing.get_context(method)
    if method == "forkserver":
        context.set_forkserver_preload([module])  # imported once; the workers share its pages
    return ProcessPoolExecutor(count, context, _begin, (os.getpid(), pickled))


@contextmanager
def _without_the_script() -> Iterator[None]:
    """Workers need nothing of the program that starts them; a script of Snakemake's cannot be imported twice."""
    main = sys.modules["__main__"]
    path = main.__dict__.pop("__file__", None) if main.__spec__ is None else None
    try:
        yield
    finally:
        if path is not None:
            main.__dict__["__file__"] = path


def is_single_threaded() -> bool:
    """Whether this thread is the only one of the process, those of libraries (BLAS, OpenMP, CUDA) among them.

    A fork copies no other thread, but it copies the locks that others hold at that moment, and nothing in the copy
    releases them. Where there are none, a fork is safe; the executor makes all of its workers before it
    starts a thread of its own.
    """
    tasks = Path("/proc/self/task")
    if not tasks.is_dir():
        return False
    for wait_s in (0, 0.001, 0.01):  # a thread that was joined is listed for a moment more
        time.sleep(wait_s)
        if sum(1 for _ in tasks.iterdir()) == 1:
            return True
    return False


def _begin(owner_pid: int, pickled: bytes) -> None:
    global _worker  # noqa: PLW0603  a process's own
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all of a terminal's processes; the owner decides
    kind, cache = pickle.loads(pickled)
    _worker = kind, cache
    processes.watch(owner_pid, partial(_end, cache))
    Finalize(None, cache.close, exitpriority=10)


def _end(cache: StatisticsCache) -> None:
    """Keep what was measured, and exit at once, whatever the other threads do."""
    try:
        cache.close()
    finally:
        os._exit(1)


def _measure_in_worker(items: Sequence[ItemFiles]) -> MeasuredChunk:
    assert _worker is not None
    return measure_chunk(*_worker, items)


def _pickled(kind: Inspector, cache: StatisticsCache) -> bytes | None:
    """For another process; None where it cannot be pickled."""
    try:
        return pickle.dumps((kind, cache))
    except Exception:  # whatever an object raises that cannot be pickled
        return None
