"""What a run's machine does while it trains: gauges with bounds, and whether the run will keep to its budget."""

from __future__ import annotations

import json
import math
import os
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gonogo.agent.gpu import Gpu
from gonogo.base.processes import started_at
from gonogo.base.units import dollars, duration
from gonogo.config.device_choice import gpu_hidden
from gonogo.config.expected import GAUGES, Indicator
from gonogo.training.spec import Limit

GPU_EVERY_S = 5.0
WINDOW_S = 60.0  # a gauge is judged by its median over this time: one reading is no fault
ESTIMATE_MARGIN = 1.1  # an estimate that is beyond the limit by less than this may still be wrong
EPOCH_SHARE = 0.1  # of a run's steps, by which it is estimated where its first epoch is longer


@dataclass
class GpuGauges:
    """Memory, use and temperature of the first GPU; nothing where there is none, or it is hidden from training."""

    gpu: Gpu | None = field(default_factory=lambda: None if gpu_hidden() else Gpu(GPU_EVERY_S))

    def read(self) -> dict[str, float]:
        """The latest values, by the names of `GAUGES`; never waits."""
        seen = self.gpu.look() if self.gpu is not None else None
        if seen is None:
            return {}
        return {
            "gpu_memory_gb": seen["used_bytes"] / 1e9,
            "gpu_memory_percent": 100 * seen["used_bytes"] / max(1.0, seen["total_bytes"]),
            "gpu_busy_percent": seen["busy_percent"],
            "gpu_temperature_c": seen["temperature_c"],
        }


class GaugeWatch:
    """The gauges among `watch`: each is judged by its median over a minute. A miss is said once.

    Attributes:
        alerts: one line for each that was missed when it was judged last, or that had no reading at all.
    """

    def __init__(self, watched: Mapping[str, Indicator], say: Callable[[str], None]) -> None:
        self._watched = {name: indicator for name, indicator in watched.items() if name in GAUGES}
        self._say = say
        self._window: dict[str, list[float]] = {name: [] for name in self._watched}
        self._since: float | None = None
        self._seen: set[str] = set()
        self._missed: dict[str, str] = {}
        self._said: set[str] = set()

    @property
    def alerts(self) -> list[str]:
        never = [f"{name}: no reading" for name in self._watched if name not in self._seen]
        return [*self._missed.values(), *never]

    def take(self, gauges: Mapping[str, float], epochs: float, now_s: float | None = None) -> str:
        """Why the run should stop; empty: it should not.

        Args:
            gauges: name → reading.
            epochs: that are done.
            now_s: of any clock that does not go back.
        """
        now_s = time.monotonic() if now_s is None else now_s
        is_first = self._since is None  # which covers compilation and loaders that start
        self._since = now_s if self._since is None else self._since
        for name, window in self._window.items():
            if name in gauges:
                self._seen.add(name)
                window.extend([] if is_first else [gauges[name]])
        if now_s - self._since < WINDOW_S:
            return ""
        since_s, self._since = now_s - self._since, now_s
        reasons = [self._judge(name, epochs, since_s) for name in self._watched]
        return "; ".join(filter(None, reasons))

    def _judge(self, name: str, epochs: float, window_s: float) -> str:
        readings, indicator = self._window[name], self._watched[name]
        if not readings or epochs < indicator.by_epoch:
            readings.clear()
            return ""
        missed = beyond(name, statistics.median(readings), indicator, window_s)
        readings.clear()
        self._missed.pop(name, None)
        if not missed:
            self._said.discard(name)
            return ""
        self._missed[name] = missed
        if name not in self._said:
            self._said.add(name)
            self._say(f"🟡 CAUTION {missed}")
        return missed if indicator.then == "stop" else ""


def beyond(name: str, median: float, indicator: Indicator, window_s: float) -> str:
    """How it misses its bounds, in words; empty: it keeps them."""
    low, high = indicator.at_least, indicator.at_most
    if low is not None and not median >= low:
        return f"{name} is {median:.3g}, the median of {duration(window_s)}; `watch` requires at least {low:g}"
    if high is not None and not median <= high:
        return f"{name} is {median:.3g}, the median of {duration(window_s)}; `watch` allows at most {high:g}"
    return ""


class Reestimate:
    """What the whole run will take, by what its first epoch took, or the first tenth of its steps where that is less.

    Caches, compilation and autotuning make the beginning slower than the rest: only as many steps again, timed by
    themselves, stop a run.

    Args:
        limit: None: the run is not estimated.
        out: the run's `out/`; the agent's heartbeat beside it knows the time of earlier attempts.
    """

    def __init__(self, limit: Limit | None, out: Path, say: Callable[[str], None]) -> None:
        self._limit, self._out, self._say = limit, out, say
        self._first: tuple[int, float] | None = None
        self._done, self._warned = limit is None, False

    def take(self, step: int, steps: int, epoch_steps: int) -> str:
        """Why the run should stop; empty: it should not.

        Args:
            step: that are done, of `steps` in all, in any unit that both share.
            epoch_steps: of one epoch.
        """
        now_s = time.monotonic()
        if self._done or self._limit is None:
            return ""
        if self._first is None:
            self._first = step, now_s
            return ""
        made, wanted = step - self._first[0], max(1, min(epoch_steps, EPOCH_SHARE * steps))
        if made < wanted:
            return ""
        total_s = elapsed_s(self._out) + max(0, steps - step) * (now_s - self._first[1]) / made
        over = total_s / self._limit.seconds
        stops = over > ESTIMATE_MARGIN and self._limit.stops
        self._done = not stops or self._warned
        if over <= 1:
            return ""
        cost = f" and {dollars(total_s / 3600 * self._limit.usd_per_hour)}" if self._limit.usd_per_hour else ""
        share = f"{made} of {steps} steps"
        text = f"at the pace of {share} the run takes {duration(total_s)}{cost} in all, more than {self._limit.words}"
        if stops and self._warned:
            return text
        decides = f"; the next {math.ceil(wanted)} steps decide whether it stops" if stops else ""
        self._say(f"🟡 CAUTION {text}{decides}")
        self._first, self._warned = (step, now_s), True
        return ""


def elapsed_s(out: Path) -> float:
    """Of the run's attempts together, as its agent counts them; without an agent, since this process began."""
    try:
        return float(json.loads((out.parent / "heartbeat.json").read_text())["elapsed_s"])
    except (OSError, ValueError, KeyError, TypeError):
        return time.time() - started_at(os.getpid())
