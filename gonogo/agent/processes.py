"""Processes: detached ones, what names one for good, and a child that dies with its parent."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

STARTED = "started"


def detached(run_dir: Path, work: Callable[[Callable[[str], None]], None], *kept: int) -> str:
    """Do the work in a daemon of its own session, and wait for its first word.

    Args:
        kept: descriptors that it inherits.
    """
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
    """With the pid it names a process for good; empty where it has ended, or is a zombie that nobody waits for."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if fields[0] in "ZX" else boot() + fields[19]
    except (OSError, IndexError):
        pass
    if Path("/proc/self/stat").exists():
        return ""
    with contextlib.suppress(OSError):
        os.kill(pid, 0)
        return "alive"
    return ""


def boot() -> str:
    """Names the machine's last start; empty where the system does not say."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip() + " "
    return ""


def lives(facts: dict[str, Any] | None) -> bool:
    """Whether the process that wrote its `pid` and `born` is still there."""
    return bool(facts) and bool(facts["born"]) and born(facts["pid"]) == facts["born"]  # type: ignore[index]


def die_with_parent() -> Callable[[], None] | None:
    """What a child does before it becomes the command: on Linux, ask to be killed when its parent dies."""
    if not sys.platform.startswith("linux"):
        return None
    import ctypes

    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def ask() -> None:
        prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:
            os._exit(1)

    return ask
