"""Down: whole, verified, beside what is there, never over it."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import sys
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from gonogo.agent.files import NO_DATA
from gonogo.agent.incoming import Incoming
from gonogo.base.errors import UserError
from gonogo.config.target import Ssh, Target
from gonogo.remote.errors import RemoteError
from gonogo.remote.machine import Machine, connect
from gonogo.remote.transfer import download, downloads
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


def without_powers(path: Path) -> str:
    """A Python that may not read what its user may not read, also where that is root."""
    if os.geteuid() or not shutil.which("setpriv"):
        return sys.executable
    path.write_text(f'#!/bin/sh\nexec setpriv --bounding-set=-dac_override,-dac_read_search {sys.executable} "$@"\n')
    path.chmod(0o755)
    return str(path)


def test_what_cannot_be_fetched_is_named_and_the_rest_comes(
    ssh: Ssh, target: Target, results: dict[str, bytes], root_there: Path, tmp_path: Path
) -> None:
    folder, elsewhere = root_there / "run", root_there / "scratch"
    elsewhere.mkdir()
    (elsewhere / "best.bin").write_bytes(b"x")
    (folder / "best.bin").symlink_to(elsewhere / "best.bin")
    (folder / "shards").symlink_to(elsewhere)
    (folder / "latest").symlink_to("epoch 4")
    (folder / "nowhere").symlink_to("gone")
    os.mkfifo(folder / "pipe")
    (folder / "secret.bin").write_bytes(b"x")
    (folder / "closed").mkdir()
    (folder / "closed" / "inside.bin").write_bytes(b"x")
    (folder / os.fsdecode(b"caf\xe9")).write_bytes(b"x")
    (folder / "two\nlines").write_bytes(b"x")
    for name in ("secret.bin", "closed"):
        (folder / name).chmod(0)
    try:
        with connect(ssh, target.model_copy(update={"python": without_powers(tmp_path / "python")})) as machine:
            got = download(machine, "run", tmp_path / "one", quiet)
    finally:
        (folder / "closed").chmod(0o755)
    assert contents(tmp_path / "one") == results
    assert got.lost and got.missing == {
        "best.bin": f"a link to {elsewhere}/best.bin"[:80],
        "shards": f"a link to {elsewhere}"[:80],
        "pipe": NO_DATA,
        "secret.bin": "may not be read",
        "closed": "a folder that may not be entered",
        "'caf\\udce9'": "a name that is not UTF-8",
        "'two\\nlines'": "a name with control characters",
    }


def test_a_pipe_alone_holds_no_machine(
    machine: Machine, results: dict[str, bytes], root_there: Path, tmp_path: Path
) -> None:
    os.mkfifo(root_there / "run" / "pipe")
    got = download(machine, "run", tmp_path / "one", quiet)
    assert got.missing == {"pipe": NO_DATA} and not got.lost


def test_nothing_that_comes_is_executable(machine: Machine, root_there: Path, tmp_path: Path) -> None:
    (root_there / "run").mkdir()
    for name, size in (("small.sh", 100), ("large.sh", 3 << 20)):
        (root_there / "run" / name).write_bytes(os.urandom(size))
        (root_there / "run" / name).chmod(0o777)
    download(machine, "run", tmp_path / "one", quiet)
    assert {path.stat().st_mode & 0o111 for path in (tmp_path / "one").iterdir()} == {0}


def test_cut_off_after_its_last_step_it_is_not_fetched_twice(
    machine: Machine, results: dict[str, bytes], tmp_path: Path
) -> None:
    partial = tmp_path / ".partial"
    first = download(machine, "run", tmp_path / "one", quiet, partial)
    again = download(machine, "run", tmp_path / "two", quiet, partial)
    assert again == first and first.folder == str(tmp_path / "one")
    assert {path.name for path in tmp_path.iterdir()} == {"one", ".partial"}
    shutil.rmtree(tmp_path / "one")
    assert download(machine, "run", tmp_path / "two", quiet, partial).folder == str(tmp_path / "two")


def test_the_lock_is_open_for_writing_as_network_disks_need_it(
    machine: Machine, results: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock, locked = fcntl.flock, []

    def of_nfs(file: Any, how: int) -> None:
        if fcntl.fcntl(file, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, "Bad file descriptor")
        locked.append(how)
        flock(file, how)

    monkeypatch.setattr(fcntl, "flock", of_nfs)
    download(machine, "run", tmp_path / "one", quiet)
    assert locked

    def refuses(file: Any, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuses)
    with pytest.raises(UserError, match=r"cannot be locked \(No locks available"):
        download(machine, "run", tmp_path / "two", quiet)


@pytest.mark.parametrize(("one", "other"), [("Model.ckpt", "model.ckpt"), ("caf\u00e9.bin", "cafe\u0301.bin")])
def test_names_that_a_disk_takes_for_one_are_no_download(
    machine: Machine, root_there: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one: str, other: str
) -> None:
    """No such disk is here: this is what one does with a name."""
    target = Incoming._target
    monkeypatch.setattr(
        Incoming, "_target", lambda self, name: target(self, unicodedata.normalize("NFC", name).casefold())
    )
    monkeypatch.setattr(downloads, "_finish", lambda *files: None)  # it finds both names
    (root_there / "run").mkdir()
    for name in (one, other):
        (root_there / "run" / name).write_bytes(name.encode())
    with pytest.raises(UserError, match="are one name on its disk: nothing was kept"):
        download(machine, "run", tmp_path / "one", quiet)
    assert not (tmp_path / "one").exists()


def test_nothing_to_fetch(machine: Machine, tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match="holds no files"):
        download(machine, "nowhere", tmp_path / "one", quiet)
