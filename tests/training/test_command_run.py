"""Training by commands: what a run is given, leaves and says, and how those that do not are refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gonogo.base.errors import ProgramError, UserError
from gonogo.training.run import train
from gonogo.training.spec import TrainingResult
from tests.conftest import ROOT
from tests.experiment.scripts import command, config, experiment, spec


def nothing(*_: object) -> None:
    return None


def test_a_run_is_told_its_words_and_read_from_its_metrics(tmp_path: Path) -> None:
    said: list[str] = []
    result = train(experiment(tmp_path), spec(tmp_path), tmp_path / "a run", said.append)
    words = json.loads((tmp_path / "a run/words.json").read_text())
    assert words == ["30", str(tmp_path / "a shard"), str(tmp_path / "another"), "--lr=0.5"]
    assert (result.steps, len(result.train_loss), result.val_steps) == (30, 30, [10, 20, 30])
    assert result.finite and result.peak_memory_bytes > 1e6 and result.median_step_s > 0
    assert "at 30" in said and said[-1].startswith("step 30/30  loss 0.3226")


def test_a_run_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    own, out = experiment(tmp_path), tmp_path / "run"
    train(own, spec(tmp_path), out, nothing)
    result = train(own, spec(tmp_path), out, nothing, checkpoint=out / "checkpoints/last.ckpt")
    assert result.train_steps[0] == 31 and result.steps == 60
    assert (out / "metrics_1.csv").read_text().splitlines()[1].startswith("1,")
    once = experiment(tmp_path, command={**command(), "resume": ""})
    assert own.resumes and not once.resumes
    with pytest.raises(UserError, match=r"command.resume is not given"):
        train(once, spec(tmp_path), out, nothing, checkpoint=out / "checkpoints/last.ckpt")


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("silent", r"left no metrics.csv"),
        ("columns", r"no column 'step'; its first line is 'iteration,loss'"),
        ("words", r"train_loss 'low' is not a number, at step"),
        ("no_checkpoint", r"left neither best.ckpt nor last.ckpt"),
        ("odd_name", r"there are epoch_3.ckpt"),
    ],
)
def test_a_run_that_leaves_too_little_is_refused(tmp_path: Path, fault: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        train(experiment(tmp_path, fault), spec(tmp_path, fault), tmp_path / "run", nothing)


def test_a_loss_that_is_no_number_ends_the_program(tmp_path: Path) -> None:
    result = train(experiment(tmp_path, "nan"), spec(tmp_path), tmp_path / "run", nothing)
    assert not result.finite and result.stopped == "train_loss is nan at step 5"
    assert result.wall_s < 500  # the program itself would sleep for ten minutes


def test_a_run_is_cut_at_its_minutes(tmp_path: Path) -> None:
    slow = {**command(), "train": "python my/slow.py {data} {out}"}
    own = experiment(tmp_path, command=slow)
    (tmp_path / "my/slow.py").write_text(
        "import sys, time\nlog = open(sys.argv[-1] + '/metrics.csv', 'w', buffering=1)\n"
        "print('step,train_loss', file=log)\n"
        "for step in range(1, 100000): print(f'{step},{1 / step}', file=log), time.sleep(0.02)\n"
    )
    result = train(own, spec(tmp_path, max_minutes=0.1), tmp_path / "run", nothing)
    assert 1 < result.steps < 99999 and result.stopped == "cut after 0.1 min" and result.finite
    assert 0.02 <= result.median_step_s < 6, "less than the whole run took"


def test_a_run_that_is_cut_before_its_first_step_is_told_so(tmp_path: Path) -> None:
    own = experiment(tmp_path, command={**command(), "train": "python my/slow.py {data} {out}"})
    (tmp_path / "my/slow.py").write_text("import time\ntime.sleep(600)\n")
    with pytest.raises(UserError, match=r"cut after 0.01 min, before its first step"):
        train(own, spec(tmp_path, max_minutes=0.01), tmp_path / "run", nothing)


def on_the_machine(root: Path, fault: str, *options: str) -> subprocess.CompletedProcess[str]:
    experiment(root, fault)
    run = spec(root, fault).model_copy(update={"experiment_config": config(fault)})
    (root / "run.json").write_text(run.model_dump_json(by_alias=True))
    words = [sys.executable, "-m", "gonogo.stages.train", "run.json", "out", *options]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    return subprocess.run(words, cwd=root, env=environment, capture_output=True, text=True, timeout=600, check=False)


def test_the_machine_trains_it_with_the_same_exit_codes(tmp_path: Path) -> None:
    done = on_the_machine(tmp_path, "ok", "--max-steps", "12", "--changes", '{"training": {"learning_rate": 0.25}}')
    assert done.returncode == 0, done.stderr
    assert "\nstep 12/12  loss " in done.stdout
    assert TrainingResult.model_validate_json((tmp_path / "out/training.json").read_text()).steps == 12
    assert json.loads((tmp_path / "out/words.json").read_text())[-1] == "--lr=0.25"
    assert on_the_machine(tmp_path, "nan").returncode == 3
    done = on_the_machine(tmp_path, "fails")
    assert done.returncode == 1 and "KeyError: 'colour'" in done.stdout and "Traceback" not in done.stderr
    assert on_the_machine(tmp_path, "killed").returncode == -11  # so that the agent sees a signal


def test_a_program_that_is_killed_is_named_by_its_signal(tmp_path: Path) -> None:
    with pytest.raises(ProgramError, match="signal 11"):
        train(experiment(tmp_path, "killed"), spec(tmp_path), tmp_path / "run", nothing)
