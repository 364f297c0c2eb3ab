"""The record of a training program under way: its losses and its machine's gauges, in a CSV file and in trackers."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from gonogo.config.tracking import FOLDER
from gonogo.training.gauges import GaugeWatch, GpuGauges, Reestimate
from gonogo.training.metrics_csv import LossLog
from gonogo.training.spec import BUDGET, WATCH, RunSpec

if TYPE_CHECKING:
    from gonogo.training.trackers import SafeLogger

EVERY_S = 5.0
CSV_FILE = "gauges.csv"
COLUMNS = (
    "seconds", "step", "train_loss", "val_loss", "step_s", "samples_per_s",
    "gpu_memory_gb", "gpu_memory_percent", "gpu_busy_percent", "gpu_temperature_c",
)  # fmt: skip


class ProgramRecord:
    """A row every few seconds; every loss goes to the trackers, at most one in `log_every_steps` steps.

    Args:
        out: the run's `out/`; the rows are in `tracking/gauges.csv` there.
    """

    def __init__(self, spec: RunSpec, out: Path, say: Callable[[str], None]) -> None:
        self._training, self._spec, self._out, self._say = spec.training, spec, out, say
        self._gpu = GpuGauges()
        self._watch = GaugeWatch(spec.experiment_config.watch if spec.watched else {}, say)
        self._estimate = Reestimate(spec.limit if spec.watched else None, out, say)
        self._trackers = self._made()
        self._began = self._rowed_at = time.monotonic()
        self._rowed_step = 0
        self._logged = {"train_loss": 0, "val_loss": 0}  # how many of each
        self._logged_step = -spec.training.log_every_steps

    def _made(self) -> list[SafeLogger]:
        if all(tracker == "csv" for tracker in self._spec.tracking):
            return []  # without Lightning, which the program's own environment may lack
        from gonogo.training.trackers import loggers

        made = loggers(self._spec.tracking, f"gonogo-{self._spec.experiment}", self._out, self._say)
        for tracker in made:
            tracker.log_hyperparams(self._spec.hyperparameters)
        return made

    @property
    def alerts(self) -> list[str]:
        """Gauges that were beyond their bounds when they were judged last."""
        return self._watch.alerts

    def take(self, losses: LossLog) -> tuple[str, str]:
        """Take in what there is by now. Returns why the run should stop, one word and a sentence; empty: it should not.

        Args:
            losses: as they were read last.
        """
        self._track("train_loss", losses.steps, losses.train_loss)
        self._track("val_loss", losses.val_steps, losses.val_loss)
        limit = self._spec.limit
        if limit is not None and limit.steps and losses.last_step:
            epoch_steps = limit.steps // max(1, self._training.epochs)
            if reason := self._estimate.take(losses.last_step, limit.steps, epoch_steps):
                return BUDGET, reason
        now = time.monotonic()
        if now - self._rowed_at < EVERY_S:
            return "", ""
        gauges = self._gpu.read()
        if made := max(0, losses.last_step - self._rowed_step):
            gauges["step_s"] = (now - self._rowed_at) / made
            gauges["samples_per_s"] = self._training.effective_batch_size / gauges["step_s"]
        self._rowed_at, self._rowed_step = now, losses.last_step
        self._row(losses, gauges)
        for tracker in self._trackers if gauges else []:
            tracker.log_metrics(gauges, losses.last_step)
        reason = self._watch.take(gauges, self._epochs(losses))
        return (WATCH, reason) if reason else ("", "")

    def _epochs(self, losses: LossLog) -> float:
        """That are done, by the steps that are forecast; none where these are not known."""
        steps = self._spec.limit.steps if self._spec.limit else None
        return losses.last_step * self._training.epochs / steps if steps else 0.0

    def close(self, losses: LossLog, *, good: bool) -> None:
        """The last losses, and the trackers' end."""
        self._logged_step = -self._training.log_every_steps
        self.take(losses)
        for tracker in self._trackers:
            tracker.finalize("success" if good else "failed")

    def _track(self, name: str, steps: list[int], values: list[float]) -> None:
        known = self._logged[name] if self._logged[name] <= len(values) else 0  # another file is read by now
        self._logged[name] = len(values)
        for step, value in zip(steps[known:], values[known:], strict=False):
            if name == "val_loss" or step - self._logged_step >= self._training.log_every_steps:
                self._logged_step = step if name == "train_loss" else self._logged_step
                for tracker in self._trackers:
                    tracker.log_metrics({name: value}, step)

    def _row(self, losses: LossLog, gauges: dict[str, float]) -> None:
        values = {
            "seconds": round(time.monotonic() - self._began, 1),
            "step": losses.last_step,
            "train_loss": losses.train_loss[-1] if losses.train_loss else "",
            "val_loss": losses.val_loss[-1] if losses.val_loss else "",
            **{name: f"{value:.4g}" for name, value in gauges.items()},
        }
        path = self._out / FOLDER / CSV_FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", newline="") as file:
            rows = csv.DictWriter(file, COLUMNS)
            if not file.tell():
                rows.writeheader()
            rows.writerow(values)
