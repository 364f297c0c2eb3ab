"""Logins as machines really have them: other shells, noise, few sessions, no SFTP, jump hosts; and those of no use."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from gonogo.base.errors import UserError
from gonogo.config.accelerator import Accelerator
from gonogo.config.target import Ssh, Target
from gonogo.remote import connection
from gonogo.remote import login as login_module
from gonogo.remote.errors import RemoteError
from gonogo.remote.follow import follow
from gonogo.remote.machine import connect
from gonogo.remote.setup import set_up
from gonogo.remote.transfer import download, persistently, upload
from gonogo.remote.transfer.common import question
from gonogo.remote.transfer.streams import answer, begin, open_stream
from tests.remote.conftest import quiet
from tests.remote.sshd import NEEDED, sshd
from tests.remote.workspace import end_all

pytestmark = NEEDED
CPU = Accelerator(title="any", visible_bytes=None, source="-")
AS_SENT = 'exec sh -c "$SSH_ORIGINAL_COMMAND"'
# what stands between us and our command: sshd's configuration, and there the command that it is handed to
WORKING = {
    "no SFTP": [],
    "one session": ["MaxSessions 1"],
    "noise": [f"ForceCommand echo Welcome; {AS_SENT}"],
    "noise without newline": [f"ForceCommand printf 'last login'; {AS_SENT}"],
}
SHELLS = ["dash", "bash", "zsh", "fish", "tcsh"]
USELESS = {
    "nologin": ("echo This account is currently not available.; exit 1", "its login shell is nologin"),
    "forced": ("echo backups only", "runs something else in place of our commands; it said 'backups only"),
    "proxy": ('echo "Error: Your SSH client doesn\'t support PTY"; exit 1', "22 is reached by TCP"),
}


def _target(tmp_path: Path) -> Target:
    return Target(root=str(tmp_path / "there"), python=sys.executable)


def _all_of_it(ssh: Ssh, target: Target, tmp_path: Path) -> None:
    """Set up, upload, run, follow, download."""
    (tmp_path / "none.txt").write_text("")
    data = tmp_path / "data"
    data.mkdir()
    (data / "numbers.txt").write_text("1\n2\n3\n")
    with connect(ssh, target) as machine:
        assert machine.install_agent() and not machine.install_agent()
        assert upload(machine, {"data": data}, "work", quiet).files_sent == 1
        script = "print('sum', sum(map(int, open('data/numbers.txt').read().split())))"
        started = machine.launch("work/runs/one", key="k", workspace="work", cwd="work", arguments=["-c", script])
        assert started.state == "started"
        machine.put_text("notes/one.txt", "grün\n")
        assert machine.read_text("notes/one.txt") == "grün\n" and machine.read_text("notes/two.txt") is None
    lines: list[str] = []
    assert follow(ssh, target, "work/runs/one", lines.append, lambda beat: None).cause == "finished"
    assert any(line.endswith("sum 6") for line in lines)
    with connect(ssh, target) as machine:
        assert download(machine, "work/runs/one", tmp_path / "archive", quiet).files_total >= 2
    assert "sum 6" in (tmp_path / "archive/log.txt").read_text()


@pytest.fixture(autouse=True)
def no_survivors(tmp_path: Path) -> Iterator[None]:
    yield
    end_all(tmp_path)


@pytest.mark.parametrize("login", WORKING)
def test_it_works_over_a_login_with(login: str, tmp_path: Path) -> None:
    with sshd(tmp_path / "server", *WORKING[login]) as ssh:
        _all_of_it(ssh, _target(tmp_path).model_copy(update={"python": "this"}), tmp_path)


@pytest.mark.parametrize("shell", SHELLS)
def test_it_works_in_the_login_shell(shell: str, tmp_path: Path) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"no {shell} here")
    with sshd(tmp_path / "server", f'ForceCommand exec {program} -c "$SSH_ORIGINAL_COMMAND"') as ssh:
        target = _target(tmp_path).model_copy(update={"python": "this"})
        with connect(ssh, target) as machine:
            assert machine.install_agent()
            machine.put_text("it's a % test!.txt", "x")
            assert machine.read_text("it's a % test!.txt") == "x"


@pytest.mark.parametrize("login", USELESS)
def test_a_login_of_no_use_is_one_sentence(login: str, tmp_path: Path) -> None:
    command, told = USELESS[login]
    data = tmp_path / "data"
    data.mkdir()
    (data / "x").write_text("x")
    with sshd(tmp_path / "server", f"ForceCommand {command}") as ssh, connect(ssh, _target(tmp_path)) as machine:
        with pytest.raises(UserError, match=told):
            machine.install_agent()
        with pytest.raises(UserError, match=told):
            upload(machine, {"data": data}, "work", quiet)


def test_a_login_that_drips_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login_module, "PROBE_S", 1.0)
    drips = "ForceCommand for n in 1 2 3; do echo drip; done; exec 2>&-; while sleep 0.4; do echo drip; done"
    with sshd(tmp_path / "server", drips) as ssh, connect(ssh, _target(tmp_path)) as machine:
        refused = login_module.explained(machine, RemoteError("it answered nonsense"))
    assert "it said 'drip" in str(refused)


def test_a_python_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    target = _target(tmp_path).model_copy(update={"python": "python3.99"})
    told = pytest.raises(UserError, match=r"python3.99 is not there: install it .*apt install python3")
    with sshd(tmp_path / "server") as ssh, connect(ssh, target) as machine, told:
        set_up(machine, target, CPU, tmp_path / "none.txt")


# --- jump hosts --------------------------------------------------------------------------------------------


def test_a_jump_host_leads_there_on_every_connection(tmp_path: Path) -> None:
    with sshd(tmp_path / "behind") as behind:
        permit = f"PermitOpen 127.0.0.1:{behind.port}"
        with sshd(tmp_path / "gate", permit, client_key=behind.key_file) as gate:
            keys = [(tmp_path / side / "known_hosts").read_text() for side in ("behind", "gate")]
            (tmp_path / "known_hosts").write_text("".join(keys))
            there = behind.model_copy(
                update={"jump": f"{gate.user}@127.0.0.1:{gate.port}", "known_hosts": tmp_path / "known_hosts"}
            )
            target = _target(tmp_path).model_copy(update={"python": "this"})
            _all_of_it(there, target, tmp_path)
            assert connection.answers(there)
            with connect(there, target) as machine:
                for kind in ("ssh", "paramiko", "shared"):
                    stream = open_stream(machine, kind, "send", "work/data")
                    begin(stream, put_agent=True, question=question({}))
                    assert json.loads(answer(stream))["sizes"] == {"numbers.txt": 6}
                    stream.close()
            (tmp_path / "known_hosts").write_text(keys[0])
            with pytest.raises(UserError, match=rf"\[127.0.0.1\]:{gate.port}: its host key .* is not in"):
                connection.open_connection(there)
            (tmp_path / "known_hosts").write_text(keys[1])
            with pytest.raises(UserError, match=rf"\[127.0.0.1\]:{behind.port}: its host key .* is not in"):
                connection.open_connection(there)
            shut = there.model_copy(update={"port": 1, "known_hosts": tmp_path / "known_hosts"})
            with pytest.raises(UserError, match=r"the jump host, does not lead to .*:1 \("):
                connection.open_connection(shut)
            assert not connection.answers(shut)
        with pytest.raises(UserError, match="nothing listens there"):
            connection.answers(there)  # whether it answers cannot be told


@pytest.mark.parametrize("jump", ["gate", "me@", "me@gate:port", "me@gate:22:22", "me@[::1"])
def test_a_jump_that_is_no_login_is_refused(jump: str) -> None:
    with pytest.raises(ValueError, match="write it as user@host"):
        Ssh(host="h", user="u", jump=jump)


def test_addresses_of_ipv6_and_a_root_in_the_home_are_read_as_people_write_them() -> None:
    through = Ssh(host="[::1]", user="u", jump="me@[fe80::1]:2222").through
    assert through is not None and (through.user, through.host, through.port) == ("me", "fe80::1", 2222)
    assert Ssh(host="[::1]", user="u").host == "::1"
    assert [Target(root=root).root for root in ("~/gonogo", "~", "/data/x", "a/b")] == ["gonogo", ".", "/data/x", "a/b"]
    with pytest.raises(ValueError, match="only ~/ is known"):
        Target(root="~someone/gonogo")


# --- names and host keys -----------------------------------------------------------------------------------


def _no_name(*words: Any, **named: Any) -> Any:
    raise connection.socket.gaierror(-2, "Name or service not known")


def test_a_misspelt_host_is_not_tried_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").touch(mode=0o600)
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(tmp_path / "key"))
    ssh = Ssh(host="gpu", user="u", key_file=tmp_path / "key", known_hosts=tmp_path / "known_hosts")
    monkeypatch.setattr(connection.socket, "getaddrinfo", _no_name)
    monkeypatch.setattr(connection, "alias", lambda host: "")
    said: list[str] = []
    with pytest.raises(UserError, match=r"gpu: no machine of this name. Check connection.host"):
        persistently(lambda: ssh, Target(), lambda machine: machine.run_agent("active", "."), said.append)
    with pytest.raises(UserError, match=r"gpu: no machine of this name"):
        follow(ssh, Target(), "r", lambda line: None, lambda beat: None)
    assert not said


def test_an_alias_of_the_users_configuration_is_told_with_what_to_write(tmp_path: Path) -> None:
    (tmp_path / "config").write_text(
        "Host gpu\n  HostName 10.1.2.3\n  Port 2222\n  User ann\n  ProxyJump gate\nHost *\n  IdentityFile ~/.ssh/k\n"
    )
    told = connection.alias("gpu", tmp_path / "config")
    assert "write into connection host: 10.1.2.3, port: 2222, user: ann" in told and "jump: gate" in told
    assert connection.alias("other", tmp_path / "config") == "" == connection.alias("gpu", tmp_path / "none")


ODD = [
    b"@cert-authority *.example.org ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJxhz5wW1cwM0AgiyqQwdS0Cd4BVBxCdTZlKFJrZz5Gm",
    b"@revoked * ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJxhz5wW1cwM0AgiyqQwdS0Cd4BVBxCdTZlKFJrZz5Gm",
    b"host ssh-ed25519 AAAA!!damaged",
    b"host ssh-ed25519 AAAAC3NzaC1lZDI1NTE5",
    b"host ssh-rsa",
    b"# caf\xe9 in Latin-1",
    b"host2 ssh-unheard-of AAAA",
    b"",
]


@pytest.mark.parametrize("line", ODD)
def test_an_odd_line_of_known_hosts_does_no_harm(line: bytes, ssh: Ssh, tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    path.write_bytes(line + b"\n" + ssh.known_hosts.read_bytes() + line)
    with connect(ssh.model_copy(update={"known_hosts": path}), Target(python="this")):
        pass
    path.write_bytes(line)
    recording = ssh.model_copy(update={"known_hosts": path, "trust_on_first_use": True})
    with connect(recording, Target(python="this")):
        pass
    assert path.read_bytes().startswith(line + (b"\n" if line else b""))
    with connect(ssh.model_copy(update={"known_hosts": path}), Target(python="this")):
        pass  # what was recorded is read


def test_a_revoked_key_is_refused_also_on_first_use(ssh: Ssh, tmp_path: Path) -> None:
    path, (_, kind, key) = tmp_path / "known_hosts", ssh.known_hosts.read_text().split()[:3]
    path.write_text(f"{ssh.known_hosts.read_text().strip()}\n@revoked * {kind} {key}\n")
    for trusting in (False, True):
        revoked = ssh.model_copy(update={"known_hosts": path, "trust_on_first_use": trusting})
        with pytest.raises(UserError, match="is marked @revoked"), connect(revoked, Target(python="this")):
            pass
    assert len(path.read_text().splitlines()) == 2


def test_keys_of_an_agent_and_with_a_passphrase_are_told(
    ssh: Ssh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "SSH_AUTH_SOCK", "/nowhere")
    none = ssh.model_copy(update={"key_file": tmp_path / "none"})
    with pytest.raises(UserError, match=r"The keys of your SSH agent are not used"), connect(none, Target()):
        pass
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(tmp_path / "locked"), passphrase="secret")
    (tmp_path / "locked").chmod(0o600)
    locked = ssh.model_copy(update={"key_file": tmp_path / "locked"})
    with pytest.raises(UserError, match=r"has a passphrase.*ssh-keygen -t ed25519 -N ''"), connect(locked, Target()):
        pass
