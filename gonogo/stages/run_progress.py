"""The line that is shown while a run is under way."""

from __future__ import annotations

from gonogo.agent.timings import FROZEN_S
from gonogo.base.units import dollars, duration, gigabytes
from gonogo.remote.answers import GpuReading, Heartbeat

NEARLY_FULL = 15 / 16  # of the GPU's memory


def progress_line(beat: Heartbeat, left_s: float | None, latest: str) -> str:
    """Time, cost and GPU of a run under way, with the latest line of its log."""
    cost = f"  {dollars(beat.usd)}" if beat.usd else ""
    elapsed = "" if beat.elapsed_s is None else duration(beat.elapsed_s)
    gpu = gpu_words(beat.gpu)
    quiet = f"  NO STEP FOR {duration(beat.quiet_s)}" if beat.quiet_s else ""
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
