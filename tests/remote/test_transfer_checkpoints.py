"""What is fetched while training runs: the newest and the best, whole, or what was there before."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from gonogo.agent.files import file_entry
from gonogo.agent.incoming import INCOMING
from gonogo.agent.json_files import Problem
from gonogo.base.errors import UserError
from gonogo.config.target import Ssh, Target
from gonogo.remote.answers import read
from gonogo.remote.errors import RemoteError
from gonogo.remote.machine import Machine
from gonogo.remote.transfer import checkpoints
from gonogo.remote.transfer.checkpoints import LISTED, fetch_checkpoints, fetching_checkpoints
from tests.remote.conftest import contents
from tests.waiting import LIMIT_S, wait_for


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


def _listing(machine: Machine, monkeypatch: pytest.MonkeyPatch, listed: dict[str, Any]) -> None:
    """What the machine says of its checkpoints from now on."""
    ask = Machine.ask

    def lie(self: Machine, kind: Any, *args: str, **more: Any) -> Any:
        if args[0] == "checkpoints":
            return read(kind, json.dumps(listed).encode(), "box", LISTED)
        return ask(self, kind, *args, **more)

    monkeypatch.setattr(Machine, "ask", lie)


EMPTY = {"bytes": 0, "sha256": [hashlib.sha256().hexdigest()], "mtime": 2e9}


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("new.ckpt", {**EMPTY, "bytes": 10**13}),
        ("new.ckpt", {**EMPTY, "sha256": []}),
        ("new.ckpt", {**EMPTY, "mtime": float("nan")}),
        ("new.ckpt", {**EMPTY, "bytes": "1"}),
        ("..", EMPTY),
        (".ckpt", EMPTY),
        ("evil.py", EMPTY),
        ("\x1b[2J.ckpt", EMPTY),
        ("x" * 300 + ".ckpt", EMPTY),
        ("half\ud800.ckpt", EMPTY),
    ],
)
def test_a_list_that_no_agent_sends_changes_nothing_here(
    machine: Machine, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, entry: dict[str, Any]
) -> None:
    fetch_checkpoints(machine, "run", tmp_path / "c")
    before = contents(tmp_path / "c")
    _listing(machine, monkeypatch, {name: entry})
    with pytest.raises(RemoteError) as told:
        fetch_checkpoints(machine, "run", tmp_path / "c")
    assert str(told.value).isprintable() and contents(tmp_path / "c") == before


def test_more_than_the_disk_holds_is_refused_before_it_is_planned(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = 300_000 << 22
    _listing(machine, monkeypatch, {"new.ckpt": {"bytes": size, "sha256": ["0"] * 300_000, "mtime": 1.0}})
    with pytest.raises(UserError, match=r"MB to download.*are to stay free"):
        fetch_checkpoints(machine, "run", tmp_path / "c")


def test_a_good_checkpoint_is_not_deleted_for_one_that_cannot_be_read(
    machine: Machine, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch_checkpoints(machine, "run", tmp_path / "c")
    good = contents(tmp_path / "c")
    fake = b"x" * 1000 + b"PK\x05\x06" + b"\0" * 18
    for content in (
        b"",
        fake,
        _bomb(),
        b"x" * 500 + (2**40).to_bytes(8, "little") + b"PK\x06\x07" + bytes(16) + fake[-22:],
    ):
        (folder / "epoch_0030.ckpt").write_bytes(content)
        entry = {**file_entry(folder / "epoch_0030.ckpt"), "mtime": 2e9}
        _listing(machine, monkeypatch, {"epoch_0030.ckpt": entry})
        fetch_checkpoints(machine, "run", tmp_path / "c")
        assert good.items() <= contents(tmp_path / "c").items()
        monkeypatch.undo()
    _listing(machine, monkeypatch, {})
    fetch_checkpoints(machine, "run", tmp_path / "c")
    assert good.items() <= contents(tmp_path / "c").items(), "nor where the machine lists none"


def _bomb() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as saved:
        saved.writestr("archive/data.pkl", b"")
        saved.writestr("archive/data/0", bytes(20_000_000))
    return out.getvalue()


@pytest.mark.parametrize(
    "error",
    [OSError(28, "No space left on device"), Problem("no"), IndexError("list"), ValueError("bad"), KeyError("x")],
)
def test_no_error_ends_the_fetching(
    ssh: Ssh, target: Target, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    said: list[str] = []
    left = [error, error]
    fetch = checkpoints.fetch_checkpoints

    def failing(*args: Any) -> list[Path]:
        if left:
            raise left.pop()
        return fetch(*args)

    monkeypatch.setattr(checkpoints, "fetch_checkpoints", failing)
    with fetching_checkpoints(lambda: ssh, target, "run", tmp_path / "c", 0.05, said.append):
        wait_for((tmp_path / "c" / "epoch_0020.ckpt").exists)
        wait_for(lambda: any(line.startswith("downloaded") for line in said))
    assert sum("could not be downloaded, trying again later" in line for line in said) == 2


def test_the_end_does_not_wait_for_what_is_being_fetched(
    ssh: Ssh, target: Target, folder: Path, tmp_path: Path
) -> None:
    slow = target.model_copy(update={"max_mbit_per_s": 0.5})
    (folder / "epoch_0030.ckpt").write_bytes(_checkpoint(4_000_000))
    with fetching_checkpoints(lambda: ssh, slow, "run", tmp_path / "c", 0.05, print):
        wait_for((tmp_path / "c" / INCOMING).exists)
        began = time.monotonic()
    assert time.monotonic() - began < 10, "a minute's transfer was cut off"
    wait_for(lambda: all(thread.name != "checkpoints" for thread in threading.enumerate()), seconds=20)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_here_is_told_and_the_next_try_goes_well(
    ssh: Ssh, target: Target, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "SPARE_BYTES", 0)
    monkeypatch.setattr(checkpoints, "check_room", lambda *known: None)
    disk, said = tmp_path / "disk", []
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)], check=False, timeout=LIMIT_S
    ).returncode:
        pytest.skip("a tmpfs cannot be mounted here")
    try:
        with fetching_checkpoints(lambda: ssh, target, "run", disk / "c", 0.05, said.append):
            wait_for(lambda: any("the disk is full" in line for line in said))
            subprocess.run(["mount", "-o", "remount,size=32m", str(disk)], check=True, timeout=LIMIT_S)
            wait_for(lambda: any(line.startswith("downloaded") for line in said))
        assert {path.name for path in (disk / "c").glob("*.ckpt")} == {"epoch_0020.ckpt", "best.ckpt"}
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True, timeout=LIMIT_S)
