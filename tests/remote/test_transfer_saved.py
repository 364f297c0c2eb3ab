"""Checkpoints of a script that knows nothing of gonogo: found by their names, whole, and safe to take."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gonogo.agent import lifecycle
from gonogo.agent.resumption import next_attempt
from gonogo.agent.run_folder import NO_PAST
from gonogo.agent.saved import saved
from gonogo.config.command import CHECKPOINTS
from gonogo.remote.errors import RemoteError
from gonogo.remote.file_lists import SavedFile
from gonogo.remote.machine import Machine
from gonogo.remote.transfer import Saved
from gonogo.remote.transfer.checkpoints import fetch_checkpoints
from tests.remote.test_transfer_checkpoints import _checkpoint

NOW = time.time()
Write = Callable[..., Path]


def tensors(size: int = 1000) -> bytes:
    header = json.dumps({"__metadata__": {"format": "pt"}, "w": {"data_offsets": [0, size], "shape": [size]}}).encode()
    return len(header).to_bytes(8, "little") + header + os.urandom(size)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def file(name: str, content: bytes, age_s: float = 100) -> Path:
        path = tmp_path / "code" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        at = time.time() - age_s
        os.utime(path, (at, at))
        return path

    return file


def found(tmp_path: Path, patterns: Any = CHECKPOINTS, **more: Any) -> list[str]:
    return sorted(saved(tmp_path / "code", patterns, **more))


def test_the_newest_whole_one_and_the_best(write: Write, tmp_path: Path) -> None:
    write("runs/model_3.pt", _checkpoint(), 30)
    write("runs/model_4.pt", _checkpoint()[:-30], 20)
    write("runs/best.pth", _checkpoint(), 90)
    write("notes.txt", b"no checkpoint", 1)
    assert found(tmp_path) == ["runs/best.pth", "runs/model_3.pt"]
    assert found(tmp_path, ["runs/model_*.pt"]) == ["runs/model_3.pt"] and found(tmp_path, ["*.bin"]) == []


@pytest.mark.parametrize(("cut", "whole"), [(0, True), (1, False), (900, False), (1075, False)])
def test_a_safetensors_file_is_whole_by_its_header(write: Write, tmp_path: Path, cut: int, whole: bool) -> None:
    content = tensors()
    write("model.safetensors", content[: len(content) - cut])
    assert found(tmp_path) == (["model.safetensors"] if whole else [])
    write("model.safetensors", (2).to_bytes(8, "little") + b"[]")
    assert found(tmp_path) == []


def test_a_form_without_an_end_must_have_settled(write: Write, tmp_path: Path) -> None:
    write("old.pth.tar", b"\x80\x02 a pickle", 60)
    assert found(tmp_path) == ["old.pth.tar"]
    write("old.pth.tar", b"\x80\x02 a pickle", 1)
    assert found(tmp_path) == []


def test_a_trainer_s_folder_is_one_checkpoint_and_whole_with_its_last_file(write: Write, tmp_path: Path) -> None:
    for number, age in ((500, 50), (1000, 20)):
        write(f"out/checkpoint-{number}/model.safetensors", tensors(), age)
        write(f"out/checkpoint-{number}/optimizer.pt", _checkpoint(), age)
        write(f"out/checkpoint-{number}/rng_state.pth", _checkpoint(), age)
        write(f"out/checkpoint-{number}/training_args.bin", b"args", age)
    write("out/checkpoint-500/trainer_state.json", b"{}", 50)
    files = ["model.safetensors", "optimizer.pt", "rng_state.pth", "trainer_state.json", "training_args.bin"]
    assert found(tmp_path) == [f"out/checkpoint-500/{name}" for name in files]
    write("out/checkpoint-1000/trainer_state.json", b"{}", 20)
    assert found(tmp_path) == [f"out/checkpoint-1000/{name}" for name in files]
    write("out/checkpoint-1000/optimizer.pt", _checkpoint()[:-5], 20)
    assert found(tmp_path)[0].startswith("out/checkpoint-500/")


def test_what_came_with_the_code_is_no_checkpoint_of_the_run(write: Write, tmp_path: Path) -> None:
    began = write("../run/.began", b"", 50)
    write("pretrained/vgg.pth", _checkpoint(), 60)
    assert found(tmp_path, run_dir=began.parent) == []
    write("runs/model.pth", _checkpoint(), 40)
    assert found(tmp_path, run_dir=began.parent) == ["runs/model.pth"]


def test_a_run_resumes_from_the_newest_whole_one_of_its_own(write: Write, tmp_path: Path) -> None:
    run_dir, notes = write("../runs/one/.began", b"", 70).parent, []
    write("pretrained.pt", _checkpoint(), 80)
    write("save/epoch_1.pt", _checkpoint(), 60)
    write("save/epoch_2.pt", _checkpoint()[:-40], 50)
    request = {
        **lifecycle.DEFAULTS, "argv": ["python"], "checkpoints": "../../code", "patterns": list(CHECKPOINTS),
        "resume": ["--resume", "{checkpoint}"],
    }  # fmt: skip
    argv, _ = next_attempt(request, run_dir, NO_PAST, notes.append)
    assert argv == ["python", "--resume", str(tmp_path / "code/save/epoch_1.pt")]
    assert "save/epoch_2.pt is incomplete" in notes[0]
    write("save/checkpoint-7/model.safetensors", tensors(), 40)
    write("save/checkpoint-7/trainer_state.json", b"{}", 40)
    argv, _ = next_attempt(request, run_dir, NO_PAST, notes.append)
    assert argv[-1] == str(tmp_path / "code/save/checkpoint-7")


def test_they_are_fetched_with_their_folders_and_older_ones_go(
    machine: Machine, root_there: Path, tmp_path: Path
) -> None:
    def save(number: int) -> None:
        folder = root_there / f"code/out/checkpoint-{number}"
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(tensors(2_000_000))
        (folder / "scheduler.pt").write_bytes(_checkpoint(100))
        (folder / "trainer_state.json").write_text("{}")
        for path in folder.iterdir():
            os.utime(path, (NOW - 2000 + number, NOW - 2000 + number))

    asked, into = Saved("code", CHECKPOINTS), tmp_path / "checkpoints"
    (root_there / "run").mkdir()
    assert fetch_checkpoints(machine, "run", into, saved=asked) == []
    save(500)
    came = {path.relative_to(into).as_posix() for path in fetch_checkpoints(machine, "run", into, saved=asked)}
    names = ("model.safetensors", "scheduler.pt", "trainer_state.json")
    assert came == {f"out/checkpoint-500/{name}" for name in names}
    assert fetch_checkpoints(machine, "run", into, saved=asked) == [], "nothing new, nothing sent"
    save(1000)
    fetch_checkpoints(machine, "run", into, saved=asked)
    assert [path.name for path in (into / "out").iterdir()] == ["checkpoint-1000"]
    there, here = root_there / "code/out/checkpoint-1000", into / "out/checkpoint-1000"
    assert all((here / name).read_bytes() == (there / name).read_bytes() for name in names)


@pytest.mark.parametrize("name", ["../model.pt", "/etc/model.pt", ".ssh/model.pt", "notes.txt", "a//b.pt", "x\n.pt"])
def test_a_name_that_was_not_asked_for_is_refused(
    name: str, machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = SavedFile(bytes=1, sha256=["0" * 64], mtime=1.0)
    monkeypatch.setattr(machine, "ask", lambda *_, **__: {name: entry})
    with pytest.raises(RemoteError, match="malformed list of checkpoints"):
        fetch_checkpoints(machine, "run", tmp_path / "c", saved=Saved("code", CHECKPOINTS))
    assert not (tmp_path / "c").exists()
