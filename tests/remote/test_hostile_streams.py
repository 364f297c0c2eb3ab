"""What breaks a stream, or lies in one, is refused in words, on either side."""

from __future__ import annotations

import hashlib
import io
import json
import shlex
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest

from gonogo.agent.frames import read_frames
from gonogo.agent.incoming import INCOMING, OWNER, Incoming
from gonogo.agent.json_files import Problem
from gonogo.agent.streams import READY
from gonogo.base.errors import UserError
from gonogo.remote.errors import RemoteError
from gonogo.remote.machine import Machine
from gonogo.remote.transfer import download, upload
from tests.remote.conftest import quiet

X = hashlib.sha256(b"x").hexdigest()

HOSTILE: dict[str, list[Any]] = {
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


def _lie(machine: Machine, monkeypatch: pytest.MonkeyPatch, *answers: bytes) -> None:
    """The machine's agent answers a question with this, and then sends this, whatever it is asked for."""
    text = "import sys, time\nsys.stdout.buffer.write(%r)\nsys.stdout.flush()\ntime.sleep(2)\n" % (
        READY + b"".join(answers)
    )
    monkeypatch.setattr(machine, "waiting_agent_command", lambda *args: shlex.join([sys.executable, "-c", text]))


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
    _lie(machine, monkeypatch, b'{"sizes": {"wanted": 1}, "skipped": {}}\n', frame)
    with pytest.raises(RemoteError, match=message):
        download(machine, "run", tmp_path / "archive" / "one", quiet)
    assert not (tmp_path / "archive" / "one").exists() and not list(tmp_path.rglob("other"))


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        ({"sizes": {"../../evil": 1}, "skipped": {}}, "not a plain relative name"),
        ({"sizes": {"/etc/evil": 1}, "skipped": {}}, "not a plain relative name"),
        ({"sizes": {"a/.git/config": 1}, "skipped": {}}, "a hidden name; refused"),
        ({"sizes": {".envrc": 1}, "skipped": {}}, "a hidden name; refused"),
        ({"sizes": {"a": 1, "a/b": 1}, "skipped": {}}, "both a file and a folder"),
        ({"sizes": {"x": -1}, "skipped": {}}, "not an answer of gonogo's agent"),
        ({"sizes": ["x"]}, "not an answer of gonogo's agent"),
        ({"sizes": {"x": 10**14}, "skipped": {}}, "Free some disk space"),
        ({"sizes": {"x": 10**17}, "skipped": {}}, "not an answer of gonogo's agent"),
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


def test_a_file_that_breaks_off_while_it_is_read_is_named(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chunks = [["bad", 0, 0, 1, 0, "!bad: cannot be read (Input/output error)\x1b[2J"], ["good", 0, 1, 1, 0o777, X]]
    frame = json.dumps({"chunks": chunks, "packed": 0}).encode() + b"\nx"
    _lie(machine, monkeypatch, b'{"sizes": {"bad": 1, "good": 1}, "skipped": {}}\n', frame)
    got = download(machine, "run", tmp_path / "one", quiet)
    assert got.missing == {"bad": "bad: cannot be read (Input/output error)"} and got.lost
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["good"]


def test_a_login_that_prints_without_end_is_given_up(machine: Machine, tmp_path: Path) -> None:
    text = "while True: print('x' * 65536, flush=True)"
    machine.waiting_agent_command = lambda *args: shlex.join([sys.executable, "-c", text])  # type: ignore[method-assign]
    with pytest.raises(RemoteError, match="printed more than 1 MiB"):
        download(machine, "run", tmp_path / "one", quiet)
