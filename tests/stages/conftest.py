"""An experiment of commands in a folder of its own, and its stages as their scripts call them."""

from __future__ import annotations

import dataclasses
import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from gonogo.config.load import load
from gonogo.runtime.context import Run
from tests.conftest import ROOT
from tests.experiment.scripts import SCRIPT, command
from tests.remote.conftest import instance, machine, root_there, ssh, target

__all__ = ["Files", "instance", "machine", "root_there", "ssh", "target"]

MINE = {
    "command": command(),
    "kind": "text",
    "code": ["my"],
    "sample_items": 4,
    "dataset_items": 6,
    "shards": 2,
    "smoke": {"steps": 20},
    "hypothesis": "It ends.",
    "expected": {"statement": "skill above nothing", "metrics": {"skill": 0.1}},
    "modes": {"mine": {"training": {"epochs": 2}}},
}


class Files(dict[str, Any]):
    """Inputs, outputs and params as Snakemake gives them: by name, and by position."""

    __getattr__ = dict.__getitem__

    def __getitem__(self, key: Any) -> Any:
        return list(self.values())[key] if isinstance(key, int) else super().__getitem__(key)


@pytest.fixture
def stage_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """Gives the `Run` of a stage; what it says is in `run.log`."""
    shutil.copytree(ROOT / "config", tmp_path / "config")
    (tmp_path / "config/experiments/mine.yaml").write_text(yaml.safe_dump(MINE))
    (tmp_path / "my").mkdir()
    (tmp_path / "my/script.py").write_text(SCRIPT)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))

    def run(stage: str, **config: Any) -> Run:
        settings = load({"experiments": "mine", "mode": "mine", **config}, tmp_path)
        made = Run(stage=stage, experiment="mine", log=io.StringIO(), mode="mine", settings=settings)
        return dataclasses.replace(made)

    return run


def said(run: Run) -> str:
    assert isinstance(run.log, io.StringIO)
    return run.log.getvalue()
