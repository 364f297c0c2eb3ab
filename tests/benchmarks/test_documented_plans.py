"""Plans that were computed by hand, traced: the models are theirs, the verdicts are not."""

from __future__ import annotations

import dataclasses
import importlib.util

import pytest

from benchmarks.documented_plans import SYSTEMS, main, rows, traced_here
from gonogo.config.accelerator import Accelerator
from gonogo.config.experiment import Training
from gonogo.config.gate_thresholds import MemoryGate
from gonogo.config.load import load_accelerator
from gonogo.memory.choice import weigh
from gonogo.memory.estimate import estimate
from gonogo.memory.plan_search import Candidate
from gonogo.memory.request import TraceRequest
from gonogo.memory.trace_process import trace_in_child
from gonogo.verdict import Status
from tests.conftest import ROOT

BY_NAME = {system.name: system for system in SYSTEMS}


def card(name: str) -> Accelerator:
    return load_accelerator(ROOT / "config", BY_NAME[name].card)


needs_ct = pytest.mark.skipif(importlib.util.find_spec("monai") is None, reason="needs the extra `ct`")


@needs_ct
def test_the_volumes_model_has_its_documented_size() -> None:
    found = traced_here("vqgan_step", card("vqgan"))(Training(micro_batch_size=1), {"hidden": 64})
    assert found.error == "" and found.parameters == pytest.approx(22.2e6, rel=0.01)


@needs_ct
def test_a_batch_of_volumes_needs_many_times_what_was_written() -> None:
    trace = traced_here("vqgan_step", card("vqgan"))
    found = trace(Training(micro_batch_size=4), {"hidden": 16})
    assert found.needed_bytes is not None and found.needed_bytes > 5 * 16e9
    assert found.components_bytes["activations"] > 0.8 * found.needed_bytes


def test_the_view_synthesis_model_is_counted_whole() -> None:
    training = Training(micro_batch_size=1)
    traced = trace_in_child(
        TraceRequest(entry="tests.memory.entries:view_synthesis", training=training, architecture="cdna3")
    )
    found = estimate(traced, training, card("cvs"))
    assert found.error == "" and found.parameters == pytest.approx(54.27e6, abs=5e3)
    weights = 4 * found.parameters
    parts = found.components_bytes
    assert parts["weights"] == pytest.approx(weights, rel=0.001)
    assert parts["moving average"] == pytest.approx(weights, rel=0.01)
    assert parts["optimizer state"] == pytest.approx(2 * weights, rel=0.001)
    # with gradients as large as the weights: 1.01 GiB whatever the batch
    assert 5 * weights / 2**30 == pytest.approx(1.01, abs=0.005)


@pytest.mark.skipif(importlib.util.find_spec("transformers") is None, reason="needs the extra `cad`")
def test_eight_billion_weights_do_not_fit_sixteen_gigabytes() -> None:
    on = card("qwen")
    training = Training(micro_batch_size=1, precision="bf16-true")
    found = traced_here("qwen_step", on)(training, {"length": 256, "checkpointing": True})
    candidate = Candidate(training=training, needed_bytes=found.needed_bytes, fits=found.fits, estimate=found)
    assert weigh(candidate, on.visible_bytes, MemoryGate()) is Status.NO_GO


@needs_ct
def test_the_table_says_what_the_document_said_beside_the_estimate() -> None:
    system = BY_NAME["vqgan"]
    one = next(row for row in system.rows if row[0] == "hidden 64, batch 4")
    (row,) = rows(dataclasses.replace(system, rows=(one,)), card("vqgan"), MemoryGate())
    assert (row["step"], row["document"], row["verdict"]) == ("hidden 64, batch 4", "15 to 16 GB", "OOM")
    assert row["needed_bytes"] > 20 * 16e9 and row["share"] > 1


def test_an_unknown_system_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eeg"]) == 1 and "no such system: eeg; there are cvs, vqgan, qwen" in capsys.readouterr().err
