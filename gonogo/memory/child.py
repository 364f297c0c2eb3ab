"""The trace in a process of its own: it may run out of time or memory, or abort, and the answer is then UNKNOWN."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

from pydantic import BaseModel

from gonogo.config import ExperimentConfig, Training
from gonogo.experiment import load_experiment
from gonogo.memory.judge import Trace

LIMIT_S = 300
LIMIT_BYTES = 8_000_000_000  # of address space; a trace holds shapes, not data


class Order(BaseModel):
    experiment: str
    experiment_config: ExperimentConfig
    training: Training


def trace_in_child(order: Order, limit_s: float = LIMIT_S) -> Trace:
    """Trace the training step that `order` describes; whatever goes wrong is the trace's `error`."""
    started = time.time()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "gonogo.memory.child"], input=order.model_dump_json(by_alias=True),
            capture_output=True, text=True, timeout=limit_s, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return _failed(order, f"the trace took longer than {limit_s:.0f} s", started)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return _failed(order, f"the trace's process ended with exit code {done.returncode}: {last}", started)
    return Trace.model_validate_json(done.stdout.splitlines()[-1])


def _failed(order: Order, error: str, started: float) -> Trace:
    training = order.training
    return Trace(
        parameters=0, micro_batch_size=training.micro_batch_size, precision=training.precision, peak_bytes=None,
        accumulate_grad_batches=training.accumulate_grad_batches, components_bytes={}, operations=0, error=error,
        seconds=time.time() - started,
    )  # fmt: skip


def main() -> None:
    from gonogo.memory.trace import trace

    resource.setrlimit(resource.RLIMIT_AS, (LIMIT_BYTES, LIMIT_BYTES))
    order = Order.model_validate_json(sys.stdin.read())
    experiment = load_experiment(order.experiment, order.experiment_config, Path.cwd())
    print(trace(experiment, order.training).model_dump_json(), flush=True)
    os._exit(0)  # torn down in the interpreter's order, fake tensors corrupt the heap (torch 2.13)


if __name__ == "__main__":
    main()
