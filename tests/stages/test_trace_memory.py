from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gonogo.gates import registry
from gonogo.memory.judge import Measurements
from gonogo.runtime.context import Run
from gonogo.stages.freshness import InputDigests
from gonogo.stages.trace_memory import trace_memory
from tests.stages.conftest import Files, said

STEP = """
import torch
def step(micro_batch_size):
    model = torch.nn.Linear(4, 4)
    batch = torch.zeros(micro_batch_size, 4)
    return model, torch.optim.SGD(model.parameters()), lambda batch: model(batch).square().mean(), batch
"""


def test_the_planned_step_is_traced_for_the_targets_card(stage_run: Callable[..., Run], tmp_path: Path) -> None:
    run = stage_run("trace_memory")
    (tmp_path / "my/memory.py").write_text(STEP)
    run.experiment_config.memory = "my.memory:step"
    out = tmp_path / "measurements.json"
    trace_memory(run, Files(), Files(measurements=out))
    measured = Measurements.read(out)
    assert measured.estimate.parameters == 20 and measured.estimate.needed_bytes
    assert measured.accelerator == run.settings.accelerator and "operations, needs" in said(run)
    assert measured.inputs_digest == InputDigests(run).of(registry.gate("memory"))
