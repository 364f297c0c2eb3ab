"""Processes: detached ones, what names one for good, and a child that dies with its parent."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
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


def clock_s() -> float:
    """Seconds since the machine was started, those of its suspension included: nobody sets this clock."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def lives(facts: dict[str, Any] | None) -> bool:
    """Whether the process that wrote its `pid` and `born` is still there."""
    return bool(facts and facts.get("born")) and born(facts.get("pid", 0)) == facts["born"]  # type: ignore[index,union-attr]


def stirrings(pid: int) -> str:
    """Changes while the process waits for things and goes on; empty where the system does not say, or it is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("voluntary_ctxt_switches"):
                return line
    return ""


def kill_holders(lock: Path, supervisor_born: str) -> None:
    """Kill what has inherited the lock from a run and has left its process group, such as a daemon.

    Not whoever asks for the lock, nor who launched the run: these do not hold it, or are older than its supervisor.
    """
    with contextlib.suppress(OSError, ValueError, IndexError):
        inode, oldest = lock.stat().st_ino, int(supervisor_born.rsplit(maxsplit=1)[-1])
        for folder in Path("/proc").glob("[0-9]*"):
            pid = int(folder.name)
            if pid != os.getpid() and _holds(folder, inode):
                birth = born(pid).split()
                if birth and int(birth[-1]) >= oldest:
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.kill(pid, signal.SIGKILL)


def _holds(folder: Path, inode: int) -> bool:
    """Whether one of the process's descriptors has the lock; `folder`: its own of /proc."""
    with contextlib.suppress(OSError):
        for descriptor in (folder / "fd").iterdir():
            with contextlib.suppress(OSError):
                facts = folder / "fdinfo" / descriptor.name
                if descriptor.stat().st_ino == inode and b"\nlock:" in facts.read_bytes():
                    return True
    return False


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
