"""A script of torch that says nothing of its steps: counted, its losses seen, ended after so many; nothing changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gonogo.base.errors import UserError
from gonogo.config.experiment import ExperimentConfig, Training
from gonogo.experiment.command import CommandExperiment
from gonogo.training.run import train
from gonogo.training.spec import RunSpec, TrainingResult
from gonogo.training.written_files import checkpoint_of

SCRIPT = """
import os, sys
import torch

scaled = "scaled" in sys.argv
weight = torch.nn.Parameter(torch.tensor(4.0))
first, second = torch.optim.SGD([weight], lr=0.1), torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
scaler = torch.amp.GradScaler("cpu", enabled=scaled, init_scale=1024.0)
for _ in range(30):
    loss = weight.square()
    first.zero_grad()
    scaler.scale(loss).backward()
    scaler.step(first)
    scaler.update()
    second.step()
os.makedirs("models", exist_ok=True)
torch.save(weight, "models/final.pth")
print("saved")
"""


def trained(root: Path, command: str = "python train.py", **spec: Any) -> TrainingResult:
    (root / "pictures").mkdir(parents=True, exist_ok=True)
    (root / "pictures/a.png").write_bytes(b"")
    (root / "train.py").write_text(SCRIPT)
    config = ExperimentConfig.model_validate({"command": {"train": command}, "kind": "images", "data": "pictures"})
    own = CommandExperiment("mine", config, root)
    assert own.is_watched and not own.predicts
    asked = RunSpec(
        experiment="mine", experiment_config=config, training=Training(), data=[root / "pictures"], seed=0, **spec
    )
    return train(own, asked, root / "run", lambda _: None)


@pytest.mark.parametrize("words", ["", " scaled"])
def test_steps_and_losses_are_seen_and_what_was_written_is_collected(words: str, tmp_path: Path) -> None:
    root = tmp_path / "repository"
    result = trained(root, f"python train.py{words}")
    assert result.steps == 30 and len(result.train_loss) == 30 and len(result.step_s) == 29
    assert result.train_loss[0] == pytest.approx(16) and result.train_loss[1] == pytest.approx(16 * 0.64)
    written = root / "run/written/models/final.pth"
    assert checkpoint_of(root / "run") == written and not (root / "models/final.pth").exists()
    assert {path.name for path in root.iterdir() if path.is_file()} == {"train.py"}


def test_a_script_that_cannot_be_told_is_ended_after_its_steps(tmp_path: Path) -> None:
    result = trained(tmp_path, max_steps=7)
    assert result.steps == 7 and result.finite and checkpoint_of(tmp_path / "run") is None


@pytest.mark.parametrize(("most", "steps"), [(0, 9), (4, 4)])
def test_of_a_script_that_moves_its_weights_itself_each_backward_pass_is_a_step(
    most: int, steps: int, tmp_path: Path
) -> None:
    (tmp_path / "by_hand.py").write_text(
        "import torch\n\nweight = torch.tensor(4.0, requires_grad=True)\n"
        "for _ in range(9):\n    weight.grad = None\n    loss = weight.square()\n    loss.backward()\n"
        "    weight.data.add_(weight.grad, alpha=-0.1)\n"
    )
    result = trained(tmp_path, "python by_hand.py", max_steps=most)
    assert result.steps == steps and result.train_loss[:2] == pytest.approx([16, 16 * 0.64])


def test_a_program_without_a_step_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no optimizer of torch took a step"):
        trained(tmp_path, "python -c 'print(1)'")


def test_the_environments_own_sitecustomize_is_loaded_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other/sitecustomize.py").write_text(f"open({str(tmp_path / 'loaded')!r}, 'w').close()\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "other"))
    assert trained(tmp_path / "repository", max_steps=2).steps == 2 and (tmp_path / "loaded").exists()


def test_the_named_checkpoint_comes_before_newer_ones(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints/last.ckpt").write_text("")
    (tmp_path / "model.pt").write_text("")
    assert checkpoint_of(tmp_path) == tmp_path / "checkpoints/last.ckpt"
