"""A user-defined mode and a recorded option, through real traces of the shipped experiment."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from gonogo.config.accelerator import Accelerator
from gonogo.config.load import load
from gonogo.gates import judging, registry
from gonogo.memory.estimate import estimate
from gonogo.memory.judge import Measurements
from gonogo.memory.plan import plan_from
from gonogo.memory.plan_search import Candidate, Explored
from gonogo.memory.plan_search_process import PlanSearch, explored_here
from gonogo.runtime.context import Run
from gonogo.stages.upload import run_spec
from gonogo.training.spec import RunSpec
from gonogo.verdict import Status
from tests.conftest import ROOT
from tests.memory.cards import card

pytest.importorskip("monai")


def run_of(folder: Path, monkeypatch: pytest.MonkeyPatch, **mine: Any) -> Run:
    """The experiment `mine`, which extends the shipped one, in its mode `own`."""
    shutil.copytree(ROOT / "config", folder / "config")
    (folder / "config/experiments/mine.yaml").write_text(yaml.safe_dump({"extends": "cvs", **mine}))
    monkeypatch.chdir(folder)
    return Run("upload", "mine", io.StringIO(), "own", load({"experiments": "mine", "mode": "own"}, folder))


def task(run: Run, accelerator: Accelerator) -> PlanSearch:
    return PlanSearch(
        experiment="mine", experiment_config=run.experiment_config, training=run.asked_training, accelerator=accelerator
    )


def test_a_mode_of_ones_own_is_planned_and_its_batch_is_refused_where_it_is_unsafe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gonogo.memory.trace_process import traced_here

    run = run_of(tmp_path, monkeypatch, modes={"own": {"training": {"epochs": 150, "micro_batch_size": 24}}})
    sent = RunSpec.model_validate_json(run_spec(run).model_dump_json(by_alias=True)).training
    assert (sent.epochs, sent.micro_batch_size) == (150, 24)
    traced = traced_here(task(run, card()).request(sent, {}))

    def verdict(on: Accelerator) -> Any:
        found = estimate(traced, sent, on)
        candidate = Candidate(training=sent, needed_bytes=found.needed_bytes, fits=found.fits, estimate=found)
        explored = Explored(capacity_bytes=on.visible_bytes, candidates=[candidate])
        measured = Measurements(accelerator=on, explored=explored)
        return judging.judge(registry.gate("memory"), measured, run.gates, experiment="mine", mode="own").verdict

    assert verdict(card(16)).status is Status.GO
    refused = verdict(card(0.65))
    assert refused.status is Status.NO_GO and refused.cause == "MEMORY" and not refused.go
    assert "micro-batch 24" in refused.checks[0].title and "run out of memory" in refused.checks[0].why


def test_a_real_models_need_is_a_line_that_a_third_batch_lies_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_of(tmp_path, monkeypatch, modes={"own": {"training": {"micro_batch_size": 16}}})
    on = card(400)
    explored = explored_here(task(run, on))
    line = explored.line
    assert line is not None and [size.micro_batch_size for size in explored.sizes] == [8, 16]
    third = run.asked_training.model_copy(update={"micro_batch_size": 48})
    from gonogo.memory.trace_process import traced_here

    needed = estimate(traced_here(task(run, on).request(third, {})), third, on).needed_bytes
    assert needed is not None
    assert 48 * line.per_sample_bytes == pytest.approx(needed - line.fixed_bytes, rel=0.1), "of the activations alone"
    assert {need.name for need in explored.cards} > {"h200", "mi300x"}
    assert all(need.needed_bytes and need.fits for need in explored.cards)


def test_gradient_checkpointing_lets_the_peak_fall_and_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = {"own": {"training": {"micro_batch_size": 1}}}
    run = run_of(tmp_path / "off", monkeypatch, settings={"data": {"image_size": 256}}, modes=alone)
    small = card(0.64)
    explored = explored_here(task(run, small))
    asked, *others = explored.candidates
    with_it = next(candidate for candidate in others if candidate.options == ["gradient checkpointing"])
    assert asked.fits is False and with_it.fits
    assert asked.estimate and with_it.estimate and with_it.estimate.live_bytes < 0.7 * asked.estimate.live_bytes
    (advised,) = plan_from(explored, small, run.gates.memory).changes
    assert (advised.key, advised.new) == ("settings.model.checkpointing", True)

    settings = {"data": {"image_size": 256}, "model": {"checkpointing": True}}
    written = run_spec(run_of(tmp_path / "on", monkeypatch, settings=settings, modes=alone))
    assert RunSpec.model_validate_json(written.model_dump_json(by_alias=True)).experiment_config.settings[
        "model"
    ]["checkpointing"]  # fmt: skip
