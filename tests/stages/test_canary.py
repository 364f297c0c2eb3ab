"""Whatever happens to the first steps is a measurement."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gonogo.base.ranges import Range
from gonogo.forecast.forecast import Forecast
from gonogo.gates import registry
from gonogo.gates.canary import Measurements, judge
from gonogo.memory.judge import Measurements as MemoryMeasurements
from gonogo.memory.plan_search import explore
from gonogo.remote.answers import Exit, GpuReading, Heartbeat, read
from gonogo.runtime.context import Run
from gonogo.stages import canary as stage_module
from gonogo.stages.canary import canary
from gonogo.stages.freshness import InputDigests
from gonogo.stages.held import StartedRun, started_file
from gonogo.training.spec import TrainingResult
from gonogo.verdict import Status
from tests.memory.cards import card, estimator
from tests.stages.conftest import Files, said

ANY = Range(low=1, mid=2, high=3)
RESULT = TrainingResult(
    steps=12, epochs=1, parameters=1, train_loss=[0.5, 0.25], val_steps=[], val_loss=[], step_s=[0.5], wall_s=6,
    peak_memory_bytes=10**9, device="card", finite=True,
)  # fmt: skip


def ended(cause: str) -> Exit:
    facts = {"cause": cause, "code": 1, "signal": None, "elapsed_s": 36, "usd": 0, "attempts": []}
    return read(Exit, facts, "box")


@pytest.fixture
def measure(stage_run: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Measures a canary that ends with this cause; returns its measurements and its run."""
    run = stage_run("canary")
    for shard in run.shards:
        shard.mkdir(parents=True)
    training, small = run.asked_training, card(16)
    memory, forecast = tmp_path / "memory.json", tmp_path / "forecast.json"
    explored = explore(estimator(small), training, small)
    MemoryMeasurements(accelerator=small, explored=explored).write(memory)
    forecast.write_text(
        Forecast(
            steps=100, step_s=ANY, hours=ANY, usd=ANY, setup_hours=ANY, around_hours=ANY, usd_per_hour=2, basis="-"
        ).model_dump_json()
    )

    def measured(cause: str, result: TrainingResult | None, already: str = "") -> tuple[Measurements, Run]:
        def run_to_end(
            run: Run, kind: str, inputs_digest: str, options: list[str], on_line: Any, on_beat: Any
        ) -> tuple[str, Exit]:
            assert (kind, options) == ("canary", ["--max-steps", "12"])
            for line in ("loading", "canary phase: validation", "CUDA out of memory"):
                on_line(line)
            on_beat(Heartbeat(gpu=GpuReading(used_bytes=1, total_bytes=2, busy_percent=3, temperature_c=71)))
            return "mine/runs/r", ended(cause)

        monkeypatch.setattr(stage_module, "machine", lambda run: contextlib.nullcontext())
        monkeypatch.setattr(stage_module, "paid_run", lambda there, experiment, key, finished: already)
        monkeypatch.setattr(stage_module, "run_to_end", run_to_end)
        monkeypatch.setattr(stage_module, "training_result", lambda run, run_dir: result)
        outputs = Files(measurements=tmp_path / "measurements.json", log=str(tmp_path / "canary.txt"))
        started = started_file(run.paths, "canary")
        StartedRun("r", "k", "local").write(started)
        canary(run, Files(memory=memory, forecast=forecast), outputs, Files(measured_after="2026-01-01"))
        assert not started.exists(), "it is not to be fetched"
        return Measurements.read(outputs.measurements), run

    return measured


def test_a_canary_that_ran_is_held_beside_the_plan(measure: Callable[..., Any]) -> None:
    measured, run = measure("finished", RESULT)
    assert (measured.steps, measured.step_s, measured.peak_memory_bytes) == (12, 0.5, 10**9)
    assert (measured.first_loss, measured.last_loss, measured.temperature_c) == (0.5, 0.25, 71)
    assert measured.planned_step_s_high == 3 and measured.planned_peak_bytes
    assert measured.inputs_digest == InputDigests(run).of(registry.gate("canary"))
    assert measured.measured_after == "2026-01-01" and "12 steps at 0.500 s" in said(run)


def test_one_that_crashed_is_measured_too(measure: Callable[..., Any], tmp_path: Path) -> None:
    measured, _ = measure("failed", None)
    assert (measured.exit_cause, measured.steps, measured.finite) == ("failed", 0, False)
    assert measured.log_tail[-1] == "CUDA out of memory"
    assert measured.last_phase == "validation"
    assert (tmp_path / "canary.txt").read_text() == "loading\ncanary phase: validation\nCUDA out of memory\n"


def test_none_runs_beside_or_after_the_paid_run_of_the_same_inputs(measure: Callable[..., Any]) -> None:
    measured, run = measure("failed", None, already="20260101-000000_mine_abcdef")
    assert measured.inputs_digest == InputDigests(run).launch
    checks, cause = judge(measured, run.gates.canary)
    assert [check.status for check in checks] == [Status.CAUTION] and not cause
    assert "no first steps" in said(run)
