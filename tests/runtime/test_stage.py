"""What every script has in common: its log, its row in the ledger, and errors in one line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gonogo.base.errors import UserError
from gonogo.runtime import ledger
from gonogo.runtime.session import ROOT as ROOT_VARIABLE
from gonogo.runtime.stage import stage
from tests.conftest import ROOT
from tests.waiting import LIMIT_S


class Wildcards(SimpleNamespace):
    def keys(self) -> list[str]:
        return list(vars(self))


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A job of the rule `sample`, as Snakemake hands it to a script."""
    shutil.copytree(ROOT / "config", tmp_path / "config")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    config = {"experiments": "cvs", "mode": "fast"}
    return SimpleNamespace(rule="sample", wildcards=Wildcards(experiment="cvs"), config=config, log=["logs/sample.log"])


def rows() -> list[tuple[str, str, str]]:
    return [(row.experiment, row.stage, row.outcome) for row in ledger.rows(Path("results/ledger.sqlite"))]


def test_it_says_lines_and_leaves_a_row(job: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with stage(job) as run:
        print("what a library prints is for the log")
        run.say("4 items")
        assert rows() == [] and run.paths.in_mode == Path("results/cvs/fast")
    assert rows() == [("cvs", "sample", "done")]
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err.split() == ["cvs", "sample", "4", "items"]
    log = Path("logs/sample.log").read_text()
    assert "what a library prints" in log and "4 items" in log


def test_an_error_of_the_users_is_one_line_and_one_of_ours_is_in_the_log(
    job: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit), stage(job):
        raise UserError("items: 3 were asked for")
    assert capsys.readouterr().err == "error: cvs: sample: items: 3 were asked for\n"
    with pytest.raises(ValueError, match="never"), stage(job):
        raise ValueError("never")
    assert "ValueError: never" in Path("logs/sample.log").read_text()
    assert [outcome for _, _, outcome in rows()] == ["failed", "failed"]


def test_an_interruption_is_recorded_as_one(job: Any) -> None:
    with pytest.raises(SystemExit) as ended, stage(job):
        raise KeyboardInterrupt
    assert ended.value.code == 130 and rows() == [("cvs", "sample", "interrupted")]


def test_a_config_that_is_wrong_is_one_line(job: Any, capsys: pytest.CaptureFixture[str]) -> None:
    job.config = {"experiments": "cvss"}
    with pytest.raises(SystemExit), stage(job):
        raise AssertionError("the stage does not begin")
    assert capsys.readouterr().err.startswith("error: sample: experiments: unknown 'cvss'")


def test_a_stage_about_the_machine_belongs_to_no_experiment(job: Any) -> None:
    job.rule, job.wildcards = "release", Wildcards()
    with stage(job) as run:
        assert run.experiment == "" and run.target.usd_per_hour == 0
    assert rows() == [("", "release", "done")]


def test_jobs_write_utf_8_whatever_the_locale_is() -> None:
    """As a progress bar's block does, which Latin-1 has not."""
    script = (
        "import subprocess, sys; from gonogo.runtime.session import begin; begin('.')\n"
        "subprocess.run([sys.executable, '-c', 'import sys; print(sys.flags.utf8_mode)'], check=True)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUTF8"}
    environment["LC_ALL"] = "C.UTF-8"  # in which Python does not choose that mode by itself
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True, timeout=LIMIT_S
    )
    assert done.stdout.strip() == "1"
