"""Losses and metrics that a script prints, in the forms in which scripts print them; a pattern of the user's own."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from gonogo.base.errors import UserError
from gonogo.config.experiment import ExperimentConfig, Training
from gonogo.config.load import validate
from gonogo.experiment.command import CommandExperiment
from gonogo.training.logged_metrics import logged_metrics
from gonogo.training.printed import PRINTED, Printed, read_line
from gonogo.training.run import train
from gonogo.training.spec import RunSpec, TrainingResult


@pytest.mark.parametrize(
    ("line", "step", "train_loss", "val_loss", "others"),
    [
        ("step 10 loss 1.23", 10, 1.23, None, {}),
        ("loss: 1.23", None, 1.23, None, {}),
        ("{'loss': 1.2, 'grad_norm': 3.0, 'learning_rate': 5e-05, 'epoch': 0.5}", None, 1.2, None, {}),
        ("{'loss': '1.2', 'epoch': '0.5'}", None, 1.2, None, {}),
        ("{'eval_loss': 1.25, 'eval_accuracy': 0.5}", None, None, 1.25, {"eval_accuracy": 0.5}),
        ("{'train_runtime': 12.3, 'train_loss': 0.5, 'epoch': 3.0}", None, None, None, {}),
        ("iter 10: loss 2.3311, time 34.00ms, mfu 3.10%", 10, 2.3311, None, {}),
        ("step 250: train loss 2.5000, val loss 2.6000", 250, 2.5, 2.6, {}),
        ("Epoch 1:  10%|█ | 10/100 [00:01<00:10, 9.5it/s, loss=1.23, v_num=0]", None, 1.23, None, {}),
        ("Train Epoch: 1 [640/60000 (1%)]\tLoss: 2.296534", None, 2.296534, None, {}),
        ("Test set: Average loss: 0.04, Accuracy: 9842/10000 (98%)", None, None, 0.04, {"val_Accuracy": 0.9842}),
        ("Epoch: [0][ 10/5004]\tTime 0.1 ( 0.2)\tLoss 6.9e+00 (7.0e+00)\tAcc@1 0.39", None, 6.9, None, {"Acc_1": 0.39}),
        ("10/100 [===>] - 5s - loss: 1.2 - accuracy: 0.5 - val_loss: 1.3", None, 1.2, 1.3, {"accuracy": 0.5}),
        ("Epoch [1/10], Step [100/600], Loss: 0.1234", 100, 0.1234, None, {}),
        ("step 00010/21400 (0.05%) | loss: 10.812 | lr 0.1", 10, 10.812, None, {}),
        ("| end of epoch 1 | time: 33s | valid loss 5.9 | valid ppl 365.0", None, None, 5.9, {"valid_ppl": 365.0}),
        ("\x1b[32mINFO\x1b[0m step=5 train/loss=0.25.", 5, 0.25, None, {}),
        ("Loading 3 files of version 2.3.1, lossless 4x; best val loss inf", None, None, None, {}),
    ],
)  # fmt: skip
def test_what_scripts_usually_print(
    line: str, step: int | None, train_loss: float | None, val_loss: float | None, others: dict[str, float]
) -> None:
    found = read_line(line)
    assert (found.step, found.train_loss, found.val_loss) == (step, train_loss, val_loss)
    assert {name: value for name, value in found.metrics.items() if "loss" not in name.lower()} == others


@pytest.mark.parametrize("piece", ["loss ", "a_", "'", "train ", "1", "loss:[[", "loss 1e", " \t", "\x1b[0;", "a/"])
def test_no_line_takes_long(piece: str) -> None:
    started = time.process_time()
    read_line(piece * (1_000_000 // len(piece)))
    assert time.process_time() - started < 1


def test_a_pattern_of_the_user_s_own_and_one_that_takes_too_long(tmp_path: Path) -> None:
    own = re.compile(r"it (?P<step>\d+) .*?cost (?P<train_loss>\S+)( top1 (?P<top1>\S+))?")
    found = read_line("it 7 | cost 0.5 top1 0.25 loss 9", own)
    assert (found.step, found.train_loss, found.metrics) == (7, 0.5, {"train_loss": 0.5, "top1": 0.25})
    slow = Printed(tmp_path / "losses.csv", tmp_path / PRINTED, r"(?P<x>(a|aa)+)$")
    slow.line("a" * 33 + "b")
    assert "command.metrics took over 1 s" in slow.too_slow
    slow.line("aaa")  # not searched any more
    slow.close()
    assert not (tmp_path / PRINTED).exists()


@pytest.mark.parametrize(("pattern", "said"), [("(", "not a regular expression"), ("loss", "no named group")])
def test_a_pattern_that_says_nothing_is_refused(pattern: str, said: str) -> None:
    with pytest.raises(UserError, match=f"command.metrics: .*{said}"):
        validate(
            ExperimentConfig,
            {"command": {"train": "t", "metrics": pattern}, "kind": "text", "data": "data"},
            "config/experiments/mine.yaml",
        )


def trained(root: Path, script: str, **command: Any) -> TrainingResult:
    root.mkdir(exist_ok=True)
    (root / "train.py").write_text(script)
    (root / "data").mkdir()
    whole = {"command": {"train": "python train.py", **command}, "kind": "text", "data": "data"}
    config = ExperimentConfig.model_validate(whole)
    spec = RunSpec(experiment="mine", experiment_config=config, training=Training(), data=[root / "data"], seed=0)
    return train(CommandExperiment("mine", config, root), spec, root / "run", lambda line: None)


def test_a_script_without_torch_is_followed_by_what_it_prints(tmp_path: Path) -> None:
    script = "for n in range(1, 6): print(f'step {n * 10}: train loss {2 / n}, val loss {3 / n}, accuracy {n}/10')"
    result = trained(tmp_path / "one", script)
    assert result.train_loss == [2 / n for n in range(1, 6)] and result.train_steps == [10, 20, 30, 40, 50]
    assert (result.steps, result.val_steps, result.val_loss[-1]) == (50, result.train_steps, 3 / 5)
    assert logged_metrics(tmp_path / "one/run") == {"train_loss": 0.4, "val_loss": 0.6, "accuracy": 0.5}
    own = trained(tmp_path / "two", script, metrics=r"step (?P<step>\d+).*accuracy (?P<train_loss>\d+)")
    assert own.train_loss == [1, 2, 3, 4, 5]


def test_torch_s_own_count_comes_first_and_printed_validation_losses_are_added(tmp_path: Path) -> None:
    script = """
import torch
print("loss 9"); print("loss 9"); print("loss 9", flush=True)
weight = torch.nn.Parameter(torch.tensor(4.0))
optimizer = torch.optim.SGD([weight], lr=0.1)
for step in range(8):
    loss = weight.square()
    optimizer.zero_grad(); loss.backward(); optimizer.step()
    print("iter", step, "val loss", 5 - step)
"""
    result = trained(tmp_path / "one", script)
    assert result.steps == 8 and result.train_loss[0] == 16 and result.val_loss == [5 - step for step in range(8)]


def test_a_printed_nan_ends_the_run(tmp_path: Path) -> None:
    script = "import time\nfor n in range(600): print('step', n, 'loss nan', flush=True); time.sleep(0.1)"
    result = trained(tmp_path / "one", script)
    assert not result.finite and "train_loss is nan" in result.stopped


def test_what_was_written_counts_more_than_what_was_printed_and_nothing_hostile_is_believed(tmp_path: Path) -> None:
    (tmp_path / PRINTED).write_text('{"step": 3, "accuracy": 0.5, "loss": 2.0}\n')
    (tmp_path / "history.csv").write_text("epoch,accuracy\n1,0.75\n")
    assert logged_metrics(tmp_path) == {"accuracy": 0.75, "loss": 2.0}
    for hostile in ("[" * 100_000, json.dumps({"loss": [1]}), '{"loss": ' + "9" * 400 + "}", "[1]", '{"loss": "x"}'):
        (tmp_path / PRINTED).write_text(hostile)
        (tmp_path / "trainer_state.json").write_text(hostile)
        assert logged_metrics(tmp_path) == {"accuracy": 0.75}
