"""`gonogo memory`: what a step's peak is made of, and what wrong arguments get."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from gonogo.cli.main import main
from gonogo.memory.events import Events
from tests.waiting import LIMIT_S


def entry() -> Any:
    """A step as foreign code gives one."""
    import torch

    model = nn.Linear(1000, 1000)
    return model, torch.optim.Adam(model.parameters()), lambda batch: model(batch).sum(), torch.zeros(5, 1000)


def run(root: Path, *arguments: str) -> int:
    return main(["memory", "--root", str(root), "--entry", "tests.cli.test_memory:entry", *arguments])


def test_the_command_line_prints_what_the_peak_is_made_of(root: Path, capsys: Any, tmp_path: Path) -> None:
    events = tmp_path / "events.npz"
    assert run(root, "--accelerator", "h100", "--events", str(events)) == 0
    out = capsys.readouterr().out
    assert "optimizer state" in out and "8.0 MB" in out
    assert len(Events.load(events)) > 10


def test_the_command_line_speaks_json(root: Path, capsys: Any) -> None:
    assert run(root, "--accelerator", "h100", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["peak_phase"] == "optimizer" and found["needed_bytes"] > 16e6


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--experiment", "cvs", "--batch", "0"], "micro_batch_size"),
        (["--experiment", "cvs", "--accelerator", "abacus"], "abacus"),
        (["--model", "timm", "--batch", "1"], "LIBRARY:NAME"),
        (["--model", "timm:x", "--input", "3xa"], "--input 3xa"),
        (["--experiment", "cvs", "--precision", "16-mixed-up"], "precision"),
    ],
)
def test_wrong_arguments_are_told(root: Path, arguments: list[str], named: str, capsys: Any) -> None:
    assert main(["memory", "--root", str(root), *arguments]) == 2
    said = capsys.readouterr()
    assert named in said.err + said.out


def test_the_old_command_names_the_new_one() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gonogo.memory"], capture_output=True, text=True, check=False, timeout=LIMIT_S
    )
    assert done.returncode == 2 and "gonogo memory" in done.stderr and "Traceback" not in done.stderr
