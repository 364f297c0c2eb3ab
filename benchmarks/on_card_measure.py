"""One case of `benchmarks.on_card`, predicted by a trace or run for real, in a process of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch

from benchmarks.on_card_cases import Case
from benchmarks.real_bytes import RealBytes
from gonogo.config.accelerator import Accelerator
from gonogo.config.experiment import Training
from gonogo.experiment.step import Step
from gonogo.memory.devices import card_of
from gonogo.memory.estimate import estimate
from gonogo.memory.torch_private import tree_map_only
from gonogo.memory.trace import trace_step

STEPS = 3


def predict(case: Case, on: str, limit_bytes: int) -> dict[str, Any]:
    """What the gate says of it on this card."""
    arguments = case.large if on == "cuda" else case.small
    card = _card(on)
    traced = trace_step(lambda: case.build(**arguments), device=on, card=card_of(card.architecture))
    found = estimate(traced, Training(), card, case.environment)
    return {
        "reserved_bytes": found.reserved_bytes, "live_bytes": found.live_bytes, "needed_bytes": found.needed_bytes,
        "fastest_bytes": found.fastest_bytes, "parts_bytes": found.parts_bytes, "family": found.family,
        "fits": found.fits, "guessed": found.guessed, "missing": found.missing, "error": found.error,
        "seconds": traced.seconds,
    }  # fmt: skip


def _card(on: str) -> Accelerator:
    """The card that is here, or one with room for everything, where it is asked about at home."""
    if on == "cpu":
        return Accelerator.model_validate(
            {
                "title": "this processor",
                "architecture": "cpu",
                "visible_bytes": 1 << 50,
                "context_bytes": 0,
                "source": "",
            }
        )
    major = torch.cuda.get_device_capability()[0] if torch.cuda.is_available() else 9
    total = torch.cuda.get_device_properties(0).total_memory if torch.cuda.is_available() else 139 << 30
    architecture = {7: "turing", 8: "ampere", 9: "hopper"}.get(major, "blackwell")
    return Accelerator.model_validate(
        {
            "title": "this card", "architecture": architecture, "visible_bytes": total, "context_bytes": 300_000_000,
            "source": "torch.cuda",
        }
    )  # fmt: skip


def measure(case: Case, on: str, limit_bytes: int) -> dict[str, Any]:
    """Its peak, run for real: reserved memory on a card, live bytes of tensors on a processor."""
    began = time.monotonic()
    torch.manual_seed(0)
    if on == "cpu":
        counter = RealBytes()
        step = case.build(**case.small)
        for tensor in [*step.model.parameters(), *step.model.buffers()]:
            counter.count(tensor)
        with counter:
            run_parts(step, on)
        return {"peak_bytes": counter.peak, "retries": 0, "seconds": time.monotonic() - began}
    torch.backends.cudnn.benchmark = case.benchmark
    free, total = torch.cuda.mem_get_info()
    if limit_bytes:
        torch.cuda.set_per_process_memory_fraction(limit_bytes / total)
    lowest = Lowest(free)
    step = case.build(**case.large)
    if case.compiled:
        step.model.compile()
    oom = ""
    try:
        run_parts(step, on, lowest.look)
        torch.cuda.synchronize()
    except torch.cuda.OutOfMemoryError as error:
        oom = str(error).splitlines()[0]
    lowest.look()
    stats = torch.cuda.memory_stats()
    return {
        "peak_bytes": torch.cuda.max_memory_reserved(), "allocated_bytes": torch.cuda.max_memory_allocated(),
        "driver_bytes": free - lowest.bytes, "retries": stats["num_alloc_retries"], "out_of_memory": oom,
        "device": torch.cuda.get_device_name(), "cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version(),
        "seconds": time.monotonic() - began,
    }  # fmt: skip


class Lowest:
    """The least free memory that the driver said."""

    def __init__(self, free: int) -> None:
        self.bytes = free

    def look(self) -> None:
        self.bytes = min(self.bytes, torch.cuda.mem_get_info()[0])


def run_parts(step: Step, on: str, look: Callable[[], None] = lambda: None) -> None:
    """The same parts in the same order as the trace: steps, other batches, validation, a checkpoint."""
    model = step.model
    if step.precision == "bf16-true":
        model.to(torch.bfloat16)
    model.to(on)
    model.train()
    made: Any = step.optimizer() if callable(step.optimizer) else step.optimizer
    names: dict[str, Any] = {}
    for batch in [*[step.batch] * STEPS, *(batch for _, batch in step.other_batches), step.batch]:
        names["batch"] = _moved(batch, on)
        with _autocast(step, on):
            loss = step.run(names["batch"])
        made.zero_grad()
        loss.backward()
        made.step()
        look()
    with torch.no_grad(), _autocast(step, on):
        model.eval()
        if step.validate is not None:
            for _ in range(max(step.validation_batches, 1)):
                step.validate(_moved(step.validation_batch, on))
                look()
    if step.checkpoint is not None:
        step.checkpoint({"state_dict": model.state_dict(), "optimizer_states": [made.state_dict()]})
        look()


def _moved(batch: Any, on: str) -> Any:
    """A copy, on a processor too: as one goes to a card."""
    return tree_map_only(torch.Tensor, lambda tensor: tensor.clone() if on == "cpu" else tensor.to(on), batch)


def _autocast(step: Step, on: str) -> Any:
    return torch.autocast(on, dtype=torch.bfloat16, enabled=step.precision == "bf16-mixed")
