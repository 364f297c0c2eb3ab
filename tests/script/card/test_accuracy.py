"""The fake pass over a script against the memory gate's trace of the same model and batch: within 1 %."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from gonogo.experiment.step import Step
from gonogo.memory.allocator import replay
from gonogo.memory.trace import trace_step
from tests.script.card.runs import SCRIPTS, over


def module(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    assert spec and spec.loader
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def plain(amp: bool) -> Step:
    model = module("plain").Net()
    kept: list[Any] = []

    def run(tokens: torch.Tensor) -> torch.Tensor:
        logits = model(tokens)
        loss = F.cross_entropy(logits.flatten(0, 1), tokens.flatten())
        kept[:] = [logits, loss]
        return loss

    return Step(
        model=model, optimizer=lambda: torch.optim.AdamW(model.parameters(), lr=1e-3), run=run,
        batch=torch.zeros(64, 32, dtype=torch.long), micro_batch_size=64, zero_grad="before_backward",
        precision="16-mixed" if amp else "32-true",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("script", "arguments", "build"),
    [
        ("plain.py", ["--batch", "64", "--samples", "256"], lambda: plain(False)),
        ("plain.py", ["--batch", "64", "--samples", "256", "--amp"], lambda: plain(True)),
    ],
    ids=["plain", "plain-amp"],
)
def test_a_script_needs_what_the_gate_says_of_its_step(
    script: str, arguments: list[str], build: Callable[[], Step], tmp_path: Path
) -> None:
    seen = over(script, tmp_path, *arguments, "--out", str(tmp_path / "checkpoint.pt"))
    traced = trace_step(build)
    assert traced.events is not None, traced.error
    gate = replay(traced.events)
    steady = seen.facts.stage("steady step")
    assert steady.live_bytes == pytest.approx(gate.peak_requested_bytes, rel=0.01)
    assert steady.reserved_bytes == pytest.approx(gate.peak_reserved_bytes, rel=0.01)
