"""The two servers that every fault of a transfer is tried against, and a line in front of them that can be cut."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from benchmarks.proxy import Proxy, proxy
from gonogo.config.target import Ssh, Target
from gonogo.remote import embedded_server
from tests.waiting import LIMIT_S, wait_for

SSHD = Path("/usr/sbin/sshd")
KINDS = [
    pytest.param("openssh", marks=pytest.mark.skipif(not SSHD.exists(), reason="OpenSSH's server is not installed")),
    "embedded",
]
CONFIG = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
PidFile {folder}/sshd.pid
AuthorizedKeysFile {authorized}
StrictModes no
UsePAM no
PasswordAuthentication no
SetEnv GONOGO_AGENT_HOME={folder}
Subsystem sftp internal-sftp
MaxStartups 64:30:128
"""


@dataclass
class OpenSsh:
    """OpenSSH's own server, started by the test."""

    folder: Path
    user: str = field(default_factory=getpass.getuser)
    authorized: str = "{folder}/client_key.pub"
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> Ssh:
        self.make_keys()
        if not self.port:
            with socket.create_server(("127.0.0.1", 0)) as probe:
                self.port = probe.getsockname()[1]
            authorized = self.authorized.format(folder=self.folder)
            text = CONFIG.format(port=self.port, folder=self.folder, authorized=authorized)
            (self.folder / "sshd_config").write_text(text)
            if os.geteuid() == 0:
                Path("/run/sshd").mkdir(exist_ok=True)
        config, log = str(self.folder / "sshd_config"), str(self.folder / "sshd.log")
        self.process = subprocess.Popen([str(SSHD), "-D", "-f", config, "-E", log])
        wait_for(lambda: _listens(self.port))
        return Ssh(
            host="127.0.0.1",
            port=self.port,
            user=self.user,
            key_file=self.folder / "client_key",
            known_hosts=self.folder / "known_hosts",
        )

    def make_keys(self) -> None:
        for path in (self.folder / "host_key", self.folder / "client_key"):
            if not path.exists():
                subprocess.run(["ssh-keygen", "-qt", "ed25519", "-N", "", "-f", str(path)], check=True, timeout=LIMIT_S)

    def host_key(self) -> str:
        return " ".join((self.folder / "host_key.pub").read_text().split()[:2])

    def kill(self) -> None:
        """The server and its sessions, at once; not what they started."""
        assert self.process is not None
        family = [psutil.Process(self.process.pid), *psutil.Process(self.process.pid).children(recursive=True)]
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                if process.name().startswith("sshd"):
                    process.kill()
        self.process.wait(timeout=LIMIT_S)


@dataclass
class Embedded:
    """The server that comes with the package."""

    folder: Path

    def start(self) -> Ssh:
        return embedded_server.ensure(self.folder, os.getpid())

    def make_keys(self) -> None:
        for path in (self.folder / "host_key", self.folder / "client_key"):
            if not path.exists():
                subprocess.run(["ssh-keygen", "-qt", "ed25519", "-N", "", "-f", str(path)], check=True, timeout=LIMIT_S)

    def host_key(self) -> str:
        return " ".join((self.folder / "known_hosts").read_text().split()[1:3])

    def kill(self) -> None:
        instance = embedded_server.Instance.model_validate_json((self.folder / "instance.json").read_text())
        os.kill(instance.pid, signal.SIGKILL)
        wait_for(lambda: not instance.alive)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@dataclass
class Site:
    """A server behind a line that can be cut, and a target whose root is a folder here."""

    server: OpenSsh | Embedded
    line: Proxy
    root: Path
    target: Target
    known_hosts: Path
    _direct: Ssh = field(init=False)

    @property
    def ssh(self) -> Ssh:
        return self._direct.model_copy(update={"port": self.line.port, "known_hosts": self.known_hosts})

    def up(self) -> None:
        """Start the server, or start it again."""
        self._direct = self.server.start()
        self.line.to_port = self._direct.port
        self.known_hosts.write_text(f"[127.0.0.1]:{self.line.port} {self.server.host_key()}\n")


@contextlib.contextmanager
def site(kind: str, folder: Path, mbit_per_s: float | None = None) -> Iterator[Site]:
    """A machine of this kind, `mbit_per_s` for its transfers."""
    home = folder / "server"
    home.mkdir(mode=0o700)
    server = OpenSsh(home) if kind == "openssh" else Embedded(home)
    root = folder / "there"
    target = Target(root=str(root), python=sys.executable, max_mbit_per_s=mbit_per_s)
    with proxy(0) as line:
        made = Site(server, line, root, target, folder / "known_hosts")
        made.up()
        try:
            yield made
        finally:
            with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError, FileNotFoundError):
                server.kill()
            shutil.rmtree(root, ignore_errors=True)
