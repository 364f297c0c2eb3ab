"""Why an attempt ended, by its exit code, its last words and what the kernel counts."""

from __future__ import annotations

import contextlib
import re
import signal
from pathlib import Path

# exit codes of `python -m gonogo.stages.train`
BY_CODE = {
    0: "finished",
    3: "nan",
    4: "stopped_by_gate",
    40: "stopped_by_watch",
    41: "over_estimate",
    143: "killed",
}
ABORTS = {signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP}
# patterns that only a run's end needs: a launch does not compile them
OUT_OF_MEMORY = (
    rb"out of memory|OutOfMemoryError|^\S* ?MemoryError|bad_alloc|ALLOC_FAILED|not enough memory|can't allocate memory"
)
DEVICE_FAULT = (
    rb"HSA_STATUS_ERROR|Memory access fault by GPU|illegal memory access|device-side assert|unspecified launch failure"
    rb"|CUDA error: (no kernel image|unknown error|misaligned)|HIP error: (invalid device function|unknown)"
)
DISK_FULL = (
    rb"No space left on device|Disk quota exceeded|File too large|Errno (28|122|27)\b|errno = (28|122|27)\b"
    rb"|PytorchStreamWriter failed writing|inline_container.*unexpected pos"
)
SHARED_MEMORY = rb"/dev/shm|shared memory|</torch_"  # has a size of its own
LAST_WORDS_BYTES = 64 << 10
# every cause that exit.json can give; the rest are the supervisor's own, of limits and of a supervisor that died
CAUSES = (
    *BY_CODE.values(), "oom", "aborted", "failed", "stopped", "stalled", "over_time", "over_cost", "lease_lost",
    "agent_lost", "disk_full",
)  # fmt: skip


def exit_cause(code: int, last_words: bytes, killed_for_memory: bool) -> str:
    """One of CAUSES.

    Args:
        code: exit code; negative: the signal that ended it.
        last_words: end of the attempt's log, LAST_WORDS_BYTES at most.
        killed_for_memory: the kernel's out-of-memory killer struck while it ran.
    """
    if code in BY_CODE:
        return BY_CODE[code]
    if re.search(OUT_OF_MEMORY, last_words, re.MULTILINE) or (code == -signal.SIGKILL and killed_for_memory):
        return "oom"
    if code in (-signal.SIGXFSZ, 128 + signal.SIGXFSZ) or (code > 0 and _disk_was_full(last_words)):
        return "disk_full"
    if -code in ABORTS or re.search(DEVICE_FAULT, last_words):
        return "aborted"
    return "killed" if code < 0 else "failed"


def _disk_was_full(last_words: bytes) -> bool:
    lines = [line for line in last_words.splitlines() if re.search(DISK_FULL, line)]
    return any(not re.search(SHARED_MEMORY, line) for line in lines)


def oom_kills() -> int:
    """How often the kernel has killed for want of memory, in this machine and in this container."""
    count = 0
    for path in ("/proc/vmstat", "/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"):
        with contextlib.suppress(OSError):
            for line in Path(path).read_text().splitlines():
                if line.startswith("oom_kill "):
                    count += int(line.split()[1])
    return count
