from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from gonogo.experiment.step import Step
from gonogo.memory.trace import trace_step
from gonogo.memory.trace_result import Traced

LIBRARY = """
from torch.utils.checkpoint import checkpoint

def run(block, x):
    return checkpoint(block, x, use_reentrant=False)
"""


def step() -> Step:
    import imported_in_a_trace as library  # a library that the project's model brings

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.block = nn.Sequential(*(nn.Linear(64, 64) for _ in range(8)))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = library.run(self.block, x)
            return found

    model = Model()
    return Step(
        model=model, optimizer=torch.optim.SGD(model.parameters()), batch=torch.zeros(1024, 64),
        run=lambda batch: model(batch).sum(), micro_batch_size=1024,
    )  # fmt: skip


def traced(plain: bool) -> Traced:
    found = trace_step(step, plain=plain)
    assert not found.error and found.events is not None
    return found


def test_a_library_that_is_imported_within_a_trace_checkpoints_as_each_later_trace_wants(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "imported_in_a_trace.py").write_text(LIBRARY)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "imported_in_a_trace", raising=False)
    first, without, again = traced(False), traced(True), traced(False)
    peaks = [found.events.live_bytes().max() for found in (first, without, again) if found.events is not None]
    assert peaks[0] == peaks[2] < peaks[1]
    assert first.checkpointed and again.checkpointed == first.checkpointed


def test_outside_of_a_trace_it_is_torchs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "imported_in_a_trace.py").write_text(LIBRARY)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "imported_in_a_trace", raising=False)
    traced(True)
    import imported_in_a_trace as library

    x = torch.ones(2, 2, requires_grad=True)
    library.run(nn.Linear(2, 2), x).sum().backward()
    assert x.grad is not None
