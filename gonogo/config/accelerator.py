"""What a card is, and whether its figures can be true: they hang together, and a wrong unit or row breaks that."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from gonogo.base.models import Positive, StrictModel
from gonogo.base.units import gigabytes

Architecture = Literal["cpu", "turing", "ampere", "ada", "hopper", "blackwell", "cdna3", "rdna1", "rdna3", "other"]


class Accelerator(StrictModel):
    """What a card is, each figure with its source. Figures that cannot be true are refused."""

    title: str = Field(description="name for people")
    architecture: Architecture = Field("other", description="whose libraries' workspace is counted; `other`: unknown")
    visible_bytes: int | None = Field(gt=0, description="memory that the framework sees; null: the RAM, measured")
    context_bytes: int = Field(0, ge=0, description="memory that driver and libraries take before the first tensor")
    tflops_fp32: Positive | None = Field(None, description="dense peak, without tensor cores")
    tflops_tf32: Positive | None = Field(None, description="dense peak; null: the card has no such mode")
    tflops_fp16: Positive | None = Field(None, description="dense peak of matrix multiplication")
    tflops_bf16: Positive | None = Field(None, description="dense peak; null: the card has no such mode")
    tflops_fp8: Positive | None = Field(None, description="dense peak; null: the card has no such mode")
    bandwidth_gb_s: Positive | None = Field(None, description="memory bandwidth, GB/s")
    usd_per_hour: tuple[float, float] | None = Field(None, description="lowest and highest price found for one card")
    device_name: str = Field("", description="part of the name that the framework reports; empty: not checked")
    torch_index: str = Field("", description="package index of the torch build for it; empty: the default index")
    environment: dict[str, str] = Field(default_factory=dict, description="variables that it needs")
    forbidden_environment: list[str] = Field(default_factory=list, description="variables that must not be set")
    known_faults: list[str] = Field(default_factory=list, description="what goes wrong on it, for people")
    cpu_unless_forced: bool = Field(False, description="train on the CPU unless the target says `device: accelerator`")
    is_this_machine: bool = Field(False, description="training runs on the CPU that runs gonogo")
    source: str = Field(description="source of the figures, with its date")
    sources: dict[str, str] = Field(default_factory=dict, description="key → source and date, if not those of `source`")
    unverified: list[str] = Field(default_factory=list, description="keys whose figures nobody has confirmed")


PEAKS = ("tflops_fp32", "tflops_tf32", "tflops_fp16", "tflops_bf16", "tflops_fp8")
FIGURES = ("visible_bytes", "context_bytes", *PEAKS, "bandwidth_gb_s", "usd_per_hour")
# every card since 2016 that trains, from the GTX 1080 to the B200, lies within these with room to spare
FLOP_PER_BYTE = (5, 1000)
SWEEPS_PER_S = (5, 150)  # how often a second all of the memory can be read
# dense peak of the first over that of the second; figures with sparsity are twice too high
RATIOS = {
    ("tflops_tf32", "tflops_fp32"): (0.9, 9),
    ("tflops_fp16", "tflops_fp32"): (0.9, 17),
    ("tflops_bf16", "tflops_fp32"): (0.9, 17),
    ("tflops_bf16", "tflops_fp16"): (0.4, 1.1),
    ("tflops_bf16", "tflops_tf32"): (1.8, 2.2),
    ("tflops_fp8", "tflops_fp16"): (0.9, 2.2),
}
MAX_CONTEXT = 0.15  # of the visible memory
MAX_USD_PER_HOUR = 50


def doubts(accelerator: Accelerator) -> list[str]:
    """What cannot be true, one sentence each, beginning with the key; empty: nothing speaks against the figures."""
    return [*_ratios(accelerator), *_memory(accelerator), *_price(accelerator), *_sources(accelerator)]


def _outside(value: float, bounds: tuple[float, float]) -> bool:
    return not bounds[0] <= value <= bounds[1]


def _ratios(card: Accelerator) -> Iterator[str]:
    for key in PEAKS:
        peak, bandwidth = getattr(card, key), card.bandwidth_gb_s
        if peak is not None and bandwidth is not None and _outside(peak * 1000 / bandwidth, FLOP_PER_BYTE):
            yield (
                f"{key}: {peak:g} TFLOPS with bandwidth_gb_s {bandwidth:g} is {peak * 1000 / bandwidth:.1f} FLOP a "
                f"byte; cards have {FLOP_PER_BYTE[0]} to {FLOP_PER_BYTE[1]}"
            )
    for (key, base), bounds in RATIOS.items():
        peak, other = getattr(card, key), getattr(card, base)
        if peak is not None and other is not None and _outside(peak / other, bounds):
            yield (
                f"{key}: {peak:g} is {peak / other:.1f} times {base} ({other:g}); cards have {bounds[0]:g} to "
                f"{bounds[1]:g} times, dense (data sheets often count sparsity, which doubles it)"
            )


def _memory(card: Accelerator) -> Iterator[str]:
    if card.visible_bytes is None:
        if not card.is_this_machine:
            yield "visible_bytes: null is only for this machine's CPU; no plan can be made without the figure"
        return
    if card.context_bytes > MAX_CONTEXT * card.visible_bytes:
        yield f"context_bytes: {gigabytes(card.context_bytes)} of {gigabytes(card.visible_bytes)} is too much"
    if card.bandwidth_gb_s is None:
        return
    sweeps = card.bandwidth_gb_s * 1e9 / card.visible_bytes
    if _outside(sweeps, SWEEPS_PER_S):
        yield (
            f"visible_bytes: {gigabytes(card.visible_bytes)} would be read {sweeps:.1f} times a second at "
            f"bandwidth_gb_s {card.bandwidth_gb_s:g}; cards do {SWEEPS_PER_S[0]} to {SWEEPS_PER_S[1]}"
        )


def _price(card: Accelerator) -> Iterator[str]:
    if card.usd_per_hour is None:
        return
    low, high = card.usd_per_hour
    if not 0 < low <= high or high > MAX_USD_PER_HOUR:
        yield f"usd_per_hour: [{low:g}, {high:g}] should be [lowest, highest], between 0 and {MAX_USD_PER_HOUR}"


def _sources(card: Accelerator) -> Iterator[str]:
    for key in [*card.sources, *card.unverified]:
        if key not in FIGURES:
            yield f"sources, unverified: {key!r} is not a figure; the figures are {', '.join(FIGURES)}"
    for key, source in card.sources.items():
        if not re.search(r"\b20\d\d\b", source):
            yield f"sources.{key}: {source!r} has no year"
