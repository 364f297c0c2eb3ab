"""What the first GPU is doing, by nvidia-smi or rocm-smi."""

from __future__ import annotations

import contextlib
import json
import math
import shutil
import subprocess
import time

from .timings import GPU_EVERY_S


class Gpu:
    """Memory, use and temperature of the first GPU, queried now and then without waiting for the answer."""

    NVIDIA = ("memory.used", "memory.total", "utilization.gpu", "temperature.gpu")
    QUERIES = (
        ["nvidia-smi", "--query-gpu=" + ",".join(NVIDIA), "--format=csv,noheader,nounits"],
        ["rocm-smi", "--showmeminfo", "vram", "--showuse", "--showtemp", "--json"],
    )

    def __init__(self, every_s: float = GPU_EVERY_S) -> None:
        self.every_s = every_s
        self.query = next((query for query in self.QUERIES if shutil.which(query[0])), None)
        self.asking: subprocess.Popen[bytes] | None = None
        self.asked_at = -every_s
        self.latest: dict[str, float] | None = None

    def look(self) -> dict[str, float] | None:
        """The latest answer: used_bytes, total_bytes, busy_percent, temperature_c; None where there is none."""
        if self.asking is not None and self.asking.poll() is not None:
            with contextlib.suppress(Exception):  # whatever the tool answers, it must not end the run
                reading = self._read(self.asking.communicate()[0].decode(errors="replace"))
                if all(math.isfinite(value) for value in reading.values()):
                    self.latest = reading
            self.asking = None
        if self.query and self.asking is None and time.monotonic() - self.asked_at >= self.every_s:
            self.asked_at = time.monotonic()
            with contextlib.suppress(OSError):
                self.asking = subprocess.Popen(
                    self.query, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
                )
        return self.latest

    def _read(self, answer: str) -> dict[str, float]:
        if self.query == self.QUERIES[0]:
            used, total, busy, warm = (float(word) for word in answer.splitlines()[0].split(","))
            used, total = used * (1 << 20), total * (1 << 20)  # MiB
        else:
            card = next(iter(json.loads(answer).values()))
            used, total = float(card["VRAM Total Used Memory (B)"]), float(card["VRAM Total Memory (B)"])
            busy = float(card["GPU use (%)"])
            sensors = [value for name, value in card.items() if name.startswith("Temperature") and value != "N/A"]
            warm = max(float(value) for value in sensors)
        return {"used_bytes": used, "total_bytes": total, "busy_percent": busy, "temperature_c": warm}
