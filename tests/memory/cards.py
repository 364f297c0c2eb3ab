"""Accelerators and plans for tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gonogo.config.accelerator import Accelerator
from gonogo.config.experiment import Training
from gonogo.memory.estimate import MemoryEstimate, estimate
from gonogo.memory.events import Events
from gonogo.memory.plan_search import Estimator
from gonogo.memory.trace_result import Traced
from tests.memory.synthetic import PER_SAMPLE, WEIGHTS, training_step

GB = 1_000_000_000


def card(gigabytes: float = 16, **changes: Any) -> Accelerator:
    figures: dict[str, Any] = {
        "title": "a card", "architecture": "ampere", "visible_bytes": int(gigabytes * GB), "context_bytes": GB // 2,
        "tflops_fp32": 20, "tflops_fp16": 160, "tflops_bf16": 160, "bandwidth_gb_s": 1000, "source": "a test, 2026",
    }  # fmt: skip
    return Accelerator.model_validate({**figures, **changes})


def traced_step(events: Events, **facts: Any) -> Traced:
    return Traced(1, 1, "32-true", events=events, **facts)


def estimator(on: Accelerator, traced: list[Training] | None = None, **facts: Any) -> Estimator:
    """Of a network with 1 GB of weights and 2 GB of activations a sample; `checkpoint` keeps a tenth of these.

    `traced` is filled with what was traced.
    """

    def run(training: Training, options: Mapping[str, Any]) -> MemoryEstimate:
        if traced is not None:
            traced.append(training)
        per_sample = PER_SAMPLE // 10 if options.get("checkpoint") else PER_SAMPLE
        per_sample = per_sample // 2 if training.precision.startswith("bf16") else per_sample
        found = traced_step(training_step(training.micro_batch_size, weights=WEIGHTS, per_sample=per_sample), **facts)
        return estimate(found, training, on)

    return run
