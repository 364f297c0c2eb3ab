"""Up and down: only what differs is sent, what breaks is named, and nothing writes where it should not."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gonogo.config import Ssh, Target
from gonogo.errors import UserError
from gonogo.remote import agent
from gonogo.remote.channel import Channel
from gonogo.remote.errors import RemoteError
from gonogo.remote.machine import Machine, connect
from gonogo.remote.transfer import download, upload


def quiet(done: int, total: int) -> None:
    """Progress that nobody reads."""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Twelve files of 100 kB in folders, and three that must not travel."""
    folder = tmp_path / "data"
    for index in range(12):
        path = folder / f"image_{index:04d}" / "input é.png"
        path.parent.mkdir(parents=True)
        path.write_bytes(os.urandom(100_000))
    (folder / ".hidden").write_text("secret")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "x.pyc").write_text("x")
    return folder


def _contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def _visible(folder: Path) -> dict[str, bytes]:
    hidden = (".", "__pycache__")
    return {name: text for name, text in _contents(folder).items() if not name.startswith(hidden)}


# --- up --------------------------------------------------------------------------------------------------


def test_upload_sends_what_differs_and_removes_what_is_not_ours(machine: Machine, root_there: Path, data: Path) -> None:
    (data / "run.sh").write_text("#!/bin/sh\n")
    (data / "run.sh").chmod(0o750)
    seen: list[tuple[int, int]] = []
    parts = {"data/shard": data, "code/one.py": data / "run.sh"}
    first = upload(machine, parts, "cvs", lambda done, total: seen.append((done, total)))
    there = root_there / "cvs"
    assert _contents(there / "data" / "shard") == _visible(data)
    assert (there / "code" / "one.py").read_text() == "#!/bin/sh\n"
    assert os.access(there / "data" / "shard" / "run.sh", os.X_OK)
    assert (first.files_sent, first.files_total) == (14, 14)
    assert first.bytes_sent == first.bytes_total == seen[-1][0] == seen[-1][1] == 1_200_020

    again = upload(machine, parts, "cvs", quiet)
    assert (again.files_sent, again.bytes_sent, again.files_total) == (0, 0, 14)

    (data / "image_0003" / "input é.png").write_bytes(b"new")
    (data / "image_0004" / "input é.png").unlink()
    (there / "data" / "shard" / "image_0005" / "stranger").write_text("not ours")
    (there / "code" / "two.py").write_text("beside what we name")
    delta = upload(machine, parts, "cvs", quiet)
    assert (delta.files_sent, delta.bytes_sent) == (1, 3)
    assert _contents(there / "data" / "shard") == _visible(data)
    assert not (there / "data" / "shard" / "image_0004").exists()
    assert (there / "code" / "two.py").exists()


def test_same_size_and_time_but_other_content_is_sent_again(machine: Machine, root_there: Path, data: Path) -> None:
    upload(machine, {"data": data}, "cvs", quiet)
    there = root_there / "cvs" / "data" / "image_0007" / "input é.png"
    status, content = there.stat(), there.read_bytes()
    there.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(there, (status.st_atime, status.st_mtime))
    assert upload(machine, {"data": data}, "cvs", quiet).files_sent == 1
    assert there.read_bytes() == content


class Interrupted(Exception):
    """Somebody pressed Ctrl-C."""


def test_interrupted_upload_sends_only_the_rest(ssh: Ssh, target: Target, root_there: Path, data: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done > total / 2:
            raise Interrupted

    with connect(ssh, target) as machine, pytest.raises(Interrupted):
        upload(machine, {"data": data}, "cvs", interrupt)
    with connect(ssh, target) as machine:
        rest = upload(machine, {"data": data}, "cvs", quiet)
    assert 5 <= rest.files_sent <= 7, "half of the twelve files were there already"
    assert _contents(root_there / "cvs" / "data") == _visible(data)


def test_file_in_place_of_a_folder_and_back(machine: Machine, root_there: Path, tmp_path: Path) -> None:
    (tmp_path / "folder" / "x").mkdir(parents=True)
    (tmp_path / "folder" / "x" / "y").write_text("below")
    upload(machine, {"data": tmp_path / "folder"}, "cvs", quiet)
    (tmp_path / "folder" / "x" / "y").unlink()
    (tmp_path / "folder" / "x").rmdir()
    (tmp_path / "folder" / "x").write_text("a file")
    upload(machine, {"data": tmp_path / "folder"}, "cvs", quiet)
    assert _contents(root_there / "cvs") == {"data/x": b"a file"}
    (tmp_path / "folder" / "x").unlink()
    (tmp_path / "folder" / "x").mkdir()
    (tmp_path / "folder" / "x" / "y").write_text("below")
    upload(machine, {"data": tmp_path / "folder"}, "cvs", quiet)
    assert _contents(root_there / "cvs") == {"data/x/y": b"below"}


def test_links_that_lead_out_of_the_data_are_not_followed(machine: Machine, data: Path, tmp_path: Path) -> None:
    (tmp_path / "private").write_text("key")
    (data / "leak").symlink_to(tmp_path / "private")
    with pytest.raises(UserError, match=r"data/leak: leads out of"):
        upload(machine, {"data": data}, "cvs", quiet)


def test_links_on_the_machine_are_not_written_through(machine: Machine, root_there: Path, data: Path) -> None:
    outside = root_there / "outside"
    outside.mkdir()
    (outside / "stays").write_text("stays")
    (root_there / "cvs").mkdir()
    (root_there / "cvs" / "data").symlink_to(outside)
    upload(machine, {"data": data}, "cvs", quiet)  # a link where our folder belongs is not ours: it is replaced
    assert _contents(outside) == {"stays": b"stays"}
    assert _contents(root_there / "cvs" / "data") == _visible(data)


def test_a_far_side_that_cannot_write_says_so(machine: Machine, root_there: Path, data: Path) -> None:
    (root_there / "cvs").write_text("a file where a folder is needed")
    with pytest.raises(RemoteError, match="cvs"):
        upload(machine, {"data": data}, "cvs", quiet)


def test_what_is_not_there_cannot_be_uploaded(machine: Machine, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        upload(machine, {"data": tmp_path / "none"}, "cvs", quiet)


# --- hostile streams, on either side ---------------------------------------------------------------------


def _tar(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w|") as tar:
        for member, content in members:
            tar.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def _member(name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = "") -> tuple[Any, bytes]:
    member = tarfile.TarInfo(name)
    member.size, member.type, member.linkname = len(content), kind, link
    return member, content


def _hostile() -> dict[str, tuple[bytes, list[str]]]:
    """Name → (stream, names in the manifest that goes with it)."""
    through = [_member("a", kind=tarfile.SYMTYPE, link="../.."), _member("a/evil", b"x")]
    return {
        "parent": (_tar(_member("../evil", b"x")), ["../evil"]),
        "inner parent": (_tar(_member("a/../../evil", b"x")), ["a/../../evil"]),
        "absolute": (_tar(_member("/tmp/gonogo-evil", b"x")), ["/tmp/gonogo-evil"]),
        "unnamed": (_tar(_member("evil", b"x")), ["good"]),
        "link": (_tar(_member("evil", kind=tarfile.SYMTYPE, link="/etc/passwd")), ["evil"]),
        "hard link": (_tar(_member("evil", kind=tarfile.LNKTYPE, link="/etc/passwd")), ["evil"]),
        "through link": (_tar(*through), ["a/evil"]),
        "device": (_tar(_member("evil", kind=tarfile.CHRTYPE)), ["evil"]),
        "pipe": (_tar(_member("evil", kind=tarfile.FIFOTYPE)), ["evil"]),
        "folder": (_tar(_member("evil", kind=tarfile.DIRTYPE)), ["evil"]),
        "size": (_tar(_member("evil", b"xx")), ["evil"]),
        "twice": (_tar(_member("evil", b"x"), _member("evil", b"x")), ["evil"]),
    }


def _manifest(names: list[str]) -> dict[str, Any]:
    return {name: {"sha256": hashlib.sha256(b"x").hexdigest(), "bytes": 1} for name in names}


@pytest.mark.parametrize("kind", _hostile())
def test_hostile_stream_is_refused_here(kind: str, tmp_path: Path) -> None:
    stream, names = _hostile()[kind]
    with pytest.raises(agent.Problem, match=r"refused|not as many"):
        agent.receive(io.BytesIO(stream), tmp_path / "in", _manifest(names))
    assert [path for path in tmp_path.rglob("*") if "evil" in path.name and kind != "twice"] == []
    assert not Path("/tmp/gonogo-evil").exists()


@pytest.mark.parametrize("kind", ["parent", "absolute", "link", "through link", "unnamed"])
def test_hostile_stream_is_refused_there(kind: str, machine: Machine, root_there: Path) -> None:
    stream, names = _hostile()[kind]
    with machine.start_agent("unpack", "in") as channel, pytest.raises(RemoteError, match="refused"):
        channel.write(json.dumps(_manifest(names)).encode() + b"\n" + stream)
        channel.end_input()
        channel.check()
    assert not list(root_there.rglob("evil"))


def test_more_than_was_announced_is_cut_off(tmp_path: Path) -> None:
    member, content = _member("good", b"x")
    member.pax_headers = {"comment": "x" * 3_000_000}
    with pytest.raises(agent.Problem, match="more data came"):
        agent.receive(io.BytesIO(_tar((member, content))), tmp_path / "in", _manifest(["good"]))


def test_a_folder_that_became_a_link_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").symlink_to(tmp_path)
    with pytest.raises(agent.Problem, match="link"):
        agent.receive(io.BytesIO(_tar(_member("a/evil", b"x"))), tmp_path / "in", _manifest(["a/evil"]))
    assert not (tmp_path / "evil").exists()


# --- down ------------------------------------------------------------------------------------------------


class Tampered(Machine):
    """A machine whose answers to `pack` pass through `tamper(offset, bytes)`."""

    tamper: Callable[[int, bytes], bytes]

    def start_agent(self, *args: str) -> Channel:
        channel = super().start_agent(*args)
        if args[0] == "pack":
            read, offset = channel.read, 0

            def tampered(size: int, timeout_s: float = 60) -> bytes:
                nonlocal offset
                data = read(size, timeout_s)
                offset += len(data)
                changed = self.tamper(offset - len(data), data)
                channel.at_end = channel.at_end or not changed
                return changed

            channel.read = tampered  # type: ignore[method-assign]
        return channel


def _tampered(machine: Machine, tamper: Callable[[int, bytes], bytes]) -> Machine:
    machine.__class__ = Tampered
    machine.tamper = tamper  # type: ignore[attr-defined]
    return machine


@pytest.fixture
def results(root_there: Path, machine: Machine) -> dict[str, bytes]:
    """A run's folder on the machine: 5 files of 200 kB."""
    folder = root_there / "run"
    for index in range(5):
        (folder / f"epoch {index}").mkdir(parents=True)
        (folder / f"epoch {index}" / "model.ckpt").write_bytes(os.urandom(200_000))
    return _contents(folder)


def test_download_is_whole_and_verified(machine: Machine, results: dict[str, bytes], tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    got = download(machine, "run", tmp_path / "archive" / "one", lambda done, total: seen.append((done, total)))
    assert _contents(tmp_path / "archive" / "one") == results
    assert (got.files_total, got.bytes_total, got.skipped) == (5, 1_000_000, ())
    assert seen[-1] == (1_000_000, 1_000_000)
    assert [path.name for path in (tmp_path / "archive").iterdir()] == ["one"]


def test_download_never_overwrites(machine: Machine, results: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    with pytest.raises(UserError, match="never overwrites"):
        download(machine, "run", tmp_path / "one", quiet)
    assert list((tmp_path / "one").iterdir()) == []


def _flip(offset: int, data: bytes) -> bytes:
    at = 450_000 - offset  # inside the content of the third file
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :] if 0 <= at < len(data) else data


@pytest.mark.parametrize(
    ("tamper", "message"),
    [
        (_flip, r"epoch 2/model.ckpt: what came is not what was sent"),
        (lambda offset, data: data[: max(0, 450_000 - offset)], r"broke at epoch 2/model.ckpt"),
        (lambda offset, data: data or b"\0" * 2_000_000, r"more data came"),
    ],
)
def test_broken_stream_leaves_nothing(
    machine: Machine,
    results: dict[str, bytes],
    tmp_path: Path,
    tamper: Callable[[int, bytes], bytes],
    message: str,
) -> None:
    with pytest.raises(RemoteError, match=message):
        download(_tampered(machine, tamper), "run", tmp_path / "archive" / "one", quiet)
    assert list((tmp_path / "archive").iterdir()) == []


def test_links_in_results(machine: Machine, results: dict[str, bytes], root_there: Path, tmp_path: Path) -> None:
    (root_there / "run" / "last.ckpt").symlink_to("epoch 4/model.ckpt")
    (root_there / "run" / "leak").symlink_to("/etc/passwd")
    got = download(machine, "run", tmp_path / "one", quiet)
    assert (tmp_path / "one" / "last.ckpt").read_bytes() == results["epoch 4/model.ckpt"]
    assert not (tmp_path / "one" / "last.ckpt").is_symlink()
    assert got.skipped == ("leak",)
    assert not (tmp_path / "one" / "leak").exists()


def test_a_hostile_manifest_is_refused(
    machine: Machine, results: dict[str, bytes], root_there: Path, tmp_path: Path
) -> None:
    entry = {"sha256": "0" * 64, "bytes": 1}
    answer = json.dumps({"../../evil": entry})
    (root_there / "agent.py").write_text(f"import sys\nprint({answer!r})\n")
    with pytest.raises(RemoteError, match="not a plain relative name"):
        download(machine, "run", tmp_path / "archive" / "one", quiet)
    (root_there / "agent.py").write_text(f"print({json.dumps({'x': {'sha256': 'x', 'bytes': -1}})!r})\n")
    with pytest.raises(RemoteError, match="makes no sense"):
        download(machine, "run", tmp_path / "archive" / "one", quiet)
    assert not list(tmp_path.rglob("evil"))


def test_nothing_to_fetch(machine: Machine, tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match="holds no files"):
        download(machine, "nowhere", tmp_path / "one", quiet)
