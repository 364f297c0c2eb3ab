"""What is shown while a run is under way: a line in the terminal, and the same figures in a file."""

from __future__ import annotations

import contextlib
import csv
import time
from collections.abc import Callable
from pathlib import Path

from gonogo.agent.run_log import utc
from gonogo.agent.timings import FROZEN_S
from gonogo.base.units import dollars, duration, gigabytes
from gonogo.remote.answers import GpuReading, Heartbeat

NEARLY_FULL = 15 / 16  # of the GPU's memory
ROW_EVERY_S = 10.0
LATEST_CHARACTERS = 200
GAUGES_FILE = "gauges.csv"
COLUMNS = (
    "time", "elapsed_s", "run_usd", "machine_usd", "gpu_memory_gb", "gpu_busy_percent", "gpu_temperature_c", "quiet_s",
    "latest",
)  # fmt: skip


class RunView:
    """Keeps the line in the terminal and the rows of `gauges.csv` up to date.

    Args:
        show: gets the line.
        folder: of the rows; a disk that is full here ends no watching.
        machine_usd: gives what the machine has cost up to now.
    """

    def __init__(self, show: Callable[[str], None], folder: Path, machine_usd: Callable[[], float]) -> None:
        self._show, self._file, self._machine_usd = show, folder / GAUGES_FILE, machine_usd
        self._beat, self._latest, self._usd = Heartbeat(), "", 0.0
        self._rowed_at = float("-inf")
        with contextlib.suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._file.write_text(",".join(COLUMNS) + "\n")

    def line(self, latest: str, left_s: float | None) -> None:
        """A line of the log, without its time."""
        self._latest = latest
        self._show(progress_line(self._beat, left_s, latest, self._usd))

    def beat(self, beat: Heartbeat, left_s: float | None) -> None:
        self._beat, self._usd = beat, self._machine_usd()
        self._show(progress_line(beat, left_s, self._latest, self._usd))
        if time.monotonic() - self._rowed_at >= ROW_EVERY_S:
            self._rowed_at = time.monotonic()
            with contextlib.suppress(OSError), self._file.open("a", newline="", encoding="utf-8") as file:
                csv.writer(file).writerow(self._row())

    @property
    def machine_usd(self) -> float:
        """What the machine had cost at the last heartbeat."""
        return self._usd

    def _row(self) -> list[object]:
        beat, gpu = self._beat, self._beat.gpu
        card = [round(gpu.used_bytes / 1e9, 2), gpu.busy_percent, gpu.temperature_c] if gpu else ["", "", ""]
        usd = [round(beat.usd, 4), round(self._usd, 4) if self._usd else ""]
        elapsed = "" if beat.elapsed_s is None else round(beat.elapsed_s, 1)
        return [utc(time.time()), elapsed, *usd, *card, beat.quiet_s, self._latest[:LATEST_CHARACTERS]]


def progress_line(beat: Heartbeat, left_s: float | None, latest: str, machine_usd: float = 0.0) -> str:
    """Time, cost and GPU of a run under way, with the latest line of its log.

    Args:
        machine_usd: what its machine has cost from its first second on, setup and transfers included; 0: not known.
    """
    cost = f"  {dollars(beat.usd)}" if beat.usd else ""
    cost += f" (machine {dollars(machine_usd)})" if machine_usd else ""
    elapsed = "" if beat.elapsed_s is None else duration(beat.elapsed_s)
    gpu = gpu_words(beat.gpu)
    quiet = f"  🟡 NO STEP FOR {duration(beat.quiet_s)}" if beat.quiet_s else ""
    if beat.age_s > FROZEN_S:
        quiet += f"  NOT WATCHED ON THE MACHINE FOR {duration(beat.age_s)}"
    left = "" if left_s is None else f"  {duration(left_s)} left"
    return f"{elapsed}{left}{cost}{gpu}{quiet}  {latest}"


def gpu_words(gpu: GpuReading | None) -> str:
    """What the GPU is doing; loud where its memory is nearly full, because the next peak may not fit."""
    if not gpu:
        return ""
    full = gpu.used_bytes / gpu.total_bytes
    words = f"  {gigabytes(gpu.used_bytes)} of {gigabytes(gpu.total_bytes)}, {gpu.busy_percent:.0f} % busy"
    alarm = "  MEMORY NEARLY FULL: use the next smaller micro_batch_size" if full > NEARLY_FULL else ""
    return f"{words}, {gpu.temperature_c:.0f} °C{alarm}"
