"""What is fetched while training runs: the newest and the best, whole, or what was there before."""

from __future__ import annotations

import io
import os
import time
import zipfile
from pathlib import Path

import pytest

from gonogo.config.target import Ssh, Target
from gonogo.remote.machine import Machine
from gonogo.remote.transfer.checkpoints import FOLDER, fetch_checkpoints, fetching_checkpoints
from tests.remote.conftest import wait_for


def _checkpoint(size: int = 2_000_000) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as saved:
        saved.writestr("archive/data.pkl", b"")
        saved.writestr("archive/data/0", os.urandom(size))
    return out.getvalue()


@pytest.fixture
def folder(root_there: Path, machine: Machine) -> Path:
    made = root_there / "run" / "out" / "checkpoints"
    made.mkdir(parents=True)
    for age, name in enumerate(["epoch_0020.ckpt", "best.ckpt", "epoch_0010.ckpt"]):
        (made / name).write_bytes(_checkpoint())
        os.utime(made / name, (1_700_000_000 - age, 1_700_000_000 - age))
    return made


def test_newest_and_best_come_whole(machine: Machine, folder: Path, tmp_path: Path) -> None:
    into = tmp_path / "checkpoints"
    assert {path.name for path in fetch_checkpoints(machine, "run", into)} == {"epoch_0020.ckpt", "best.ckpt"}
    for path in into.glob("*.ckpt"):
        assert path.read_bytes() == (folder / path.name).read_bytes()
    assert fetch_checkpoints(machine, "run", into) == [], "nothing new, nothing sent"
    (folder / "epoch_0030.ckpt").write_bytes(_checkpoint(500_000))
    assert [path.name for path in fetch_checkpoints(machine, "run", into)] == ["epoch_0030.ckpt"]
    assert sorted(path.name for path in into.iterdir()) == ["best.ckpt", "epoch_0030.ckpt"]


def test_a_half_written_one_is_left(machine: Machine, folder: Path, tmp_path: Path) -> None:
    whole = _checkpoint()
    (folder / "best.ckpt").write_bytes(whole[: len(whole) // 2])
    (folder / "epoch_0030.ckpt").write_bytes(whole[:-1])
    assert [path.name for path in fetch_checkpoints(machine, "run", tmp_path / "c")] == ["epoch_0020.ckpt"]


def test_no_checkpoint_yet(machine: Machine, tmp_path: Path) -> None:
    assert fetch_checkpoints(machine, "run", tmp_path / "c") == []


def test_fetched_while_something_runs(ssh: Ssh, target: Target, folder: Path, tmp_path: Path) -> None:
    said: list[str] = []
    with fetching_checkpoints(lambda: ssh, target, "run", tmp_path / "c", 0.2, said.append):
        wait_for((tmp_path / "c" / "epoch_0020.ckpt").exists)
        (folder / "epoch_0030.ckpt").write_bytes(_checkpoint())
        wait_for((tmp_path / "c" / "epoch_0030.ckpt").exists)
    assert "epoch_0030.ckpt" in said[-1]


def test_leaving_waits_for_no_checkpoint_that_is_under_way(
    ssh: Ssh, target: Target, machine: Machine, root_there: Path, tmp_path: Path
) -> None:
    """As Ctrl-C does, and the end of a run: 40 MB at 1 Mbit/s take five minutes."""
    folder = root_there / "run" / FOLDER
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / "last.ckpt", "w") as saved:
        saved.writestr("last/data.pkl", os.urandom(40_000_000))
    slow = target.model_copy(update={"max_mbit_per_s": 1.0})
    with fetching_checkpoints(lambda: ssh, slow, "run", tmp_path / "c", 0.05, lambda text: None):
        wait_for(lambda: any((tmp_path / "c").rglob("*.part")))
        began = time.monotonic()
    assert time.monotonic() - began < 20, "two seconds, on a machine that has nothing else to do"
