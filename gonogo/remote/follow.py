"""Watching a run on the machine to its end, across dropped links."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

from gonogo.agent.timings import FROZEN_S
from gonogo.base.bounded_json import JsonBounds
from gonogo.base.units import duration
from gonogo.config.target import Ssh, Target
from gonogo.remote.answers import Exit, Heartbeat, Message, RunState, read
from gonogo.remote.channel import Silent
from gonogo.remote.errors import NoSuchHost, RemoteError, Unreachable
from gonogo.remote.machine import Machine, connect

SILENT_S = 20.0
LINE_AT_MOST_BYTES = 1 << 20
LINE_BOUNDS = JsonBounds(LINE_AT_MOST_BYTES, LINE_AT_MOST_BYTES)  # of text: its commas count as values
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 10.0
LEAST_PATIENCE_S = 300.0


def follow(
    ssh: Ssh | Callable[[], Ssh],
    target: Target,
    run_dir: str,
    on_log: Callable[[str], None],
    on_heartbeat: Callable[[Heartbeat], None],
    *,
    offset: int = 0,
    patience_s: float | None = None,
) -> Exit:
    """Pass on the run's log, line by line, and its heartbeat every second, until it ends; returns its exit.

    A run whose supervisor has died, as after a reboot of the machine, or is frozen like the timer that should have seen
    that, is resumed where its request says how.

    A dropped link is opened again and the log continues where it was: no line twice, none lost. Watching renews the
    run's lease.

    Args:
        ssh: how to reach the machine; a function is called for each connection.
        run_dir: the run's folder, from the target's root.
        offset: byte of the log to begin with.
        patience_s: how long to try again while the machine cannot be reached; None: as long as the run's lease lasts.

    Raises:
        RemoteError: the run is lost or does not exist, the machine could not be reached for `patience_s`, or what
            answers is not the agent.
        UserError: the machine refuses our key, or its host key has changed.
    """
    patience_s = max(LEAST_PATIENCE_S, 60 * target.lease_minutes) if patience_s is None else patience_s
    for message in _messages(ssh, target, run_dir, offset, patience_s):
        if message.log is not None:
            on_log(message.log)
        elif message.heartbeat is not None:
            on_heartbeat(message.heartbeat)
        elif message.exit is not None:
            return message.exit
        elif message.state is not None:
            raise RemoteError(_lost(target, run_dir, message.state))
    raise AssertionError("the messages have no end")


def once(*_: Any) -> None:
    """A handler of SIGINT: the first Ctrl-C ends the watching, further ones are ignored."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def _messages(
    ssh: Ssh | Callable[[], Ssh], target: Target, run_dir: str, offset: int, patience_s: float
) -> Iterator[Message]:
    """What `agent follow` sends, without end: the reader stops at the message that ends the run."""
    heard, pause, reached, asked = time.monotonic(), FIRST_PAUSE_S, False, float("-inf")
    while True:
        try:
            with connect(ssh() if callable(ssh) else ssh, target) as machine:
                for message in _session(machine, run_dir, offset):
                    reached = True
                    offset = offset if message.offset is None else message.offset
                    if message.state == "lost" and _resumed(machine, run_dir):
                        raise Unreachable(f"{machine.where}: the run was lost, and is resumed.")
                    heard, pause = time.monotonic(), FIRST_PAUSE_S
                    if message.heartbeat and message.heartbeat.age_s > FROZEN_S < time.monotonic() - asked:
                        asked = time.monotonic()
                        _resumed(machine, run_dir)
                    yield message
                raise Unreachable(f"{machine.where}: agent follow ended, and has not said how the run did.")
        except Unreachable as error:
            if isinstance(error, NoSuchHost) and not reached:
                raise
            if time.monotonic() - heard > patience_s:
                raise RemoteError(
                    f"{error} Tried again for {duration(patience_s)}. The run continues on the machine until its lease "
                    f"ends ({target.lease_minutes:g} min); run the same command again to attach to it."
                ) from error
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_S)


def _resumed(machine: Machine, run_dir: str) -> bool:
    """Whether there is something to follow again: the run itself, or how it ended."""
    return machine.ask(RunState, "adopt", run_dir).state in ("adopted", "running", "exited")


def _session(machine: Machine, run_dir: str, offset: int) -> Iterator[Message]:
    """The messages of one connection; each heartbeat is answered, which renews the lease."""
    with machine.start_agent("follow", run_dir, f"--offset={offset}") as channel:
        rest, heard, others_bytes = b"", time.monotonic(), 0
        while data := channel.read(1 << 16, timeout_s=SILENT_S):
            *lines, rest = (rest + data).split(b"\n")
            if len(rest) > LINE_AT_MOST_BYTES:
                raise RemoteError(
                    f"{machine.where}: a line of the log is longer than {LINE_AT_MOST_BYTES >> 20} MiB; aborted"
                )
            if others_bytes > LINE_AT_MOST_BYTES:
                raise RemoteError(f"{machine.where}: {channel.name} prints what is no message of the agent; aborted")
            for line in lines:
                if not line.startswith(b"{"):  # a login script printed it
                    others_bytes += len(line) + 1
                    continue
                others_bytes = 0
                message = read(Message, line, f"{machine.where}: agent follow", LINE_BOUNDS)
                if "heartbeat" in message.model_fields_set:
                    with contextlib.suppress(RemoteError):  # reading the rest reports that it has ended
                        channel.write(b"\n")
                yield message
                heard = time.monotonic()
            if time.monotonic() - heard > SILENT_S:
                raise Silent(f"{machine.where}: {channel.name} sent no message for {SILENT_S:g} s")
        channel.check()


def _lost(target: Target, run_dir: str, state: str) -> str:
    if state == "none":
        return f"there is no run in {target.root}/{run_dir} on the machine"
    return (
        f"the run in {target.root}/{run_dir} is lost: none of its processes is alive, and it left no exit status; the "
        f"machine may have been restarted, or run out of memory. Its log is {target.root}/{run_dir}/log.txt on the "
        "machine; its checkpoints stay there. The next run resumes from the last complete one."
    )
