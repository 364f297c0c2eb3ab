"""A training program under way: how far it is, and how much memory it takes."""

from __future__ import annotations

import math
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from gonogo.agent.gpu import Gpu
from gonogo.base.errors import UserError
from gonogo.training.device import device_name
from gonogo.training.metrics_csv import LossLog
from gonogo.training.spec import RunSpec, TrainingResult

SAY_EVERY_S, GPU_EVERY_S = 1.0, 1.0


@dataclass
class ProgramMonitor:
    """Its losses, reported once a second, and the most memory in use on the first GPU."""

    losses: LossLog
    say: Callable[[str], None]
    total: int  # steps that it is expected to take
    _gpu: Gpu = field(default_factory=lambda: Gpu(GPU_EVERY_S))
    _gpu_peak_bytes: float = 0.0
    _said_at: float = -math.inf

    def look(self, *, ended: bool = False) -> None:
        """Take in what has come since, and say it."""
        if seen := self._gpu.look():
            self._gpu_peak_bytes = max(self._gpu_peak_bytes, seen["used_bytes"])
        new, losses = self.losses.look(ended=ended), self.losses
        if new and losses.last_step and (ended or time.monotonic() - self._said_at > SAY_EVERY_S):
            self._said_at = time.monotonic()
            pace = f"  {losses.step_s[-1]:.3f} s/step" if losses.step_s else ""
            loss = f"  loss {losses.train_loss[-1]:.4f}" if losses.train_loss else ""
            self.say(f"step {losses.last_step}/{self.total}{loss}{pace}")

    def result(
        self, spec: RunSpec, wall_s: float, stopped: str, held_out: tuple[list[int], list[float]] = ([], [])
    ) -> TrainingResult:
        """What the run showed of itself; its parameters are not counted.

        Args:
            held_out: steps and values of validation losses, where the file of losses has none.

        Raises:
            UserError: there is a GPU, and nothing reports how much of its memory was used.
        """
        device, losses = device_name(), self.losses
        return TrainingResult(
            steps=losses.last_step,
            epochs=0 if spec.max_steps or stopped else spec.training.epochs,
            parameters=0,
            train_loss=losses.train_loss,
            train_steps=losses.steps,
            val_steps=losses.val_steps if losses.val_loss else held_out[0],
            val_loss=losses.val_loss or held_out[1],
            step_s=losses.step_s or [wall_s / max(1, losses.last_step)],
            wall_s=wall_s,
            peak_memory_bytes=self._peak_bytes(device),
            device=device,
            finite=not losses.bad,
            stopped=stopped,
        )

    def _peak_bytes(self, device: str) -> int:
        """In use on the GPU, by any process, sampled once a second; on a processor, the program's high-water mark."""
        if device == "cpu":
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
            return peak if sys.platform == "darwin" else peak * 1024
        if not self._gpu_peak_bytes:
            raise UserError(f"{device}: neither nvidia-smi nor rocm-smi reported how much of its memory was used")
        return int(self._gpu_peak_bytes)
