"""The file that holds the machines' host keys, read as OpenSSH reads it: odd and damaged lines are passed over.

A host that only a certificate authority vouches for is unknown here, and a key that is marked `@revoked` is refused.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

import paramiko
from paramiko.hostkeys import HostKeyEntry, InvalidHostKey

from gonogo.base.errors import UserError
from gonogo.base.files import replacing
from gonogo.config.target import Ssh
from gonogo.remote.errors import RemoteError

SSH_PORT = 22
AUTHORITY, REVOKED = "@cert-authority", "@revoked"


@dataclass
class KnownHosts:
    """What the file says; `authorities`: it names some, whose certificates are not read here."""

    entries: list[HostKeyEntry] = field(default_factory=list)
    revoked: list[paramiko.PKey] = field(default_factory=list)
    authorities: bool = False


def read_known_hosts(path: Path) -> KnownHosts:
    """Empty where there is no such file.

    Raises:
        UserError: it cannot be read.
    """
    found = KnownHosts()
    try:
        lines = path.read_bytes().decode("utf-8", "replace").split("\n")
    except FileNotFoundError:
        return found
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}). Set connection.known_hosts.") from None
    for line in map(str.strip, lines):
        marker, _, rest = line.partition(" ") if line.startswith("@") else ("", "", line)
        found.authorities |= marker == AUTHORITY
        entry = _entry(rest.strip()) if marker in ("", REVOKED) else None
        if entry is not None and marker:
            found.revoked.append(entry.key)
        elif entry is not None:
            found.entries.append(entry)
    found.entries = [entry for entry in found.entries if entry.key not in found.revoked]
    return found


def _entry(line: str) -> HostKeyEntry | None:
    if not line or line.startswith("#"):
        return None
    try:
        return HostKeyEntry.from_line(line)
    except (InvalidHostKey, paramiko.SSHException, ValueError):
        return None


def trust_only_known(client: paramiko.SSHClient, ssh: Ssh) -> None:
    """Let the client accept the hosts of known_hosts, and a new one where the target says so."""
    path = ssh.known_hosts.expanduser()
    known, keys = read_known_hosts(path), client.get_host_keys()
    for entry in known.entries:
        for name in entry.hostnames:
            if entry.key.get_name() not in (keys.lookup(name) or {}):  # of two the first counts
                keys.add(name, entry.key.get_name(), entry.key)
    client.set_missing_host_key_policy(_UnknownHost(path, known, ssh.trust_on_first_use))


class _UnknownHost(paramiko.MissingHostKeyPolicy):
    """Refuses the host, with its fingerprint; fabric accepts any by default. On request a new one is recorded."""

    def __init__(self, path: Path, known: KnownHosts, trust_on_first_use: bool) -> None:
        self._path, self._known, self._trust = path, known, trust_on_first_use

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        if key in self._known.revoked:
            raise RemoteError(
                f"{hostname}: its host key ({key.get_name()} {key.fingerprint}) is marked {REVOKED} in {self._path}: "
                "nothing was sent. Ask your provider for a machine with another key."
            )
        if self._trust:
            _record(self._path, hostname, key)
            return
        authorities = f" ({AUTHORITY} lines are not read here.)" if self._known.authorities else ""
        raise RemoteError(
            f"{hostname}: its host key ({key.get_name()} {key.fingerprint}) is not in {self._path}. "
            "Compare the fingerprint with the one that your provider shows, then add the key: "
            f"{_keyscan(hostname)} >> {self._path}{authorities}"
        )


def _record(path: Path, hostname: str, key: paramiko.PKey) -> None:
    """Add a line, and the newline before it that the file's last line lacks."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with path.open("ab+") as out:
            if out.tell():
                out.seek(-1, 2)
            begin = "" if out.read(1) in (b"", b"\n") else "\n"
            out.write(f"{begin}{hostname} {key.get_name()} {key.get_base64()}\n".encode())
    except OSError as error:
        raise UserError(f"{path}: the host's key cannot be recorded ({error.strerror})") from None
    print(
        f"{hostname}: new host key {key.get_name()} {key.fingerprint} accepted and recorded in {path}",
        file=sys.stderr,
    )


def pin(path: Path, ssh: Ssh, key: str, mark: str) -> None:
    """Make `key` (kind and base64) the first one of this host, in place of the one that was pinned with this mark.

    Of two keys the first counts. Every other line stays, also one about the same host.

    Raises:
        UserError: the file cannot be read or written.
    """
    name = ssh.host if ssh.port == SSH_PORT else f"[{ssh.host}]:{ssh.port}"
    try:
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        ours = (f"{name} ".encode(), f" {mark}\n".encode())
        kept = [line for line in lines if not (line.startswith(ours[0]) and line.endswith(ours[1]))]
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with replacing(path.resolve()) as temporary:
            temporary.write_bytes(b"".join([f"{name} {key} {mark}\n".encode(), *kept]))
            temporary.chmod(mode)
    except OSError as error:
        raise UserError(f"{path}: the host's key cannot be written ({error.strerror})") from None


def _keyscan(hostname: str) -> str:
    """The command that prints a host's keys; `hostname` as known_hosts writes it, `[host]:port` off port 22."""
    host, _, port = hostname.removeprefix("[").partition("]:")
    return f"ssh-keyscan -p {port} {host}" if port else f"ssh-keyscan {host}"
