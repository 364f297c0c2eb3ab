"""Down: whole, verified, beside what is there, never over it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gonogo.base.errors import UserError
from gonogo.remote.errors import RemoteError
from gonogo.remote.machine import Machine
from gonogo.remote.transfer import download
from tests.remote.conftest import contents, quiet


@pytest.fixture
def results(root_there: Path, machine: Machine) -> dict[str, bytes]:
    """A run's folder on the machine: 5 files of 200 kB."""
    folder = root_there / "run"
    for index in range(5):
        (folder / f"epoch {index}").mkdir(parents=True)
        (folder / f"epoch {index}" / "model.ckpt").write_bytes(os.urandom(200_000))
    return contents(folder)


def test_download_is_whole_and_verified(machine: Machine, results: dict[str, bytes], tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    got = download(machine, "run", tmp_path / "archive" / "one", lambda done, total: seen.append((done, total)))
    assert contents(tmp_path / "archive" / "one") == results
    assert (got.files_total, got.bytes_total, got.missing) == (5, 1_000_000, {})
    assert seen[-1] == (1_000_000, 1_000_000)
    assert [path.name for path in (tmp_path / "archive").iterdir()] == ["one"]


def test_download_never_overwrites(machine: Machine, results: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    with pytest.raises(UserError, match="never overwrites"):
        download(machine, "run", tmp_path / "one", quiet)
    assert list((tmp_path / "one").iterdir()) == []


def test_what_waits_here_is_looked_at_again(
    machine: Machine, results: dict[str, bytes], root_there: Path, tmp_path: Path
) -> None:
    partial = tmp_path / "archive" / ".one.partial"
    (partial / "files" / "epoch 1").mkdir(parents=True)
    (partial / "files" / "epoch 2").mkdir(parents=True)
    good, name = results["epoch 1/model.ckpt"], "epoch 2/model.ckpt"
    (partial / "files" / "epoch 1" / "model.ckpt").write_bytes(good)
    (partial / "files" / name).write_bytes(results[name][:-1] + bytes([results[name][-1] ^ 1]))
    (partial / "files" / "stranger").write_text("from another run")
    got = download(machine, "run", tmp_path / "archive" / "one", quiet)
    assert got.files_sent == 4, "one was there already, and one was not what it should be"
    assert contents(tmp_path / "archive" / "one") == results


def test_links_in_results(machine: Machine, results: dict[str, bytes], root_there: Path, tmp_path: Path) -> None:
    (root_there / "run" / "last.ckpt").symlink_to("epoch 4/model.ckpt")
    (root_there / "run" / "leak").symlink_to("/etc/passwd")
    got = download(machine, "run", tmp_path / "one", quiet)
    assert (tmp_path / "one" / "last.ckpt").read_bytes() == results["epoch 4/model.ckpt"]
    assert not (tmp_path / "one" / "last.ckpt").is_symlink()
    assert got.missing == {"leak": "a link to /etc/passwd"} and got.lost
    assert not (tmp_path / "one" / "leak").exists()


def test_nothing_to_fetch(machine: Machine, tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match="holds no files"):
        download(machine, "nowhere", tmp_path / "one", quiet)
