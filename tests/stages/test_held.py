"""Which runs of ours are not fetched yet."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from gonogo.config.result_paths import ResultPaths
from gonogo.stages.held import StartedRun, forget_or_keep, started_file, started_runs


@pytest.mark.parametrize(("cause", "kept"), [("over_time", True), ("killed", True), ("nan", False)])
def test_a_run_that_could_resume_is_remembered(tmp_path: Path, cause: str, kept: bool) -> None:
    file = tmp_path / "fast.started.json"
    StartedRun("r1", "k", "box").write(file)
    forget_or_keep(file, cause)
    assert file.exists() == kept
    assert not kept or StartedRun.read(file) == StartedRun("r1", "k", "box", ended=cause)


def test_runs_are_listed_with_their_experiment_the_latest_last(tmp_path: Path) -> None:
    for second, (experiment, mode, kind) in enumerate([("eeg", "fast", "fast"), ("cvs", "fast", "canary")]):
        file = started_file(ResultPaths(tmp_path / experiment, mode), kind)
        StartedRun(f"r{second}", "k", "box").write(file)
        os.utime(file, (second, second))
    assert [(experiment, run.run_id) for experiment, run in started_runs(tmp_path)] == [("eeg", "r0"), ("cvs", "r1")]


def test_a_file_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    file = tmp_path / "fast.started.json"
    file.write_text(json.dumps({"key": "k", "run_id": "r1", "target": "box"}))
    assert StartedRun.read(file) == StartedRun("r1", "k", "box")
    assert StartedRun.read(tmp_path / "none") is None
