"""Commands and files on the machine, and what a user reads when it does not let us in."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

import asyncssh
import pytest

from gonogo.base.errors import UserError
from gonogo.config.target import Ssh, Target
from gonogo.remote import embedded_server
from gonogo.remote.agent_archive import NAME
from gonogo.remote.errors import RemoteError, Unreachable
from gonogo.remote.known_hosts import pin
from gonogo.remote.machine import Machine, connect
from tests.remote.workspace import run, wrapped_python
from tests.waiting import LIMIT_S


def test_arguments_reach_the_command_as_they_are(machine: Machine, instance: Path) -> None:
    nasty = ["a; touch pwned", "$(touch pwned)", "`touch pwned`", "'", '"', "*", "new\nline", "-n", ""]
    script = "import json, sys; print(json.dumps(sys.argv[1:]))"
    assert run(machine, [sys.executable, "-c", script, *nasty]).stdout == json.dumps(nasty) + "\n"
    assert not list(instance.rglob("pwned"))


def test_working_folder_is_quoted_too(machine: Machine, root_there: Path) -> None:
    (root_there / "a; touch pwned").mkdir()
    assert run(machine, ["pwd"], cwd="a; touch pwned").stdout.strip().endswith("a; touch pwned")
    assert not list(root_there.rglob("pwned"))


def test_exit_codes_and_streams(machine: Machine) -> None:
    done = run(machine, ["sh", "-c", "echo out; echo err >&2; exit 7"])
    assert (done.code, done.stdout, done.stderr) == (7, "out\n", "err\n")
    with (
        pytest.raises(RemoteError, match=r"sh -c .* failed \(exit code 7\): broken here"),
        machine.start(["sh", "-c", "echo broken here >&2; exit 7"]) as channel,
    ):
        channel.check()


def test_much_output_on_both_streams(machine: Machine) -> None:
    much = "head -c 5000000 /dev/zero | tr '\\0'"
    done = run(machine, ["sh", "-c", f"{much} e >&2; {much} o"])
    assert len(done.stdout) == 5_000_000
    assert done.stderr.endswith("eee")


def test_an_agent_that_takes_too_long(machine: Machine, root_there: Path) -> None:
    (root_there / NAME).write_text("import time; time.sleep(30)")
    with pytest.raises(RemoteError, match=r"agent status has not ended after 0.3 s"):
        machine.run_agent("status", "ws/runs/r", timeout_s=0.3)


def test_files(machine: Machine, root_there: Path) -> None:
    machine.put_text("deep/er/note.txt", "grün\n")
    assert machine.read_text("deep/er/note.txt") == "grün\n"
    assert machine.read_text("deep/nothing.txt") is None
    assert [path.name for path in (root_there / "deep/er").iterdir()] == ["note.txt"], "a temporary file was left"


def test_the_agent_is_sent_once(ssh: Ssh, target: Target, root_there: Path) -> None:
    with connect(ssh, target) as machine:
        assert machine.install_agent()
        assert not machine.install_agent()
        (root_there / NAME).write_text("print('older')")
        assert machine.install_agent()


def test_a_login_script_that_prints_does_no_harm(machine: Machine, tmp_path: Path) -> None:
    machine.agent_python = wrapped_python(tmp_path / "python", "echo Welcome!")
    assert machine.run_agent("active", ".") is None


# --- refusals --------------------------------------------------------------------------------------------


def _changed(ssh: Ssh, **fields: object) -> Ssh:
    return ssh.model_copy(update=fields)


def _refusal(ssh: Ssh) -> str:
    with pytest.raises(UserError) as refused, connect(ssh, Target(python="this")):
        pass
    return str(refused.value)


def test_unknown_host_key(ssh: Ssh, tmp_path: Path) -> None:
    for known_hosts in (tmp_path / "empty", tmp_path / "missing"):
        (tmp_path / "empty").touch()
        text = _refusal(_changed(ssh, known_hosts=known_hosts))
        assert "SHA256:" in text
        assert f"ssh-keyscan -p {ssh.port} 127.0.0.1 >> {known_hosts}" in text


def test_changed_host_key(ssh: Ssh, tmp_path: Path) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    (tmp_path / "known_hosts").write_text(f"[127.0.0.1]:{ssh.port} {other}")
    text = _refusal(_changed(ssh, known_hosts=tmp_path / "known_hosts"))
    assert "HOST KEY HAS CHANGED" in text
    assert f"ssh-keygen -R '[127.0.0.1]:{ssh.port}'" in text


def test_wrong_key(ssh: Ssh, tmp_path: Path) -> None:
    key = tmp_path / "other"
    key.touch(mode=0o600)
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(key))
    text = _refusal(_changed(ssh, key_file=key))
    assert "refuses the key" in text
    assert "authorized_keys" in text


def test_key_file_missing_open_or_no_key(ssh: Ssh, tmp_path: Path) -> None:
    assert "ssh-keygen -t ed25519" in _refusal(_changed(ssh, key_file=tmp_path / "none"))
    shutil.copy(ssh.key_file, tmp_path / "open")
    (tmp_path / "open").chmod(0o640)
    assert f"chmod 600 {tmp_path / 'open'}" in _refusal(_changed(ssh, key_file=tmp_path / "open"))
    (tmp_path / "text").touch(mode=0o600)
    assert "not a readable private key" in _refusal(_changed(ssh, key_file=tmp_path / "text"))
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(tmp_path / "locked"), passphrase="secret")
    (tmp_path / "locked").chmod(0o600)
    assert "passphrase" in _refusal(_changed(ssh, key_file=tmp_path / "locked"))


def test_nothing_listens(ssh: Ssh) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        text = _refusal(_changed(ssh, port=free.getsockname()[1]))
    assert "nothing listens there" in text


def test_something_else_listens(ssh: Ssh) -> None:
    script = (
        "import sys; from gonogo.config.target import Ssh, Target; from gonogo.remote.machine import connect\n"
        "with connect(Ssh.model_validate_json(sys.argv[1]), Target(python='this')): pass"
    )
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            link, _ = server.accept()
            link.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            link.close()

        threading.Thread(target=answer, daemon=True).start()
        there = _changed(ssh, port=server.getsockname()[1]).model_dump_json()
        done = subprocess.run(
            [sys.executable, "-c", script, there], capture_output=True, text=True, check=False, timeout=LIMIT_S
        )
    assert "no SSH server answers" in done.stderr
    assert done.stderr.startswith("Traceback"), "paramiko wrote to the terminal before the error was raised"


def test_unknown_name(ssh: Ssh) -> None:
    assert "no machine of this name" in _refusal(_changed(ssh, host="no-such-host.invalid"))


def test_a_link_that_drops_is_told_from_a_command_that_fails(tmp_path: Path) -> None:
    ssh = embedded_server.ensure(tmp_path, os.getpid())
    with connect(ssh, Target(python="this")) as machine:
        channel = machine.start(["sleep", "30"])
        embedded_server.stop(tmp_path)
        with pytest.raises(Unreachable, match="the link dropped while sleep 30 ran"):
            channel.finish(timeout_s=5)


def test_a_pinned_key_is_the_first_and_replaces_only_the_one_pinned_before(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    theirs = "203.0.113.8 ssh-ed25519 THEIRS\n203.0.113.9 ssh-ed25519 OLD gonogo-rent\n# no newline at the end"
    file.write_text(theirs)
    host = Ssh(host="203.0.113.8", user="root")
    pin(file, host, "ssh-ed25519 FIRST", "gonogo-rent")
    pin(file, host, "ssh-ed25519 SECOND", "gonogo-rent")
    assert file.read_text() == f"203.0.113.8 ssh-ed25519 SECOND gonogo-rent\n{theirs}"
    pin(file, Ssh(host="203.0.113.8", user="root", port=2222), "ssh-ed25519 THIRD", "gonogo-rent")
    assert file.read_text().startswith(
        "[203.0.113.8]:2222 ssh-ed25519 THIRD gonogo-rent\n203.0.113.8 ssh-ed25519 SECOND"
    )
