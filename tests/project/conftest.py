"""A repository of a stranger: pictures in class folders, a training script, requirements, git."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.waiting import LIMIT_S

TRAIN = """
import argparse

import torch


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", help="pictures")
    parser.add_argument("--output-dir", default="runs")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("-b", "--batch-size", type=int, default=32)
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--resume", default=None)
    parser.add_argument("--amp", action="store_true")
    arguments = parser.parse_args()
    optimizer = torch.optim.SGD(model.parameters(), lr=arguments.lr)
    loss.backward()
    optimizer.step()


if __name__ == "__main__":
    main()
"""


def fill(folder: Path, count: int, ending: str = ".jpg") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (folder / f"{number:03d}{ending}").write_bytes(b"")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "my flowers"
    for split, count in (("train", 20), ("val", 5)):
        for name in ("daisy", "rose", "tulip"):
            fill(root / "data/flowers" / split / name, count)
    (root / "train.py").write_text(TRAIN)
    (root / "model.py").write_text("import torch\n\n\nclass Net(torch.nn.Module):\n    pass\n")
    (root / "requirements.txt").write_text("torch\npillow\n")
    (root / "README.md").write_text("Run `python train.py data/flowers`.\n")
    git = ["git", "-C", str(root)]
    subprocess.run([*git, "init", "-q"], check=True, timeout=LIMIT_S)
    subprocess.run([*git, "add", "*.py", "requirements.txt", "README.md"], check=True, timeout=LIMIT_S)
    return root
