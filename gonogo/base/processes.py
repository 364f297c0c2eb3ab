"""Whether a process lives, and a call back when it dies, also for a process that is not our child."""

from __future__ import annotations

import contextlib
import functools
import os
import select
import threading
import time
from collections.abc import Callable
from pathlib import Path

POLL_S = 0.1


def born(pid: int) -> str:
    """With the pid it names a process for good: pids are used again, the pair is not. Empty: it does not live.

    On Linux the machine's boot and the clock tick of the process's start, so that setting the clock does not change
    it. One that has ended and was not waited for yet (a zombie) does not live.
    """
    if Path("/proc/self/stat").exists():
        with contextlib.suppress(OSError, IndexError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            return "" if fields[0] in "ZX" else f"{_boot()} {fields[19]}"
        return ""
    import psutil

    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        return "" if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.2f}"
    return ""


@functools.cache
def _boot() -> str:
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""


def started_at(pid: int) -> float:
    """When the process started, in seconds since the epoch; on Linux to a hundredth, without another library."""
    with contextlib.suppress(OSError, IndexError, ValueError):
        ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
        uptime_s = float(Path("/proc/uptime").read_text().split()[0])
        return time.time() - uptime_s + ticks / os.sysconf("SC_CLK_TCK")
    import psutil

    return psutil.Process(pid).create_time()


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    return bool(born(pid))


def watch(owner_pid: int, when_gone: Callable[[], None]) -> None:
    """Call `when_gone` from a daemon thread within about 0.2 s of the process's death, whatever it died of.

    It is called at once when there is no such process.
    """
    descriptor, began = _open_pidfd(owner_pid), born(owner_pid)

    def wait() -> None:
        if descriptor is not None:
            ready = select.poll()
            ready.register(descriptor, select.POLLIN)
            ready.poll()
            os.close(descriptor)
        else:
            while began and born(owner_pid) == began:
                time.sleep(POLL_S)
        when_gone()

    threading.Thread(target=wait, name=f"watch-{owner_pid}", daemon=True).start()


def _open_pidfd(pid: int) -> int | None:
    """A descriptor that becomes readable when the process ends; None where the system gives none."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None
