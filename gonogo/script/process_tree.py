"""All processes of a pass, also those that have left its group or lost their parent: each holds a mark.

The mark is a variable of the environment, which children inherit. Where there is no /proc, the group alone is known.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

MARK = "GONOGO_PASS"
PROC = Path("/proc")
KILL_S = 5.0  # within which all are gone: a process in the kernel's hands cannot be waited for for ever


class ProcessTree:
    """The processes that a pass has started.

    Args:
        mark: value of the variable; of this pass alone.
        leader: pid of its first process, which leads its session.
    """

    def __init__(self, mark: str, leader: int) -> None:
        self.leader = leader
        self._mark = f"{MARK}={mark}".encode()

    def pids(self) -> list[int]:
        """Those that live; one that has ended and was not waited for does not."""
        found = []
        for folder in PROC.iterdir() if PROC.is_dir() else ():
            if folder.name.isdigit() and int(folder.name) != os.getpid():
                with contextlib.suppress(OSError, IndexError):  # it has just ended, or is another user's
                    state, _, _, session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
                    if state not in "ZX" and (int(session) == self.leader or self._is_marked(folder)):
                        found.append(int(folder.name))
        return found

    def _is_marked(self, folder: Path) -> bool:
        return self._mark in (folder / "environ").read_bytes().split(b"\0")

    def bytes_in_use(self) -> int:
        """Memory that is theirs alone: pages of files that they read can be dropped, and do not count."""
        kilobytes = 0
        for pid in self.pids():
            with contextlib.suppress(OSError, ValueError):
                for line in (PROC / str(pid) / "status").read_text().splitlines():
                    if line.startswith(("RssAnon:", "RssShmem:")):
                        kilobytes += int(line.split()[1])
        return 1024 * kilobytes

    def kill(self) -> None:
        """Until none lives."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.leader, signal.SIGKILL)
        deadline, quiet = time.monotonic() + KILL_S, 0
        while quiet < 2 and time.monotonic() < deadline:  # one that is just being started shows no environment
            pids = self.pids()
            quiet = 0 if pids else quiet + 1
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)


def free_bytes() -> int | None:
    """Memory that new processes can have: the machine's, or the container's where that is less; None: not known."""
    found = []
    with contextlib.suppress(OSError, StopIteration, ValueError):
        lines = (PROC / "meminfo").read_text().splitlines()
        found.append(1024 * next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")))
    with contextlib.suppress(OSError, ValueError):
        group = Path("/sys/fs/cgroup")
        limit = int((group / "memory.max").read_text())
        files = next(
            (
                int(line.split()[1])
                for line in (group / "memory.stat").read_text().splitlines()
                if line.startswith("file ")
            ),
            0,
        )
        found.append(max(limit - int((group / "memory.current").read_text()) + files, 0))
    return min(found) if found else None
