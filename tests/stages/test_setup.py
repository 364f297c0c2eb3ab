from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gonogo.base.errors import UserError
from gonogo.remote.setup import SetupReport
from gonogo.runtime.context import Run
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

    monkeypatch.setattr(stage_module, "machine", machine)
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
