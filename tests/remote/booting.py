"""A machine that boots as cloud-init would have it: OpenSSH's own server with the keys of its user data."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.remote.sshd import CONFIG, SSHD, free_port
from tests.waiting import LIMIT_S


class Boot:
    """Starts the server for a machine's user data, on a port that is known before."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.other_host_key = False  # as if someone stood between
        self.dead = False  # it runs, and nothing listens
        self.servers: list[subprocess.Popen[bytes]] = []

    def __call__(self, user_data: str) -> None:
        assert user_data.startswith("#cloud-config\n") and len(user_data) < 16_000
        config = yaml.safe_load(user_data)
        assert set(config) == {"ssh_deletekeys", "ssh_keys", "ssh_authorized_keys"}
        keys = config["ssh_keys"]
        machine = self.folder / f"machine_{len(self.servers)}"
        machine.mkdir(parents=True)
        host_key = machine / "host_key"
        host_key.touch(mode=0o600)
        host_key.write_text(keys["ed25519_private"])
        public = _run("ssh-keygen", "-y", "-f", str(host_key))
        assert public.split()[:2] == keys["ed25519_public"].split()[:2]
        if self.other_host_key:
            host_key.unlink()
            _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(host_key))
        (machine / "client_key.pub").write_text("\n".join(config["ssh_authorized_keys"]) + "\n")
        (machine / "sshd_config").write_text(CONFIG.format(port=self.port, folder=machine))
        Path("/run/sshd").mkdir(exist_ok=True)
        if not self.dead:
            self.servers.append(
                subprocess.Popen([str(SSHD), "-D", "-f", str(machine / "sshd_config"), "-E", "/dev/null"])
            )


def _run(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True, timeout=LIMIT_S).stdout


@pytest.fixture
def boot(tmp_path: Path) -> Iterator[Boot]:
    booting = Boot(tmp_path / "machines")
    yield booting
    for server in booting.servers:
        server.terminate()
        server.wait(timeout=LIMIT_S)
