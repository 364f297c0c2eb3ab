from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gonogo.base.errors import UserError
from gonogo.remote.errors import NotOurTurn, RemoteError, Unreachable
from gonogo.remote.setup import SetupReport
from gonogo.runtime.context import Run
from gonogo.stages import machine as machine_module
from gonogo.stages import setup as stage_module
from gonogo.stages.setup import setup
from tests.stages.conftest import Files, said

FINE = {
    "device": "CPU", "torch_version": "2.13.0", "disk_free_bytes": 10**11, "cautions": ["the clock is 3 s ahead"],
    "problems": [],
}  # fmt: skip


@pytest.fixture
def run(stage_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> Run:
    @contextlib.contextmanager
    def machine(run: Run) -> Iterator[None]:
        yield None

    monkeypatch.setattr(machine_module, "machine", machine)
    monkeypatch.setattr(machine_module, "FIRST_PAUSE_S", 0.01)
    return stage_run("setup")


def found(monkeypatch: pytest.MonkeyPatch, **changes: object) -> None:
    report = SetupReport.model_construct(**{**FINE, **changes})
    monkeypatch.setattr(stage_module, "set_up", lambda *arguments: report)


def test_a_machine_that_is_ready_is_described(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found(monkeypatch)
    setup(run, Files(), Files(setup=tmp_path / "setup.json"))
    assert "CAUTION: the clock is 3 s ahead" in said(run) and "torch 2.13.0, 100.0 GB free" in said(run)


def test_one_that_is_not_is_an_error_and_what_was_found_is_kept(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found(monkeypatch, problems=["no GPU", "disk full"])
    with pytest.raises(UserError, match="the machine is not ready: no GPU; disk full"):
        setup(run, Files(), Files(setup=tmp_path / "setup.json"))
    assert json.loads((tmp_path / "setup.json").read_text())["problems"] == ["no GPU", "disk full"]


def test_it_waits_for_what_is_at_work_there_and_says_so_once(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before: list[RemoteError] = [NotOurTurn("box", "eeg/runs/one")] * 2
    before += [Unreachable("the link dropped"), NotOurTurn("box", "a setup")]

    def set_up(*arguments: object) -> SetupReport:
        if before:
            raise before.pop(0)
        return SetupReport.model_construct(**FINE)

    monkeypatch.setattr(stage_module, "set_up", set_up)
    setup(run, Files(), Files(setup=tmp_path / "setup.json"))
    assert before == [] and said(run).count("waiting for eeg/runs/one: the machine runs one thing at a time") == 1
    assert said(run).count("waiting for a setup") == 1
    before += [NotOurTurn("box", "mine/runs/one")]
    with pytest.raises(UserError, match=r"mine/runs/one, a run of this experiment, is at work .*gonogo stop"):
        setup(run, Files(), Files(setup=tmp_path / "setup.json"))
    before[:] = [Unreachable("no machine of this name")]
    with pytest.raises(Unreachable, match="no machine of this name"):
        setup(run, Files(), Files(setup=tmp_path / "setup.json"))
