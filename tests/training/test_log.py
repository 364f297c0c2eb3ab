"""`gonogo.log`: rows of metrics.csv where gonogo runs the script, and nothing anywhere else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gonogo.training.log import FILE, environment
from gonogo.training.metrics_csv import LossLog
from gonogo.training.run import train
from tests.experiment.scripts import experiment, spec
from tests.waiting import LIMIT_S

SCRIPT = """
import sys
import gonogo
for loss in (3, 2.5, 2):
    gonogo.log(loss)
gonogo.log(val_loss=2.25)
gonogo.log(train_loss=1.5, step=10)
print(*sorted({"torch", "numpy", "pydantic"} & set(sys.modules)))
"""


def run(folder: Path, variables: dict[str, str]) -> str:
    return subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        check=True,
        timeout=LIMIT_S,
    ).stdout


def test_rows_are_read_as_losses(tmp_path: Path) -> None:
    assert run(tmp_path, environment(tmp_path / "metrics.csv")).strip() == ""  # nothing heavy is imported
    losses = LossLog(tmp_path / "metrics.csv")
    assert losses.look(ended=True)
    assert (losses.steps, losses.train_loss) == ([1, 2, 3, 10], [3, 2.5, 2, 1.5])
    assert (losses.val_steps, losses.val_loss) == ([3], [2.25]) and len(losses.step_s) == 9


@pytest.mark.parametrize("variables", [{}, {"RANK": "1"}])
def test_any_other_run_writes_nothing(tmp_path: Path, variables: dict[str, str]) -> None:
    given = environment(tmp_path / "metrics.csv")
    if not variables:
        given.pop(FILE)
    run(tmp_path, {**given, **variables})
    assert not list(tmp_path.iterdir())


def test_a_command_s_script_may_log(tmp_path: Path) -> None:
    own = experiment(tmp_path)
    script = tmp_path / "logs.py"
    script.write_text(
        "import gonogo, pathlib, sys\n"
        "for step in range(5):\n    gonogo.log(1 / (step + 1))\n"
        "pathlib.Path(sys.argv[1], 'checkpoints/last.ckpt').write_bytes(b'x')\n"
    )
    command = own.command.model_copy(update={"train": f"python {script} {{out}} {{data}}"})
    own.command = command
    result = train(own, spec(tmp_path), tmp_path / "out", lambda line: None)
    assert result.train_loss[0] == 1 and result.train_steps == [1, 2, 3, 4, 5]
