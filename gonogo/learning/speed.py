"""How fast the smoke run was, and on what: the forecast's raw material."""

from __future__ import annotations

from pydantic import BaseModel, Field


class Speed(BaseModel):
    step_s: float = Field(description="median")
    step_s_low: float = Field(description="10th percentile")
    step_s_high: float = Field(description="90th percentile")
    samples_per_step: int
    train_samples: int = Field(description="samples in an epoch")
    epoch_overhead_s: float = Field(description="validation, pictures and checkpoints, per epoch")
    tflops_fp32: float = Field(description="of this machine, measured")
    bandwidth_gb_s: float = Field(description="of this machine, measured, GB/s")
