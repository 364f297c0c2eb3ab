"""The memory gate on one training step, without a workflow: `gonogo memory`, and `check_memory` from Python."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gonogo.config.accelerator import Accelerator
from gonogo.config.experiment import Training
from gonogo.config.gate_thresholds import MemoryGate
from gonogo.config.load import load_accelerator
from gonogo.memory.capacity import capacity_bytes
from gonogo.memory.estimate import MemoryEstimate, estimate
from gonogo.memory.judge import Measurements, judge
from gonogo.memory.plan_search import Candidate, Explored
from gonogo.memory.request import TraceRequest
from gonogo.memory.trace_process import trace_in_child, trace_in_fork
from gonogo.verdict import Verdict, decide


def check_memory(step: Callable[[], Any] | str, card: str = "h200", gate: MemoryGate | None = None) -> Verdict:
    """Whether a training step fits a card's memory, without that card.

    Args:
        step: returns (model, optimizer, step callable, batch), as tensors on the CPU; or `package.module:function`.
        card: name in accelerators.yaml.

    Returns:
        A verdict whose check `peak_memory` has the need in GB. What cannot be traced is UNKNOWN.

    Raises:
        UserError: there is no such card or function.
    """
    accelerator = load_accelerator(Path("config"), card)
    training = Training.model_validate({"micro_batch_size": 1, "gradient_clip_val": 0})
    request = TraceRequest(
        entry=step if isinstance(step, str) else "", training=training, architecture=accelerator.architecture
    )
    traced = trace_in_child(request) if isinstance(step, str) else trace_in_fork(step, request)
    training = training.model_copy(update={"micro_batch_size": traced.micro_batch_size or 1})
    name = step if isinstance(step, str) else getattr(step, "__name__", "step")
    return verdict_of(estimate(traced, training, accelerator), training, accelerator, name, gate)


def verdict_of(
    found: MemoryEstimate, training: Training, accelerator: Accelerator, name: str, gate: MemoryGate | None = None
) -> Verdict:
    """The memory gate's verdict on one estimate, without other plans around it."""
    candidate = Candidate(training=training, needed_bytes=found.needed_bytes, fits=found.fits, estimate=found)
    explored = Explored(capacity_bytes=capacity_bytes(accelerator), candidates=[candidate])
    judged = judge(Measurements(accelerator=accelerator, explored=explored), gate or MemoryGate())
    return decide(
        judged.checks, gate="memory", experiment=name, cause=judged.cause, inputs_digest="",
        measured_at=dt.datetime.now(dt.UTC),
    )  # fmt: skip
