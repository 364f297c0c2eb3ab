"""Seconds of an optimizer step on a card, from what it computes and moves: an estimate, and its range."""

from __future__ import annotations

from pydantic import BaseModel, Field

from gonogo.base.ranges import Range
from gonogo.config.accelerator import Accelerator

# of the data sheet's dense peak; published for whole training runs: GPT-3 0.21, Gopher 0.33, PaLM 0.46 (Chowdhery et
# al. 2022, table 3), Megatron-LM 0.31 to 0.52 (Narayanan et al. 2021, table 1)
OF_PEAK = Range(low=0.55, mid=0.35, high=0.15)
# of the bandwidth; and how much of the counted traffic remains where kernels are fused or caches hold it
OF_BANDWIDTH = Range(low=0.9, mid=0.8, high=0.6)
TRAFFIC = Range(low=0.5, mid=0.9, high=1.0)
# seconds that Python and the driver need to start an operation, which small ones cannot hide
START_S = Range(low=4e-6, mid=8e-6, high=20e-6)
FALL_BACK = {"tf32": ("tflops_tf32", "tflops_fp32"), "bf16": ("tflops_bf16", "tflops_fp32"),
             "fp16": ("tflops_fp16", "tflops_fp32"), "fp32": ("tflops_fp32",), "fp64": ("tflops_fp32",)}  # fmt: skip
BASIS = (
    "estimate: 15 to 55 % of the card's peak, 60 to 90 % of its bandwidth, 4 to 20 µs to start an operation; "
    "loading of data, validation and checkpoints not included"
)


class Work(BaseModel):
    """What one optimizer step computes and moves, as counted operation by operation."""

    flop: dict[str, float] = Field(default_factory=dict, description="dtype it multiplies in → operations")
    moved_bytes: float = Field(0, description="read and written by all operations, nothing cached or fused")
    operations: float = 0
    backward_passes: float = Field(1, description="micro-batches of the step")

    def scaled(self, factor: float) -> Work:
        """Of a step with `factor` times as many samples, in as many more micro-batches."""
        return Work(
            flop={dtype: factor * count for dtype, count in self.flop.items()}, moved_bytes=factor * self.moved_bytes,
            operations=factor * self.operations, backward_passes=factor * self.backward_passes,
        )  # fmt: skip


class ScriptRun(BaseModel):
    """A script's step as it was counted on a card, and the length of its run as its own numbers say it."""

    work: Work | None = None
    total_steps: int | None = Field(None, description="optimizer steps of the whole run; null: not known")
    total_steps_from: str = Field("", description="how it is known")
    epoch_steps: int | None = Field(None, description="optimizer steps of an epoch; null: its loader has no length")


def step_seconds(work: Work, card: Accelerator) -> Range | None:
    """Of one optimizer step; None where the card's speed is not in the catalogue."""
    compute_s = 0.0
    for dtype, flop in work.flop.items():
        peak = next((peak for key in FALL_BACK[dtype] if (peak := getattr(card, key)) is not None), None)
        if peak is None:
            return None
        compute_s += flop / (peak * 1e12)
    if card.bandwidth_gb_s is None:
        return None
    moved_s = work.moved_bytes / (card.bandwidth_gb_s * 1e9)
    found = {}
    for name in ("low", "mid", "high"):
        of_peak, of_bandwidth, traffic, start = (getattr(r, name) for r in (OF_PEAK, OF_BANDWIDTH, TRAFFIC, START_S))
        busy = max(compute_s / of_peak, moved_s * traffic / of_bandwidth)
        busy = compute_s / of_peak + moved_s * traffic / of_bandwidth if name == "high" else busy
        found[name] = max(busy, work.operations * start)
    return Range(**found)
