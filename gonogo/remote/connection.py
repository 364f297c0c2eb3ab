"""Opening an SSH connection: the host's key verified, one key offered, nothing forwarded, and refusals explained."""

from __future__ import annotations

import contextlib
import logging
import socket
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fabric
import paramiko
from paramiko.config import SSHConfig
from paramiko.pkey import UnknownKeyType
from paramiko.ssh_exception import (
    AuthenticationException,
    BadHostKeyException,
    PasswordRequiredException,
    SSHException,
)

from gonogo.base.errors import UserError
from gonogo.config.target import Ssh
from gonogo.remote.bounded_ssh import BoundedTransport
from gonogo.remote.errors import RemoteError, Unreachable

CONNECT_S = 15
KEEPALIVE_S = 5
# keepalive alone does not notice a dead link (paramiko #918): unacknowledged bytes end it after this time
USER_TIMEOUT_MS = 20_000

# what it logs is raised as well; without a handler Python would print it, tracebacks and all
logging.getLogger("paramiko").addHandler(logging.NullHandler())


def open_connection(ssh: Ssh) -> fabric.Connection:
    """A connection that is open and verified. The user's own SSH configuration and agent are not used.

    Raises:
        Unreachable: name not resolved, nothing listening, no answer.
        RemoteError: the host's key is unknown or has changed, or our key is refused.
        UserError: the key file or known_hosts cannot be used.
    """
    connection = fabric.Connection(
        host=ssh.host,
        user=ssh.user,
        port=ssh.port,
        config=fabric.Config(ssh_config=SSHConfig(), lazy=True),
        forward_agent=False,
        connect_timeout=CONNECT_S,
        connect_kwargs={
            "pkey": _private_key(ssh.key_file.expanduser()),
            "allow_agent": False,
            "look_for_keys": False,
            "banner_timeout": CONNECT_S,
            "auth_timeout": CONNECT_S,
            "channel_timeout": CONNECT_S,
            "transport_factory": BoundedTransport,
        },
    )
    client: paramiko.SSHClient = connection.client
    _trust_only(client, ssh)
    try:
        with _explained(ssh):
            connection.open()
    except BaseException:
        client.close()
        raise
    transport: Any = client.get_transport()
    transport.set_keepalive(KEEPALIVE_S)
    transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)
    return connection


def _private_key(path: Path) -> paramiko.PKey:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise UserError(f"{path}: others may read this private key (mode {mode:03o}). Run: chmod 600 {path}")
        return paramiko.PKey.from_path(path)
    except FileNotFoundError:
        raise UserError(
            f"{path}: no such private key. Set connection.key_file in the target, or create a key: "
            f"ssh-keygen -t ed25519 -f {path}"
        ) from None
    except (PasswordRequiredException, TypeError):  # TypeError: raised by cryptography
        raise UserError(f"{path}: this key has a passphrase, and gonogo cannot ask for it. Use another.") from None
    except (OSError, SSHException, ValueError, UnknownKeyType) as error:
        raise UserError(f"{path}: not a readable private key ({error}). Set connection.key_file.") from None


class _Refuse(paramiko.MissingHostKeyPolicy):
    """fabric accepts any host key by default."""

    def __init__(self, known_hosts: Path) -> None:
        self._known_hosts = known_hosts

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        raise RemoteError(
            f"{hostname}: its host key ({key.get_name()} {key.fingerprint}) is not in {self._known_hosts}. "
            "Compare the fingerprint with the one that your provider shows, then add the key: "
            f"{_keyscan(hostname)} >> {self._known_hosts}"
        )


class _RecordFirst(paramiko.MissingHostKeyPolicy):
    """Trust on first use, where the target asks for it: from then on the host is known."""

    def __init__(self, known_hosts: Path) -> None:
        self._known_hosts = known_hosts

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        try:
            self._known_hosts.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self._known_hosts.open("a") as out:
                out.write(f"{hostname} {key.get_name()} {key.get_base64()}\n")
        except OSError as error:
            raise UserError(f"{self._known_hosts}: the host's key cannot be recorded ({error.strerror})") from None
        print(
            f"{hostname}: new host key {key.get_name()} {key.fingerprint} accepted and recorded in {self._known_hosts}",
            file=sys.stderr,
        )


def _trust_only(client: paramiko.SSHClient, ssh: Ssh) -> None:
    known_hosts = ssh.known_hosts.expanduser()
    try:
        client.load_system_host_keys(str(known_hosts))
    except FileNotFoundError:
        pass  # then every host is unknown
    except OSError as error:
        raise UserError(f"{known_hosts}: cannot be read ({error.strerror}). Set connection.known_hosts.") from None
    client.set_missing_host_key_policy(_RecordFirst(known_hosts) if ssh.trust_on_first_use else _Refuse(known_hosts))


def _keyscan(hostname: str) -> str:
    """The command that prints a host's keys; `hostname` as known_hosts writes it, `[host]:port` off port 22."""
    host, _, port = hostname.removeprefix("[").partition("]:")
    return f"ssh-keyscan -p {port} {host}" if port else f"ssh-keyscan {host}"


@contextlib.contextmanager
def _explained(ssh: Ssh) -> Iterator[None]:
    where = f"{ssh.user}@{ssh.host}:{ssh.port}"
    try:
        yield
    except BadHostKeyException as error:
        entry = ssh.host if ssh.port == 22 else f"[{ssh.host}]:{ssh.port}"
        raise RemoteError(
            f"{where}: ITS HOST KEY HAS CHANGED: {error.key.fingerprint} now, {error.expected_key.fingerprint} in "
            f"{ssh.known_hosts}. Either the machine was reinstalled or someone intercepts the connection. Nothing was "
            f"sent. If your provider confirms the new key: ssh-keygen -R '{entry}' -f {ssh.known_hosts}, then add it."
        ) from None
    except AuthenticationException:
        raise RemoteError(
            f"{where}: the machine refuses the key {ssh.key_file}. Is {ssh.user!r} the right user, and is "
            f"{ssh.key_file}.pub in its ~/.ssh/authorized_keys?"
        ) from None
    except socket.gaierror:
        raise Unreachable(f"{ssh.host}: no machine of this name. Check connection.host, and the network.") from None
    except TimeoutError:
        raise Unreachable(f"{where}: no answer in {CONNECT_S} s. Is the machine on, and is the port open?") from None
    except (SSHException, EOFError, OSError) as error:
        raise Unreachable(
            f"{where}: no SSH server answers ({_words(error)}). Is the machine on, and is connection.port right?"
        ) from None


def _words(error: Exception) -> str:
    if isinstance(error, paramiko.ssh_exception.NoValidConnectionsError):
        return "connection refused, nothing listens there"
    return str(error) or type(error).__name__
