"""The report of a run, gathered from its stages' files: beside it stands an earlier run in a shorter mode."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from gonogo.base.files import write_json, write_text
from gonogo.base.ranges import Range
from gonogo.config.load import load
from gonogo.forecast.forecast import Forecast
from gonogo.gates.results import Measurements
from gonogo.remote.transfer import note_reported
from gonogo.report.rendering import html_page
from gonogo.report.run_report import RunFacts, run_report
from gonogo.runtime.context import Run
from gonogo.stages.report import run_facts
from gonogo.training.spec import TrainingResult
from tests.conftest import ROOT

ANY = Range(low=1, mid=2, high=3)


def finished(results: Path, mode: str, steps: int, hours: float, metrics: dict[str, float]) -> None:
    """What the stages of a run in this mode leave."""
    result = TrainingResult(
        steps=steps, epochs=1, parameters=1, train_loss=[1.0], val_steps=[steps], val_loss=[1 / steps], step_s=[0.5],
        wall_s=1, peak_memory_bytes=1, device="card", finite=True,
    )  # fmt: skip
    folder = results / "cvs" / mode
    write_text(results / "cvs/smoke_train/training.json", result.model_dump_json())
    Measurements(metrics=metrics, pictures=Path("none")).write(folder / "results/measurements.json")
    run = {"hours": hours, "usd": 2 * hours, "target": "local", "result": json.loads(result.model_dump_json())}
    write_json(folder / "cloud_train/run.json", run)
    write_json(folder / "download/archive.json", {"folder": f"archive/cvs/{mode}"})
    planned = Forecast(
        steps=steps, step_s=ANY, hours=ANY, usd=ANY, setup_hours=ANY, around_hours=ANY, usd_per_hour=2, basis="-"
    )  # fmt: skip
    write_text(folder / "forecast/forecast.json", planned.model_dump_json())


def facts(results: Path, mode: str) -> RunFacts:
    folders = {"results_dir": str(results), "archive_dir": str(results / "archive")}
    settings = load({"experiments": "cvs", "mode": mode, **folders}, ROOT)
    run = Run(stage="report", experiment="cvs", mode=mode, settings=settings, log=io.StringIO())
    return run_facts(run, results / "cvs" / mode / "report")


@pytest.fixture
def results(tmp_path: Path) -> Path:
    finished(tmp_path, "validate", 272, 0.02, {"psnr_db": 15.6, "skill": 0.7})
    finished(tmp_path, "fast", 5100, 0.4, {"psnr_db": 18.2, "skill": 0.8})
    return tmp_path


def test_an_earlier_shorter_run_stands_beside_this_one_by_metrics_time_and_cost(results: Path) -> None:
    found = facts(results, "fast")
    report = run_report(found)
    page = html_page(report, found.status, results)
    assert f"Obtained in {found.earlier}" in report and f"Obtained in {found.earlier}" in page
    (row,) = [line for line in report.splitlines() if line.startswith("| psnr_db |")]
    assert row.startswith("| psnr_db | – | at least 14.5 | 15.6 | 18.2 |")
    legs = report.split("## Local and cloud")[1].splitlines()
    assert any(line.startswith("| validate, local | card | 8 | 272 |") and "$0.04" in line for line in legs)
    assert any(line.startswith("| fast, local | card | 8 | 5100 |") and "$0.80" in line for line in legs)


def test_the_shortest_mode_stands_alone_and_a_longer_one_is_no_earlier_run(results: Path) -> None:
    found = facts(results, "validate")
    assert found.earlier == "" and "Obtained in" not in run_report(found)
    assert [leg.name for leg in found.legs] == ["smoke run, local", "validate, local"]


def test_results_and_archive_are_summed_after_a_success_and_it_is_said_what_may_be_deleted(results: Path) -> None:
    write_text(results / "cvs/dataset/item.bin", "x" * 3_000_000)
    write_text(results / "archive/cvs/first/out/last.ckpt", "x" * 2_000_000)
    (results / "archive/cvs/.first.partial").mkdir()
    note_reported(results / "archive/cvs/.first.partial")  # what a finished download remembers
    storage = run_report(facts(results, "validate")).split("## Storage")[1].split("\n## ")[0]
    (data,) = [line for line in storage.splitlines() if "cvs/dataset" in line]
    assert "yes: the stage dataset makes it again" in data
    (paid,) = [line for line in storage.splitlines() if "archive/cvs/first" in line]
    assert "only if its checkpoints are no longer wanted" in paid
    assert "partial" not in storage and "Results and archive: 5.0" in storage
