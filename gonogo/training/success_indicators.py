"""Success indicators of a live run: metrics that should have come somewhere by some epoch. A miss warns, or stops."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback

from gonogo.config.expected import GAUGES, Indicator
from gonogo.training.ranks import stop
from gonogo.training.spec import WATCH, StoppedError


class Indicators(Callback):
    """Looks at the metrics that each validation logs.

    Args:
        checkpoint: where a run that is stopped is kept; None: none is stopped.

    Raises:
        StoppedError: from `on_validation_end`, at a miss that asks for it.

    Attributes:
        alerts: one line for each indicator that was missed, as it stood at the last validation.
    """

    def __init__(
        self, watched: Mapping[str, Indicator], say: Callable[[str], None], checkpoint: Path | None = None
    ) -> None:
        self.watched = {name: indicator for name, indicator in watched.items() if name not in GAUGES}
        self.say, self.checkpoint = say, checkpoint
        self._missed: dict[str, str] = {}
        self._seen: set[str] = set()
        self._reported: set[str] = set()

    @property
    def alerts(self) -> list[str]:
        never = [f"{name}: never logged" for name in self.watched if self._seen and name not in self._seen]
        return [*self._missed.values(), *never]

    def on_validation_end(self, trainer: Any, module: Any) -> None:
        done = epochs_done(trainer)
        self._seen |= {name for name in self.watched if name in trainer.callback_metrics} or {""}
        for name, indicator in self.watched.items():
            if name not in trainer.callback_metrics or done < indicator.by_epoch:
                continue
            missed = miss(name, float(trainer.callback_metrics[name]), indicator, done)
            self._missed.pop(name, None)
            if missed:
                self._missed[name] = missed
                if name not in self._reported:
                    self._reported.add(name)
                    self.say(f"🟡 CAUTION {missed}")
                if indicator.then == "stop" and self.checkpoint is not None:
                    stop(trainer, self.checkpoint, StoppedError(WATCH, missed))


def miss(name: str, value: float, indicator: Indicator, epoch: float) -> str:
    """What is not as it should be; empty where it is."""
    low, high = indicator.at_least, indicator.at_most
    deadline = f"by epoch {indicator.by_epoch}" if indicator.by_epoch else "from the first validation on"
    if low is not None and not value >= low:
        return f"{name} is {value:.3g} at epoch {epoch:.3g}; at least {low:g} was expected {deadline}"
    if high is not None and not value <= high:
        return f"{name} is {value:.3g} at epoch {epoch:.3g}; at most {high:g} was expected {deadline}"
    return ""


def epochs_done(trainer: Any) -> float:
    """With the part of the current one."""
    batches = trainer.fit_loop.epoch_loop.batch_progress.current.ready
    return float(trainer.current_epoch + batches / max(1, trainer.num_training_batches))
