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


def lightning() -> Step:
    script = module("lightning_module")
    model = script.Classifier()
    return Step(
        model=model, optimizer=lambda: torch.optim.AdamW(model.parameters(), lr=1e-3), zero_grad="before_backward",
        run=lambda batch: F.cross_entropy(model(batch[0]), batch[1]), micro_batch_size=32, precision="bf16-mixed",
        batch=[torch.zeros(32, 3, 16, 16), torch.zeros(32, dtype=torch.long)],
    )  # fmt: skip


def transformers() -> Step:
    from transformers import GPT2Config, GPT2LMHeadModel

    model = GPT2LMHeadModel(
        GPT2Config(vocab_size=2000, n_positions=64, n_embd=256, n_layer=2, n_head=4, use_cache=False)
    )
    tokens = torch.zeros(8, 64, dtype=torch.long)
    return Step(
        model=model, optimizer=lambda: torch.optim.AdamW(model.parameters(), fused=True), zero_grad="end",
        run=lambda batch: model(**batch).loss, batch={"input_ids": tokens, "labels": tokens.clone()},
        micro_batch_size=8, precision="bf16-mixed", gradient_clip_val=1.0, accumulate_grad_batches=2,
    )  # fmt: skip


def recurrent() -> Step:
    embed, cell, head = torch.nn.Embedding(100, 32), torch.nn.LSTM(32, 64, 2), torch.nn.Linear(64, 100)
    model = torch.nn.ModuleList([embed, cell, head])
    kept = []

    def run(tokens: torch.Tensor) -> torch.Tensor:
        out, _ = cell(embed(tokens))
        kept[:] = [out, _]
        return F.cross_entropy(head(out).flatten(0, 1), tokens.flatten())

    return Step(
        model=model, optimizer=lambda: torch.optim.SGD(model.parameters(), lr=0.1), run=run, micro_batch_size=8,
        batch=torch.zeros(12, 8, dtype=torch.long), gradient_clip_val=0.25, zero_grad="end",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("script", "arguments", "build"),
    [
        ("lightning_module.py", ["FOLDER"], lightning),
        ("transformers_trainer.py", ["FOLDER"], transformers),
        ("recurrent.py", [], recurrent),
        ("plain.py", ["--batch", "64", "--samples", "256", "--out", "FOLDER"], lambda: plain(False)),
        ("plain.py", ["--batch", "64", "--samples", "256", "--out", "FOLDER", "--amp"], lambda: plain(True)),
    ],
    ids=["lightning", "transformers", "recurrent", "plain", "plain-amp"],
)
def test_a_script_needs_what_the_gate_says_of_its_step(
    script: str, arguments: list[str], build: Callable[[], Step], tmp_path: Path
) -> None:
    arguments = [str(tmp_path / "made") if word == "FOLDER" else word for word in arguments]
    seen = over(script, tmp_path, *arguments)
    traced = trace_step(build)
    assert traced.events is not None, traced.error
    gate = replay(traced.events)
    assert seen.facts.untraceable == "" and seen.facts.error is None
    steady = seen.facts.stage("steady step")
    assert steady.live_bytes == pytest.approx(gate.peak_requested_bytes, rel=0.01)
    assert steady.reserved_bytes == pytest.approx(gate.peak_reserved_bytes, rel=0.01)
