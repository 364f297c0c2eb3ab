"""OpenSSH's own server, started by a test with what its configuration adds."""

from __future__ import annotations

import contextlib
import getpass
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gonogo.config.target import Ssh
from tests.waiting import LIMIT_S, wait_for

SSHD = Path("/usr/sbin/sshd")
NEEDED = pytest.mark.skipif(not SSHD.exists(), reason="OpenSSH's server is not installed")
CONFIG = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
PidFile {folder}/sshd.pid
AuthorizedKeysFile {folder}/client_key.pub
StrictModes no
UsePAM no
PasswordAuthentication no
SetEnv GONOGO_AGENT_HOME={folder}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def sshd(folder: Path, *lines: str, client_key: Path | None = None) -> Iterator[Ssh]:
    """A running server whose configuration ends with these lines, its key in `folder/known_hosts`."""
    folder.mkdir(exist_ok=True)
    for name in ("host_key", "client_key"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True, timeout=LIMIT_S
        )
    if client_key:
        (folder / "client_key.pub").write_text(client_key.with_suffix(".pub").read_text())
    port = free_port()
    (folder / "sshd_config").write_text(CONFIG.format(port=port, folder=folder) + "\n".join(lines) + "\n")
    kind, key = (folder / "host_key.pub").read_text().split()[:2]
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {kind} {key}\n")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    server = subprocess.Popen([str(SSHD), "-D", "-f", str(folder / "sshd_config"), "-E", str(folder / "sshd.log")])
    try:
        wait_for(lambda: _answers(port))
        yield Ssh(
            host="127.0.0.1",
            port=port,
            user=getpass.getuser(),
            key_file=client_key or folder / "client_key",
            known_hosts=folder / "known_hosts",
        )
    finally:
        server.terminate()
        server.wait(timeout=LIMIT_S)
