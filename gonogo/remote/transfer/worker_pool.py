"""Threads that transfer chunks, each over a stream of its own, and the one that watches them."""

from __future__ import annotations

import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable
from types import TracebackType

from gonogo.base.bounded_json import SMALL
from gonogo.remote.errors import RemoteError, Unreachable
from gonogo.remote.login import explained
from gonogo.remote.machine import Machine
from gonogo.remote.transfer.common import HASHING_S
from gonogo.remote.transfer.streams import Refused, Stream, answer, begin, open_stream
from gonogo.remote.transfer.throughput import StreamScaling, ThroughputMeter

TICK_S = 0.1
# nothing passes on any stream for this long: the link is dead, or the machine hangs
SILENT_S = 120.0
BEGIN_S = 60.0
IN_FLIGHT_BYTES = 8 << 20  # what pipes and windows take, also for a machine that reads nothing


class TransferPool:
    """Opens streams ahead of their work, and ends all of them when one breaks.

    Leaving the context ends every stream, whatever it is doing.
    """

    def __init__(self, machine: Machine, *args: str) -> None:
        self._machine, self._args = machine, args
        self._job: Callable[[Stream], None] = lambda stream: None
        self._ready, self.over = threading.Event(), threading.Event()
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._streams: set[Stream] = set()
        self._error: BaseException | None = None
        self._question, self._asked, self._begun = b"", threading.Event(), False
        self._reply: bytes | None = None
        self._most_bytes = SMALL.size_bytes
        self._refused: Refused | None = None
        self.used: Counter[str] = Counter()

    def __enter__(self) -> TransferPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over.set()
        self._asked.set()
        self._ready.set()
        with self._changed:
            for stream in self._streams:
                stream.stop()
        for thread in self._threads:
            thread.join()

    def open(self) -> None:
        """Begin to connect the first stream, unless that was done; `ask` does it on the machine's own connection."""
        if not self._threads:
            self._start(_kinds())

    def ask(self, question: bytes, most_bytes: int = SMALL.size_bytes) -> bytes:
        """Send the agent if needed, and return what it answers on the first stream, a line of JSON.

        Where none was opened that is the machine's own connection, which saves a handshake.
        """
        self._question, self._most_bytes = question, most_bytes
        if not self._threads:
            self._start(["shared"])
        self._asked.set()
        opened = time.monotonic()
        with self._changed:
            while self._reply is None and self._threads[0].is_alive():
                self._changed.wait(TICK_S)
                waited = time.monotonic() - opened
                if waited > HASHING_S or (waited > BEGIN_S and not self._begun):
                    raise Unreachable(
                        f"{self._machine.where}: no answer in {waited:.0f} s. Run the same command again to continue."
                    )
        if self._reply is None:
            raise self._error or self._refused or RemoteError(f"{self._machine.where}: the agent did not answer")
        return self._reply

    def _start(self, kinds: list[str]) -> None:
        first = not self._threads
        thread = threading.Thread(target=self._work, args=(kinds, first), name="stream", daemon=True)
        self._threads.append(thread)
        thread.start()

    @property
    def size(self) -> int:
        return len(self._threads)

    def carry(
        self,
        job: Callable[[Stream], None],
        meter: ThroughputMeter,
        scaling: StreamScaling,
        progress: Callable[[], None],
        finished: threading.Event,
    ) -> str:
        """Do the job on every stream until all are done, or `finished` is set.

        Returns:
            The connections used, in words.

        Raises:
            Unreachable: the link dropped or fell silent; others: what the job raised first.
        """
        self._job = job
        self._ready.set()
        meter.add(0)
        try:
            return self._carry(meter, scaling, progress, finished)
        finally:
            self._machine.left_bytes = meter.total - max(0, meter.done - IN_FLIGHT_BYTES)

    def _carry(
        self, meter: ThroughputMeter, scaling: StreamScaling, progress: Callable[[], None], finished: threading.Event
    ) -> str:
        while any(thread.is_alive() for thread in self._threads) and not finished.is_set():
            with self._changed:
                self._changed.wait(TICK_S)
            if self._error and not finished.is_set():
                raise self._error
            progress()
            for _ in range(scaling.more(meter.done, time.monotonic())):
                self._start(_kinds())
            if time.monotonic() - meter.heard_at > SILENT_S:
                raise Unreachable(
                    f"{self._machine.where}: nothing passed for {SILENT_S:g} s. Run the same command again to continue."
                )
        if self._error and not finished.is_set():
            raise self._error
        progress()
        if not self.used:
            raise self._refused or RemoteError(f"{self._machine.where}: no stream could be opened")
        return " + ".join(f"{count} × {_TITLES[kind]}" for kind, count in self.used.items())

    def _work(self, kinds: list[str], first: bool) -> None:
        try:
            self._open_and_work(kinds, first)
        except Refused as error:
            self._refused = error  # the others may do without this one
        except BaseException as error:
            self._error = self._error or error
        finally:
            with self._changed:
                self._changed.notify()

    def _open_and_work(self, kinds: list[str], first: bool) -> None:
        for kind in kinds:
            stream = None
            try:
                stream = open_stream(self._machine, kind, *self._args)
                with self._changed:
                    self._streams.add(stream)
                if first:
                    self._asked.wait()
                if self.over.is_set():  # set before the stream was known, nothing would stop it
                    return
                self._begin(stream, first)
                if first:
                    self._begun = True
                    reply = answer(stream, self._most_bytes)
                    with self._changed:
                        self._reply = reply
                        self._changed.notify()
                self._ready.wait()
                if self.over.is_set():
                    return
                self.used[kind] += 1
                self._job(stream)
                return
            except Refused:
                if kind == kinds[-1] or self.over.is_set():
                    raise
            finally:
                if stream is not None:
                    with self._changed:
                        self._streams.discard(stream)
                    stream.close()

    def _begin(self, stream: Stream, first: bool) -> None:
        try:
            begin(stream, put_agent=first, question=self._question if first else b"")
        except Unreachable:
            raise
        except RemoteError as error:
            raise explained(self._machine, error) from None


def _kinds() -> list[str]:
    """Kinds of stream in the order in which they are tried."""
    return (["ssh"] if shutil.which("ssh") else []) + ["paramiko"]


_TITLES = {"ssh": "OpenSSH's ssh", "paramiko": "paramiko", "shared": "paramiko, the open connection"}
