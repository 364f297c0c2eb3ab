"""Up and down: only what differs is sent, what breaks is named, and nothing writes where it should not."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shlex
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest

from gonogo.agent.frames import frame, read_frames
from gonogo.agent.incoming import INCOMING, OWNER, Incoming
from gonogo.agent.json_files import Problem
from gonogo.agent.streams import READY
from gonogo.base.errors import UserError
from gonogo.base.ranges import Range
from gonogo.config.target import Ssh, Target
from gonogo.remote.errors import RemoteError
from gonogo.remote.machine import Machine, connect
from gonogo.remote.transfer import download, upload, verify


def quiet(done: int, total: int) -> None:
    """Progress that nobody reads."""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Twelve files of 100 kB in folders, and some that must not travel."""
    folder = tmp_path / "data"
    for index in range(12):
        path = folder / f"image_{index:04d}" / "input é.png"
        path.parent.mkdir(parents=True)
        path.write_bytes(os.urandom(100_000))
    (folder / ".hidden").write_text("secret")
    (folder / "image_0003" / ".git").mkdir()
    (folder / "image_0003" / ".git" / "config").write_text("secret")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "x.pyc").write_text("x")
    return folder


def _contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def _visible(folder: Path) -> dict[str, bytes]:
    return {
        name: text
        for name, text in _contents(folder).items()
        if not any(part.startswith(".") or part == "__pycache__" for part in name.split("/"))
    }


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


def test_a_hidden_name_is_not_sent_even_where_it_is_named(machine: Machine, root_there: Path, data: Path) -> None:
    hidden = {".git/config": data / "image_0003/.git/config", "code/.env": data / ".hidden", "code/.git": data}
    sent = upload(machine, {**hidden, "one": data / "image_0001/input é.png"}, "cvs", quiet)
    assert (sent.files_sent, sent.files_total) == (1, 1)
    assert list(_visible(root_there / "cvs")) == ["one"] and not list((root_there / "cvs").rglob("config"))
    assert verify(machine, "cvs") == 1


def test_what_is_sent_before_the_answer_is_kept_only_where_nothing_is(
    machine: Machine, root_there: Path, tmp_path: Path
) -> None:
    folder, there = tmp_path / "large", root_there / "cvs" / "data"
    folder.mkdir()
    for index in range(150):
        (folder / f"{index:03d}").write_bytes(os.urandom(200_000))
    first = upload(machine, {"data": folder}, "cvs", quiet)
    assert (first.files_sent, first.bytes_sent) == (150, 30_000_000)
    assert _contents(there) == _contents(folder)
    inodes = {path.name: path.stat().st_ino for path in there.iterdir()}
    again = upload(machine, {"data": folder}, "cvs", quiet)
    assert again.bytes_sent <= 0.01 * first.bytes_total, "what was sent before the answer"
    assert {path.name: path.stat().st_ino for path in there.iterdir()} == inodes, "and it was thrown away"
    (there / "000").unlink()
    (there / "000").mkdir()
    (there / "000" / "stranger").write_text("in the way of the very first chunk")
    upload(machine, {"data": folder}, "cvs", quiet)
    assert _contents(there) == _contents(folder)
    assert verify(machine, "cvs") == 150


def test_same_size_and_time_but_other_content_is_sent_again(machine: Machine, root_there: Path, data: Path) -> None:
    upload(machine, {"data": data}, "cvs", quiet)
    there = root_there / "cvs" / "data" / "image_0007" / "input é.png"
    status, content = there.stat(), there.read_bytes()
    there.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(there, (status.st_atime, status.st_mtime))
    assert upload(machine, {"data": data}, "cvs", quiet).files_sent == 1
    assert there.read_bytes() == content


def test_file_in_place_of_a_folder_and_back(machine: Machine, root_there: Path, tmp_path: Path) -> None:
    (tmp_path / "folder" / "x").mkdir(parents=True)
    (tmp_path / "folder" / "x" / "y").write_text("below")
    upload(machine, {"data": tmp_path / "folder"}, "cvs", quiet)
    (tmp_path / "folder" / "x" / "y").unlink()
    (tmp_path / "folder" / "x").rmdir()
    (tmp_path / "folder" / "x").write_text("a file")
    upload(machine, {"data": tmp_path / "folder"}, "cvs", quiet)
    assert _visible(root_there / "cvs") == {"data/x": b"a file"}
    (tmp_path / "folder" / "x").unlink()
    (tmp_path / "folder" / "x").mkdir()
    (tmp_path / "folder" / "x" / "y").write_text("below")
    upload(machine, {"data": tmp_path / "folder"}, "cvs", quiet)
    assert _visible(root_there / "cvs") == {"data/x/y": b"below"}


def test_links_that_lead_out_of_the_data_are_not_followed(machine: Machine, data: Path, tmp_path: Path) -> None:
    (tmp_path / "private").write_text("key")
    (data / "leak").symlink_to(tmp_path / "private")
    with pytest.raises(UserError, match=r"data/leak: leads out of"):
        upload(machine, {"data": data}, "cvs", quiet)


def test_links_to_files_elsewhere_count_as_the_files_where_that_is_said(
    machine: Machine, root_there: Path, data: Path, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").write_text("a picture")
    (data / "linked").symlink_to(tmp_path / "elsewhere")
    upload(machine, {"data": data}, "cvs", quiet, linked=["data"])
    assert _visible(root_there / "cvs")["data/linked"] == b"a picture"
    (data / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"data/dangling: leads out of"):
        upload(machine, {"data": data}, "cvs", quiet, linked=["data"])


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

X = hashlib.sha256(b"x").hexdigest()
HOSTILE = {
    "parent": ["../evil", 0, 1, 1, 0o644, X],
    "inner parent": ["a/../../evil", 0, 1, 1, 0o644, X],
    "absolute": ["/tmp/gonogo-evil", 0, 1, 1, 0o644, X],
    "other content": ["evil", 0, 1, 1, 0o644, hashlib.sha256(b"y").hexdigest()],
    "large": ["evil", 0, 1 << 40, 1 << 40, 0o644, X],
    "negative": ["evil", 0, -1, 1, 0o644, X],
    "no chunk": ["evil"],
}


def _frame(chunk: list[Any], data: bytes = b"x") -> bytes:
    return json.dumps({"chunks": [chunk], "packed": 0}).encode() + b"\n" + data


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_stream_is_refused_there(kind: str, machine: Machine, root_there: Path) -> None:
    (root_there / "in" / INCOMING).mkdir(parents=True)
    (root_there / "in" / INCOMING / OWNER).write_text('"me"')
    with machine.start_agent("receive", "in", "--owner=me") as channel, pytest.raises(RemoteError):
        channel.write(_frame(HOSTILE[kind]))
        channel.end_input()
        channel.check()
    assert not list(root_there.rglob("evil")) and not Path("/tmp/gonogo-evil").exists()


def test_chunks_are_cut_off_where_they_end(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="middle of a chunk"):
        list(read_frames(io.BytesIO(_frame(["a", 0, 5, 5, 0o644, X], b"xyz"))))
    packed = zlib.compress(b"x" * 3_000_000)
    head = json.dumps({"chunks": [["a", 0, 10, 10, 0o644, X]], "packed": len(packed)}).encode() + b"\n"
    with pytest.raises(Problem, match="does not have the size"):
        list(read_frames(io.BytesIO(head + packed)))


def test_a_folder_that_became_a_link_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "parts").mkdir()
    (tmp_path / "in" / "a").symlink_to(tmp_path)
    with pytest.raises(Problem, match="link"):
        Incoming(tmp_path / "in", tmp_path / "parts").put(["a/evil", 0, 1, 1, 0o644, X], memoryview(b"x"))
    assert not (tmp_path / "evil").exists()


def test_another_upload_to_the_same_folder_ends_the_first(machine: Machine, root_there: Path) -> None:
    (root_there / "in" / INCOMING).mkdir(parents=True)
    (root_there / "in" / INCOMING / OWNER).write_text('"another"')
    with machine.start_agent("receive", "in", "--owner=me") as channel, pytest.raises(RemoteError, match="another"):
        channel.write(_frame(["a", 0, 1, 1, 0o644, X]))
        channel.end_input()
        channel.check()


# --- large files, verification, links of different quality -------------------------------------------------


def test_of_a_large_file_only_the_changed_chunks_are_sent(machine: Machine, root_there: Path, tmp_path: Path) -> None:
    content = bytearray(os.urandom(8 << 20))
    file = tmp_path / "large.bin"
    file.write_bytes(content)
    assert upload(machine, {"data/large.bin": file}, "cvs", quiet).bytes_sent == 8 << 20
    content[5_000_000] ^= 1
    file.write_bytes(content + b"more")
    sent = upload(machine, {"data/large.bin": file}, "cvs", quiet)
    assert (sent.files_sent, sent.bytes_sent) == (1, (1 << 18) + 4)
    assert (root_there / "cvs" / "data" / "large.bin").read_bytes() == file.read_bytes()
    assert verify(machine, "cvs") == 1


def test_verify_finds_what_changed_on_the_machine(machine: Machine, root_there: Path, data: Path) -> None:
    upload(machine, {"data": data}, "cvs", quiet)
    assert verify(machine, "cvs") == 12
    there = root_there / "cvs" / "data" / "image_0007" / "input é.png"
    there.write_bytes(there.read_bytes()[:-1] + b"!")
    with pytest.raises(RemoteError, match=r"1 of 12 files .* data/image_0007/input é\.png"):
        verify(machine, "cvs")


def test_what_compresses_is_packed_where_the_link_is_slow(machine: Machine, root_there: Path, tmp_path: Path) -> None:
    text, noise = b"step 1 loss 0.25\n" * 40_000, os.urandom(600_000)
    buffers = frame([["a", 0, len(text), len(text), 0o644, ""]], [text], may_pack=True)
    assert sum(map(len, buffers)) < 0.1 * len(text)
    assert frame([["a", 0, len(noise), len(noise), 0o644, ""]], [noise], may_pack=True)[1] is noise
    (tmp_path / "log.txt").write_bytes(text)
    upload(machine, {"log.txt": tmp_path / "log.txt"}, "cvs", quiet)
    assert (root_there / "cvs" / "log.txt").read_bytes() == text


def test_rate_limit_and_estimate(ssh: Ssh, target: Target, data: Path) -> None:
    said: list[tuple[int, int, Range]] = []
    slow = target.model_copy(update={"max_mbit_per_s": 8.0})
    with connect(ssh, slow) as machine:
        sent = upload(machine, {"data": data}, "cvs", quiet, lambda *ahead: said.append(ahead))
    assert sent.seconds >= 1
    (size, files, seconds) = said[0]
    assert (size, files) == (sent.bytes_sent, 12)
    assert seconds.low <= 1.2 <= seconds.high


# --- down ------------------------------------------------------------------------------------------------


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


def _lie(machine: Machine, monkeypatch: pytest.MonkeyPatch, *answers: bytes) -> None:
    """The machine's agent answers a question with this, and then sends this, whatever it is asked for."""
    text = "import sys, time\nsys.stdout.buffer.write(%r)\nsys.stdout.flush()\ntime.sleep(2)\n" % (
        READY + b"".join(answers)
    )
    monkeypatch.setattr(machine, "waiting_agent_command", lambda *args: shlex.join([sys.executable, "-c", text]))


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (_frame(["wanted", 0, 1, 1, 0o644, X], b"y"), "differs from what was sent"),
        (_frame(["other", 0, 1, 1, 0o644, X]), "was not requested"),
        (_frame(["wanted", 0, 2, 2, 0o644, X], b"xx"), "was not requested"),
        (b"nonsense\n", "not the head of a frame"),
    ],
)
def test_what_was_not_asked_for_is_refused(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, frame: bytes, message: str
) -> None:
    _lie(machine, monkeypatch, b'{"files": {"wanted": [1, 420]}, "skipped": []}\n', frame)
    with pytest.raises(RemoteError, match=message):
        download(machine, "run", tmp_path / "archive" / "one", quiet)
    assert not (tmp_path / "archive" / "one").exists() and not list(tmp_path.rglob("other"))


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
    assert _contents(tmp_path / "archive" / "one") == results


def test_links_in_results(machine: Machine, results: dict[str, bytes], root_there: Path, tmp_path: Path) -> None:
    (root_there / "run" / "last.ckpt").symlink_to("epoch 4/model.ckpt")
    (root_there / "run" / "leak").symlink_to("/etc/passwd")
    got = download(machine, "run", tmp_path / "one", quiet)
    assert (tmp_path / "one" / "last.ckpt").read_bytes() == results["epoch 4/model.ckpt"]
    assert not (tmp_path / "one" / "last.ckpt").is_symlink()
    assert got.skipped == ("leak",)
    assert not (tmp_path / "one" / "leak").exists()


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        ({"files": {"../../evil": [1, 420]}, "skipped": []}, "not a plain relative name"),
        ({"files": {"/etc/evil": [1, 420]}, "skipped": []}, "not a plain relative name"),
        ({"files": {"x": [-1, 420]}, "skipped": []}, "malformed list of files"),
        ({"files": ["x"]}, "malformed list of files"),
        ({"files": {"x": [10**15, 420]}, "skipped": []}, "Free some disk space"),
    ],
)
def test_a_hostile_list_is_refused(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listed: Any, message: str
) -> None:
    _lie(machine, monkeypatch, json.dumps(listed).encode() + b"\n")
    with pytest.raises(UserError, match=message):
        download(machine, "run", tmp_path / "archive" / "one", quiet)
    assert not list(tmp_path.rglob("evil"))


@pytest.mark.parametrize("line", [b"[]", b"{}", b'"x"', b"{", b"\x1b[2J", b'{"files": {"a": 1}}', b"[" * 5000])
def test_an_answer_that_is_not_the_agents_ends_an_upload_in_words(
    machine: Machine, data: Path, monkeypatch: pytest.MonkeyPatch, line: bytes
) -> None:
    _lie(machine, monkeypatch, line + b"\n")
    with pytest.raises(RemoteError) as refused:
        upload(machine, {"data": data}, "cvs", quiet)
    assert str(refused.value).isprintable() and len(str(refused.value)) < 600


def test_nothing_to_fetch(machine: Machine, tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match="holds no files"):
        download(machine, "nowhere", tmp_path / "one", quiet)
