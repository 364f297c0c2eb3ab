"""The pass on the processor over unmodified GPU scripts that are healthy: nothing is found, all is reached."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gonogo.script.passes import run_pass
from gonogo.script.processor.facts import ProcessorFacts
from gonogo.script.processor.judge import judge
from gonogo.script.processor.redirect import fast_bfloat16
from gonogo.script.request import PassRequest, ScriptCommand
from gonogo.verdict import Status
from tests.script.processor.faults import FAULTS, HEALTHY, Fault
from tests.waiting import LIMIT_S, lines_of

SCRIPTS = Path(__file__).with_name("scripts")


def seen(script: Path, folder: Path, steps: int = 12, limit_s: float = 60) -> tuple[ProcessorFacts, list[str]]:
    """Facts of a pass over a script, and the lines that it printed."""
    out, lines = folder / "pass", []
    out.mkdir()
    command = ScriptCommand(words=[script.name], path=script.name)
    request = PassRequest(
        kind="processor", command=command, folder=script.parent, scratch=folder, steps=steps, limit_s=limit_s
    )  # fmt: skip
    done = run_pass(request, out, lines.append)
    return done.facts(ProcessorFacts), lines


def test_a_loader_made_for_each_epoch_is_a_training_loader(tmp_path: Path) -> None:
    script = tmp_path / "work/train.py"
    script.parent.mkdir()
    script.write_text(
        """
import torch
from torch.utils.data import DataLoader, TensorDataset
torch.manual_seed(0)
x, w = torch.randn(256, 8), torch.randn(8, 1)
data = TensorDataset(x, x @ w)
model = torch.nn.Linear(8, 1).cuda()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
for epoch in range(10):
    for rows, targets in DataLoader(data, batch_size=32, shuffle=True):
        loss = (model(rows.cuda()) - targets.cuda()).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
"""
    )
    facts, _ = seen(script, tmp_path)
    read = [one for one in facts.data.loaders if one.batches]
    assert len(read) > 1 and {one.role for one in read} == {"train"}
    assert "validation_overlap" not in {check.id for check in judge(facts).data}


@pytest.mark.parametrize("name", ["plain", "language", "lightning_classes"])
def test_a_healthy_script_is_not_stopped_and_its_results_are_its_own(name: str, tmp_path: Path) -> None:
    script = tmp_path / "work" / f"{name}.py"
    script.parent.mkdir()
    shutil.copy(SCRIPTS / script.name, script)
    facts, lines = seen(script, tmp_path)
    parts = judge(facts)
    checks = [*parts.data, *parts.wiring, *parts.learning]
    assert [f"{c.id}: {c.why}" for c in checks if c.status in {Status.NO_GO, Status.UNKNOWN}] == []
    assert facts.reached.validation is not None and facts.reached.checkpoint is not None
    watched = [line for line in lines if line.startswith("loss ")][:12]
    plain = script.read_text().replace('"cuda"', '"cpu"').replace(".cuda()", "").replace('"gpu"', '"cpu"')
    plain = plain.replace(".pin_memory()", "").replace("float16", f"bfloat16, enabled={fast_bfloat16()}")
    plain = plain.replace("16-mixed", "bf16-mixed" if fast_bfloat16() else "32")
    script.write_text(plain.replace("num_workers=2, pin_memory=True", "").replace("torch.compile(", "("))
    alone = subprocess.Popen(
        [sys.executable, "-u", script.name], cwd=script.parent, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True,
    )  # fmt: skip
    own = []
    for line in lines_of(alone):
        own += [line.rstrip("\n")] if line.startswith("loss ") else []
        if len(own) == 12:
            break
    alone.kill()
    alone.wait(timeout=LIMIT_S)
    assert watched == own


FEW = (
    "layer without an optimizer in plain", "(N, 1) minus (N,) in regression", "no causal mask in language",
    "graph kept in plain", "NaN in a module in lightning_classes", "class out of range in plain",
)  # fmt: skip


def _named(fault: Fault, folder: Path) -> list[str]:
    """What is said of a script with this fault, gravest first; only the first where the fault is no matter of taste."""
    script = folder / "work" / "train.py"
    script.parent.mkdir()
    script.write_text(fault.text())
    parts = judge(seen(script, folder, limit_s=40)[0])
    checks = [*parts.data, *parts.wiring, *parts.learning]
    stopped = [check for check in checks if check.status is Status.NO_GO][:1]
    warned = [check for check in checks if check.status is Status.CAUTION]
    said = [*stopped, *warned] if fault.cautions else stopped
    return [f"{check.id}: {check.why} {check.hint}" for check in said]


FEW_FAULTS = [fault for fault in FAULTS if f"{fault.kind} in {fault.script}" in FEW]


@pytest.mark.parametrize("fault", FEW_FAULTS, ids=lambda f: f.name)
def test_a_fault_is_named(fault: Fault, tmp_path: Path) -> None:
    said = _named(fault, tmp_path)
    assert any(one.partition(":")[0] in fault.checks and fault.words in one for one in said), said


def test_every_fault_of_the_benchmark_can_be_put_into_its_script() -> None:
    assert all(fault.text() != (SCRIPTS / f"{fault.script}.py").read_text() for fault in FAULTS)
    assert {fault.script for fault in FAULTS} <= set(HEALTHY) and len(FAULTS) == len({fault.name for fault in FAULTS})
