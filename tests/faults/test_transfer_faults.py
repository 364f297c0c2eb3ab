"""Broken bytes, full disks, closed folders, bad lines: a transfer says what is wrong, and the next one repairs it."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.netns.link import FAR_IP, impossible, line
from gonogo.agent.incoming import INCOMING
from gonogo.base.errors import UserError
from gonogo.config.target import Target
from gonogo.remote.errors import RemoteError, Unreachable
from gonogo.remote.machine import connect
from gonogo.remote.transfer import download, upload, verify
from tests.faults.servers import KINDS, SSHD, OpenSsh, Site, site
from tests.remote.conftest import contents
from tests.remote.workspace import wrapped_python
from tests.waiting import LIMIT_S

SIZE = 8 << 20
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")


def quiet(done: int, total: int) -> None:
    """Progress that nobody reads."""


@pytest.fixture(params=KINDS)
def there(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    with site(request.param, tmp_path) as made:
        yield made


@pytest.fixture
def big(tmp_path: Path) -> Path:
    (tmp_path / "big").mkdir()
    (tmp_path / "big" / "one.bin").write_bytes(os.urandom(SIZE))
    return tmp_path / "big"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], check=False, timeout=LIMIT_S
    ).returncode:
        pytest.skip("a tmpfs cannot be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True, timeout=LIMIT_S)


def send(there: Site, folder: Path) -> int:
    with connect(there.ssh, there.target) as machine:
        return upload(machine, {"data": folder}, "work", quiet).bytes_sent


def cut_upload(there: Site, folder: Path) -> Path:
    """Cut off in the middle; returns where the chunks wait."""
    there.line.cut_after = SIZE // 2
    with pytest.raises(Unreachable):
        send(there, folder)
    there.line.mend()
    time.sleep(0.5)  # what came is still being kept
    (waiting,) = (there.root / "work" / INCOMING).glob("*.part")
    return waiting


def test_a_byte_flipped_while_it_waits_is_found(there: Site, big: Path) -> None:
    waiting = cut_upload(there, big)
    with waiting.open("r+b") as part:
        part.seek(1000)
        byte = part.read(1)
        part.seek(1000)
        part.write(bytes([byte[0] ^ 1]))
    send(there, big)
    assert (there.root / "work" / "data" / "one.bin").read_bytes() == (big / "one.bin").read_bytes()


def test_what_was_truncated_while_it_waits_is_sent_again(there: Site, big: Path) -> None:
    waiting = cut_upload(there, big)
    os.truncate(waiting, 700_000)
    send(there, big)
    assert (there.root / "work" / "data" / "one.bin").read_bytes() == (big / "one.bin").read_bytes()


def test_a_byte_flipped_after_arrival_is_found_before_training(there: Site, big: Path) -> None:
    send(there, big)
    with (there.root / "work" / "data" / "one.bin").open("r+b") as file:
        file.seek(SIZE // 2)
        byte = file.read(1)
        file.seek(SIZE // 2)
        file.write(bytes([byte[0] ^ 1]))
    with connect(there.ssh, there.target) as machine, pytest.raises(RemoteError, match=r"first is data/one\.bin"):
        verify(machine, "work")
    assert send(there, big) == 1 << 18, "the chunk with the flipped byte"


@as_root
def test_full_disk_there(there: Site, big: Path, small_disk: Path) -> None:
    there.root.mkdir()
    (there.root / "work").symlink_to(small_disk)
    with pytest.raises(RemoteError, match="free some disk space there"):
        send(there, big)


@as_root
def test_disk_there_fills_up_meanwhile(
    there: Site, big: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gonogo.remote.transfer.uploads.check_room", lambda *known: None)
    there.root.mkdir()
    (there.root / "work").symlink_to(small_disk)
    with pytest.raises(RemoteError, match="No space left"):
        send(there, big)
    subprocess.run(["mount", "-o", "remount,size=32m", str(small_disk)], check=True, timeout=LIMIT_S)
    assert send(there, big) < SIZE
    assert (small_disk / "data" / "one.bin").read_bytes() == (big / "one.bin").read_bytes()


@as_root
def test_full_disk_here(there: Site, big: Path, small_disk: Path) -> None:
    there.root.mkdir()
    shutil.copytree(big, there.root / "results")
    with (
        connect(there.ssh, there.target) as machine,
        pytest.raises(UserError, match=r"8 MB to download.*Free some disk space"),
    ):
        download(machine, "results", small_disk / "archive" / "one", quiet)
    assert not (small_disk / "archive" / "one").exists()


@as_root
def test_disk_here_fills_up_meanwhile(
    there: Site, big: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gonogo.remote.transfer.downloads.check_room", lambda *known: None)
    there.root.mkdir()
    shutil.copytree(big, there.root / "results")
    with connect(there.ssh, there.target) as machine:
        with pytest.raises(UserError, match="the disk is full"):
            download(machine, "results", small_disk / "archive" / "one", quiet)
        subprocess.run(["mount", "-o", "remount,size=32m", str(small_disk)], check=True, timeout=LIMIT_S)
        got = download(machine, "results", small_disk / "archive" / "one", quiet)
    assert 0 < got.bytes_sent < SIZE, "what had come was not sent again"
    assert (small_disk / "archive" / "one" / "one.bin").read_bytes() == (big / "one.bin").read_bytes()


@pytest.fixture
def few_files(tmp_path: Path) -> Iterator[Path]:
    """A disk with space for more, and room for thirty files and folders."""
    folder = tmp_path / "disk"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=32m,nr_inodes=30", "tmpfs", str(folder)]
    if subprocess.run(words, check=False, timeout=LIMIT_S).returncode:
        pytest.skip("a tmpfs cannot be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True, timeout=LIMIT_S)


def more_files(disk: Path) -> None:
    words = ["mount", "-o", "remount,nr_inodes=1000", str(disk)]
    subprocess.run(words, check=True, timeout=LIMIT_S)


@pytest.fixture
def many(tmp_path: Path) -> Path:
    for number in range(60):
        path = tmp_path / "many" / f"{number % 4}/{number}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(20_000))
    return tmp_path / "many"


@as_root
def test_no_more_files_there(there: Site, many: Path, few_files: Path) -> None:
    there.root.mkdir()
    (there.root / "work").symlink_to(few_files)
    with pytest.raises(RemoteError, match=r"No space left on device \(df -h; df -i; quota; ulimit -f\)"):
        send(there, many)
    more_files(few_files)
    assert send(there, many) < 60 * 20_000, "what had arrived was not sent again"
    assert contents(few_files / "data") == contents(many)


@as_root
def test_no_more_files_here(there: Site, many: Path, few_files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there.root.mkdir()
    shutil.copytree(many, there.root / "results")
    with connect(there.ssh, there.target) as machine:
        with pytest.raises(UserError, match=r"64 files and folders to download, room for \d+ on this disk \(inodes\)"):
            download(machine, "results", few_files / "archive/one", quiet)
        with monkeypatch.context() as patched:
            patched.setattr("gonogo.remote.transfer.downloads.check_room", lambda *known: None)
            with pytest.raises(UserError, match=r"the disk is full: it has no free inodes for more files \(df -i\)"):
                download(machine, "results", few_files / "archive/one", quiet)
        assert not (few_files / "archive/one").exists()
        more_files(few_files)
        got = download(machine, "results", few_files / "archive/one", quiet)
    assert got.bytes_sent < 60 * 20_000, "what had come was not sent again"
    assert contents(few_files / "archive/one") == contents(many)


def test_files_may_not_become_that_large_there(there: Site, big: Path, tmp_path: Path) -> None:
    limited = wrapped_python(tmp_path / "python", before="ulimit -f 2000")
    with (
        connect(there.ssh, there.target.model_copy(update={"python": limited})) as machine,
        pytest.raises(RemoteError, match=r"File too large \(.*ulimit -f\)"),
    ):
        upload(machine, {"data": big}, "work", quiet)
    assert send(there, big) <= SIZE
    assert contents(there.root / "work/data") == contents(big)


def test_files_may_not_become_that_large_here(there: Site, big: Path, tmp_path: Path) -> None:
    there.root.mkdir()
    shutil.copytree(big, there.root / "results")
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    with connect(there.ssh, there.target) as machine:
        resource.setrlimit(resource.RLIMIT_FSIZE, (SIZE // 2, hard))
        try:
            with pytest.raises(UserError, match=r"the file would exceed the limit on file size\. Raise .*ulimit -f"):
                download(machine, "results", tmp_path / "archive/one", quiet)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        assert not (tmp_path / "archive/one").exists()
        download(machine, "results", tmp_path / "archive/one", quiet)
    assert contents(tmp_path / "archive/one") == contents(big)


@as_root
def test_read_only_target(there: Site, big: Path, small_disk: Path) -> None:
    there.root.mkdir()
    (there.root / "work").symlink_to(small_disk)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True, timeout=LIMIT_S)
    with pytest.raises(RemoteError, match="Read-only file system"):
        send(there, big)


def test_one_percent_of_the_files_changed(there: Site, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    for index in range(400):
        (folder / f"{index:03d}").mkdir(parents=True)
        (folder / f"{index:03d}" / "image.png").write_bytes(os.urandom(50_000))
    total = send(there, folder)
    for index in range(0, 400, 100):
        (folder / f"{index:03d}" / "image.png").write_bytes(os.urandom(50_000))
    there.line.mend()
    assert send(there, folder) == 4 * 50_000
    assert there.line.up <= 0.02 * total, f"{there.line.up / total:.1%} of the bytes went over the line"


CLIENT = """
import sys
from pathlib import Path
from gonogo.config.target import Ssh, Target
from gonogo.remote.machine import connect
from gonogo.remote.transfer import upload
ssh, target = Ssh.model_validate_json(sys.argv[1]), Target.model_validate_json(sys.argv[2])
with connect(ssh, target) as machine:
    sent = upload(machine, {"data": Path(sys.argv[3])}, "work", lambda done, total: None)
print(sent.path)
"""


@pytest.mark.skipif(bool(impossible()), reason=impossible() or "-")
@pytest.mark.skipif(not SSHD.exists(), reason="OpenSSH's server is not installed")
def test_slow_and_lossy_line(tmp_path: Path, big: Path) -> None:
    server = OpenSsh(tmp_path)
    direct = server.start()
    server.kill()
    config = (tmp_path / "sshd_config").read_text().replace("ListenAddress 127.0.0.1", f"ListenAddress {FAR_IP}")
    (tmp_path / "sshd_config").write_text(config)
    (tmp_path / "known_hosts").write_text(f"[{FAR_IP}]:{server.port} {server.host_key()}\n")
    with line(50, 200, 0.1) as made:
        daemon = subprocess.Popen(made.far(str(SSHD), "-D", "-f", str(tmp_path / "sshd_config")))
        try:
            ssh = direct.model_copy(update={"host": FAR_IP})
            target = Target(root=str(tmp_path / "there"), python=sys.executable).model_dump_json()
            words = [sys.executable, "-c", CLIENT, ssh.model_dump_json(), target, str(big)]
            done = subprocess.run(made.near(*words), capture_output=True, text=True, timeout=60, check=False)
        finally:
            daemon.terminate()
            daemon.wait(timeout=LIMIT_S)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "there" / "work" / "data" / "one.bin").read_bytes() == (big / "one.bin").read_bytes()
