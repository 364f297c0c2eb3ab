"""A disk with room, of which a quota leaves less: a real quota, of btrfs in a file."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.training import RUN, brisk, launch
from tests.remote.workspace import Workspace, end_all
from tests.waiting import LIMIT_S

DISK_MB, QUOTA_MB = 200, 20


@pytest.fixture
def metered(tmp_path: Path) -> Iterator[Workspace]:
    """On a disk of 200 MB, of which 20 may be used."""
    if shutil.which("mkfs.btrfs") is None:
        pytest.skip("mkfs.btrfs is not installed (btrfs-progs)")
    image, disk = tmp_path / "disk.img", tmp_path / "disk"
    disk.mkdir()
    image.touch()
    with image.open("r+b") as file:
        file.truncate(DISK_MB << 20)
    done("mkfs.btrfs", "-q", "-m", "single", str(image))
    if subprocess.run(["mount", "-o", "loop", str(image), str(disk)], check=False, timeout=LIMIT_S).returncode:
        pytest.skip("no disk can be mounted here")
    folder = disk / "work"
    try:
        done("btrfs", "quota", "enable", str(disk))
        done("btrfs", "subvolume", "create", str(folder))
        done("btrfs", "qgroup", "limit", f"{QUOTA_MB}M", str(folder))
        yield brisk(folder)
    finally:
        end_all(folder)
        done("umount", "-l", str(disk))


def done(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True, timeout=LIMIT_S)


@pytest.mark.parametrize(("files", "refused"), [(2, False), (5, True)])
def test_checkpoints_beyond_a_quota_are_said_before_the_run(metered: Workspace, files: int, refused: bool) -> None:
    room = {"files": files, "each_bytes": 5 << 20}
    request = {"key": "k", "workspace": ".", "argv": ["true"], "checkpoints": "out/checkpoints", "room": room}
    process = metered.start("launch", RUN, stdin=json.dumps(request))
    errors = process.communicate(timeout=LIMIT_S)[1]
    assert bool(process.returncode) == refused, errors
    assert ("refuses that (Disk quota exceeded), though 0." in errors) == refused, errors
    assert ("ask for a larger quota" in errors) == refused
    assert (metered.call("status", RUN)["state"] == "none") == refused


def test_a_checkpoint_beyond_a_quota_ends_the_run_as_disk_full_and_keeps_the_last_good_one(metered: Workspace) -> None:
    big = "if step == 25:\n    open('out/big.ckpt', 'wb').write(bytes(40 << 20))\n"
    launch(metered, big)
    ended = metered.ended()
    assert [attempt["cause"] for attempt in ended["attempts"]] == ["disk_full"]
    assert (metered.folder / RUN / "out/step_20.ckpt").exists()
    (metered.folder / RUN / "out/big.ckpt").unlink()
    launch(metered, "pass")
    assert metered.ended()["cause"] == "finished"
    assert "resumed at 20 with {}" in metered.log(), "from the good one, once there is room"
