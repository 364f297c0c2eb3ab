"""How fast the smoke run was, and on what: the forecast's raw material."""

from __future__ import annotations

import math

from pydantic import BaseModel, Field

PAID_LOOKS = 40  # of the learning gate at a paid run, over the planned steps, at most
LONGEST_PAUSE = 50.0  # looks' lengths between two of them: 2 % of a long run's time


class Speed(BaseModel):
    step_s: float = Field(description="median")
    step_s_low: float = Field(description="10th percentile")
    step_s_high: float = Field(description="90th percentile")
    samples_per_step: int
    train_samples: int = Field(description="samples in an epoch; 0: its loader has no length")
    epoch_overhead_s: float = Field(description="validation, pictures and checkpoints, per epoch")
    data_s: float = Field(0.0, description="of a watched script: making the batches of a step, one after the other")
    data_workers: int = Field(1, ge=1, description="processes that make them on the target")
    start_s: float = Field(0.0, description="from the process's start to the first step")
    look_s: float = Field(0.0, description="one look of the learning gate at held-out and trained samples")
    tflops_fp32: float = Field(description="of this machine, measured")
    bandwidth_gb_s: float = Field(description="of this machine, measured, GB/s")

    def looking_s(self, training_s: float, pace: float) -> float:
        """Seconds that the learning gate takes of a paid run whose steps take `training_s`.

        Args:
            pace: seconds there for what takes one here.
        """
        # the pause after a look is as many times its length as all so far took seconds: they take √(2t) of t seconds
        until_longest_s = LONGEST_PAUSE**2 / 2
        evenly_s = max(0.0, training_s - until_longest_s) / LONGEST_PAUSE
        return min(PAID_LOOKS * self.look_s * pace, math.sqrt(2 * min(training_s, until_longest_s)) + evenly_s)
