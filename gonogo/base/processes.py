"""Whether a process lives, and a call back when it dies, also for a process that is not our child."""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil

POLL_S = 0.1


def alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and was not waited for yet (a zombie) does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def start_time(pid: int) -> float | None:
    """When the process began, in seconds; None when it does not live.

    With the pid it names a process for good: pids are used again, the pair is not. On Linux it counts from boot, so
    that setting the clock does not change it; compare it with values from the same boot only.
    """
    if not alive(pid):
        return None
    try:
        if Path("/proc/self/stat").exists():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            return int(fields[19]) / os.sysconf("SC_CLK_TCK")
        return psutil.Process(pid).create_time()
    except (OSError, psutil.Error):
        return None


def watch(owner_pid: int, when_gone: Callable[[], None]) -> None:
    """Call `when_gone` from a daemon thread within about 0.2 s of the process's death, whatever it died of.

    It is called at once when there is no such process.
    """
    descriptor, began = _open_pidfd(owner_pid), start_time(owner_pid)

    def wait() -> None:
        if descriptor is not None:
            ready = select.poll()
            ready.register(descriptor, select.POLLIN)
            ready.poll()
            os.close(descriptor)
        else:
            while began is not None and start_time(owner_pid) == began:
                time.sleep(POLL_S)
        when_gone()

    threading.Thread(target=wait, name=f"watch-{owner_pid}", daemon=True).start()


def _open_pidfd(pid: int) -> int | None:
    """A descriptor that becomes readable when the process ends; None where the system gives none."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None
