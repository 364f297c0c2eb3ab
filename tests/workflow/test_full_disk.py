"""The whole chain on a disk here that fills up at each step of the paid part, and is given room again."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.servers import SSHD, OpenSsh
from tests.waiting import LIMIT_S, wait_for
from tests.workflow.test_own_machine import Box, made, server_folder

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SSHD.exists(), reason="OpenSSH's server is not installed"),
    pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root"),
]
COMMAND = ("--config", "experiments=tiny", "target=box")
RESULTS = "results/tiny/validate"


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Box]:
    """One whose site is a disk of 128 MB of its own."""
    disk = tmp_path / "site"
    disk.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=128m", "tmpfs", str(disk)]
    if subprocess.run(words, check=False, capture_output=True, timeout=LIMIT_S).returncode:
        pytest.skip("a tmpfs cannot be mounted here")
    there = tmp_path / "there"
    try:
        yield from made(tmp_path, monkeypatch, OpenSsh(server_folder(tmp_path)), there, str(there))
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True, timeout=LIMIT_S)


def fill(box: Box) -> None:
    """To the last byte."""
    with (box.site.folder / "ballast").open("ab", buffering=0) as ballast:
        for block in (bytes(1 << 16), b"x"):
            while True:
                try:
                    ballast.write(block)
                except OSError as error:
                    assert error.errno == errno.ENOSPC
                    break


def give_room(box: Box) -> None:
    (box.site.folder / "ballast").unlink()


def full_once(box: Box, there: str) -> str:
    """What an invocation says during which the disk fills up when this file is there."""
    with Path(f"{box.machine}.txt").open("wb") as output:
        process = subprocess.Popen(
            box.site.command(*COMMAND), cwd=box.site.folder, env=box.site.environment(), stdout=output, stderr=output,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    wait_for(lambda: list(box.site.folder.glob(there)) or list(box.root.glob(there)), 1800, there)
    fill(box)
    assert process.wait(timeout=600) != 0
    said = Path(f"{box.machine}.txt").read_text()
    print(said)
    return said


def test_nothing_verified_is_lost_nothing_is_paid_twice_and_the_machine_goes(box: Box) -> None:
    said = full_once(box, f"{RESULTS}/launch/verdict.json")
    assert (
        "No space left" in said
        and not list(box.root.glob("tiny/*"))
        and "was not written: results: the disk is full" in said
    )
    give_room(box)
    said = full_once(box, "tiny/runs/*_validate_*/log.txt")
    assert "error: tiny: cloud_train: results/" in said and ": the disk is full" in said
    (run,) = box.root.glob("tiny/runs/*_validate_*")
    assert json.loads((run / "exit.json").read_text())["cause"] == "finished", "it was watched to its end"
    assert box.machine.exists() and "127.0.0.1 is not released: the results of" in said
    give_room(box)
    said = full_once(box, f"{RESULTS}/cloud_train/run.json")
    assert f"attached to {run.name}, which is done" in said and box.machine.exists()
    assert not (run / "collected.json").exists()
    give_room(box)
    said = full_once(box, f"{RESULTS}/download/archive.json")
    assert not box.machine.exists() and "127.0.0.1 is released after" in said
    give_room(box)
    box.server.kill()
    shutil.rmtree(box.root)
    done = box.run()
    assert done.returncode == 0, done.stderr
    assert not list((box.site.folder / "results/held").glob("*.json"))
    (kept,) = (box.site.folder / "archive/tiny").glob("[0-9]*")
    assert (kept / "out/checkpoints/best.ckpt").exists()
    box.server.start()  # for the fixture to end
