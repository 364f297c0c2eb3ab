from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

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


def test_packages_of_a_project_are_installed_beside_those_of_others(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given: list[tuple[str, str]] = []

    def set_up(*arguments: Any) -> SetupReport:
        given.append((arguments[3].read_text().splitlines()[0], arguments[5]))
        return SetupReport.model_construct(**FINE)  # type: ignore[arg-type]

    monkeypatch.setattr(stage_module, "set_up", set_up)
    for package in ("one==1", "two==2", "one==1"):
        (tmp_path / "requirements.txt").write_text(f"{package}\n")
        own = run.experiment_config.model_copy(update={"requirements": tmp_path / "requirements.txt"})
        monkeypatch.setitem(run.settings.experiments, run.experiment, own)
        setup(run, Files(), Files(setup=tmp_path / "out/setup.json"))
        assert machine_module.environment(run) == given[-1][1], "the one that trains"
    (one, first), (two, second), (_, third) = given
    assert (one, two) == ("one==1", "two==2")
    assert first.startswith(".env-") and first == third != second


def test_what_trackers_need_is_installed_with_the_rest(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given: list[list[str]] = []

    def set_up(*arguments: Any) -> SetupReport:
        given.append(arguments[3].read_text().splitlines())
        return SetupReport.model_construct(**FINE)  # type: ignore[arg-type]

    monkeypatch.setattr(stage_module, "set_up", set_up)
    run.config.tracking = ["csv", "wandb"]
    setup(run, Files(), Files(setup=tmp_path / "out/setup.json"))
    (tmp_path / "requirements.txt").write_text("one==1\nWandb==0.20\n")
    own = run.experiment_config.model_copy(update={"requirements": tmp_path / "requirements.txt"})
    monkeypatch.setitem(run.settings.experiments, run.experiment, own)
    setup(run, Files(), Files(setup=tmp_path / "out/setup.json"))
    shipped, ours = given
    assert shipped[-1] == "wandb>=0.18" and sum(line.startswith("lightning==") for line in shipped) == 1
    assert "wandb>=0.18" not in ours and "lightning>=2.5,<3" in ours


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
