"""How fast the smoke run was, and on what: the forecast's raw material."""

from __future__ import annotations

from pydantic import BaseModel, Field

# How often the learning gate looks at a paid run
PAID_LOOKS = 40  # over the planned steps,
PAID_SHARE = 0.02  # in no more than this share of the training's time
PAID_FREE_S = 10.0  # once they have taken so long together


class Speed(BaseModel):
    step_s: float = Field(description="median")
    step_s_low: float = Field(description="10th percentile")
    step_s_high: float = Field(description="90th percentile")
    samples_per_step: int
    train_samples: int = Field(description="samples in an epoch")
    epoch_overhead_s: float = Field(description="validation, pictures and checkpoints, per epoch")
    start_s: float = Field(0.0, description="from the process's start to the first step")
    look_s: float = Field(0.0, description="one look of the learning gate at held-out and trained samples")
    tflops_fp32: float = Field(description="of this machine, measured")
    bandwidth_gb_s: float = Field(description="of this machine, measured, GB/s")

    def looking_s(self, training_s: float, pace: float) -> float:
        """Seconds that the learning gate takes of a paid run whose steps take `training_s`.

        Args:
            pace: seconds there for what takes one here.
        """
        return min(PAID_LOOKS * self.look_s * pace, PAID_FREE_S + PAID_SHARE * training_s)
