"""Up: only what differs is sent, and nothing writes where it should not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gonogo.agent.frames import frame
from gonogo.base.errors import UserError
from gonogo.base.ranges import Range
from gonogo.config.target import Ssh, Target
from gonogo.remote.errors import RemoteError
from gonogo.remote.machine import Machine, connect
from gonogo.remote.transfer import upload, verify
from tests.remote.conftest import contents, quiet


def _visible(folder: Path) -> dict[str, bytes]:
    return {
        name: text
        for name, text in contents(folder).items()
        if not any(part.startswith(".") or part == "__pycache__" for part in name.split("/"))
    }


def test_upload_sends_what_differs_and_removes_what_is_not_ours(machine: Machine, root_there: Path, data: Path) -> None:
    (data / "run.sh").write_text("#!/bin/sh\n")
    (data / "run.sh").chmod(0o750)
    seen: list[tuple[int, int]] = []
    parts = {"data/shard": data, "code/one.py": data / "run.sh"}
    first = upload(machine, parts, "cvs", lambda done, total: seen.append((done, total)))
    there = root_there / "cvs"
    assert contents(there / "data" / "shard") == _visible(data)
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
    assert contents(there / "data" / "shard") == _visible(data)
    assert not (there / "data" / "shard" / "image_0004").exists()
    assert (there / "code" / "two.py").exists()


def test_what_is_private_here_is_private_there_and_a_new_root_is(
    ssh: Ssh, target: Target, data: Path, root_there: Path
) -> None:
    (data / "key").write_text("small")
    (data / "weights").write_bytes(os.urandom(3 << 20))
    for name in ("key", "weights"):
        (data / name).chmod(0o600)
    with connect(ssh, target) as machine:
        upload(machine, {"data": data}, "sent", quiet)
    modes = {name: (root_there / "sent/data" / name).stat().st_mode & 0o077 for name in ("key", "weights")}
    assert modes == {"key": 0, "weights": 0}
    assert root_there.stat().st_mode & 0o077 == 0


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
    assert contents(there) == contents(folder)
    inodes = {path.name: path.stat().st_ino for path in there.iterdir()}
    again = upload(machine, {"data": folder}, "cvs", quiet)
    assert again.bytes_sent <= 0.01 * first.bytes_total, "what was sent before the answer"
    assert {path.name: path.stat().st_ino for path in there.iterdir()} == inodes, "and it was thrown away"
    (there / "000").unlink()
    (there / "000").mkdir()
    (there / "000" / "stranger").write_text("in the way of the very first chunk")
    upload(machine, {"data": folder}, "cvs", quiet)
    assert contents(there) == contents(folder)
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
    assert contents(outside) == {"stays": b"stays"}
    assert contents(root_there / "cvs" / "data") == _visible(data)


def test_a_far_side_that_cannot_write_says_so(machine: Machine, root_there: Path, data: Path) -> None:
    (root_there / "cvs").write_text("a file where a folder is needed")
    with pytest.raises(RemoteError, match="cvs"):
        upload(machine, {"data": data}, "cvs", quiet)


def test_what_is_not_there_cannot_be_uploaded(machine: Machine, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        upload(machine, {"data": tmp_path / "none"}, "cvs", quiet)


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
