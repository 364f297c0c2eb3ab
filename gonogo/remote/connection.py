"""Opening an SSH connection: the host's key verified, one key offered, nothing forwarded, and refusals explained."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import stat
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
from gonogo.remote.errors import NoSuchHost, RemoteError, Unreachable
from gonogo.remote.known_hosts import trust_only_known

CONNECT_S = 15
KEEPALIVE_S = 5
# keepalive alone does not notice a dead link (paramiko #918): unacknowledged bytes end it after this time
USER_TIMEOUT_MS = 20_000

# what it logs is raised as well; without a handler Python would print it, tracebacks and all
logging.getLogger("paramiko").addHandler(logging.NullHandler())


def open_connection(ssh: Ssh) -> fabric.Connection:
    """A connection that is open and verified. The user's own SSH configuration and agent are not used.

    One through another machine (`jump`) ends with it, and ends the connection to that one.

    Raises:
        Unreachable: name not resolved, nothing listening, no answer.
        RemoteError: the host's key is unknown or has changed, or our key is refused.
        UserError: the key file or known_hosts cannot be used.
    """
    through = ssh.through and open_connection(ssh.through)
    connection = Connection(
        host=ssh.host,
        gateway=through,
        user=ssh.user,
        port=ssh.port,
        config=fabric.Config(ssh_config=SSHConfig(), lazy=True),
        forward_agent=False,
        connect_timeout=CONNECT_S,
        connect_kwargs={
            "pkey": private_key(ssh.key_file.expanduser()),
            "allow_agent": False,
            "look_for_keys": False,
            "banner_timeout": CONNECT_S,
            "auth_timeout": CONNECT_S,
            "channel_timeout": CONNECT_S,
            "transport_factory": BoundedTransport,
        },
    )
    client: paramiko.SSHClient = connection.client
    try:
        trust_only_known(client, ssh)
        with _explained(ssh):
            connection.open()
    except BaseException:
        client.close()
        if through:
            through.close()
        raise
    transport: Any = client.get_transport()
    transport.set_keepalive(KEEPALIVE_S)
    if not through:
        transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)
    return connection


class Connection(fabric.Connection):
    """One that closes the connection that it goes through, too."""

    def close(self) -> None:
        super().close()
        if isinstance(self.gateway, fabric.Connection):
            self.gateway.close()


def answers(ssh: Ssh) -> bool:
    """Whether an SSH server greets there, seen from here or from the machine that leads there.

    Raises:
        Unreachable: the machine that leads there does not answer.
    """
    try:
        if ssh.through:
            through = open_connection(ssh.through)
            with contextlib.closing(through):
                link: Any = through.transport.open_channel("direct-tcpip", (ssh.host, ssh.port), ("", 0), timeout=5)
                link.settimeout(5)
                return bool(link.recv(4) == b"SSH-")
        with socket.create_connection((ssh.host, ssh.port), timeout=5) as direct:
            direct.settimeout(5)
            return direct.recv(4) == b"SSH-"
    except (OSError, SSHException, EOFError):
        return False


def private_key(path: Path) -> paramiko.PKey:
    """The key in this file.

    Raises:
        UserError: there is none, it has a passphrase, or others may read it.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise UserError(f"{path}: others may read this private key (mode {mode:03o}). Run: chmod 600 {path}")
        return paramiko.PKey.from_path(path)
    except FileNotFoundError:
        agent = " The keys of your SSH agent are not used." if os.environ.get("SSH_AUTH_SOCK") else ""
        raise UserError(
            f"{path}: no such private key. Set connection.key_file in the target, or create a key: "
            f"ssh-keygen -t ed25519 -N '' -f {path}.{agent}"
        ) from None
    except (PasswordRequiredException, TypeError):  # TypeError: raised by cryptography
        raise UserError(
            f"{path}: this key has a passphrase, which nobody is there to type at night, and keys of an SSH agent are "
            "not used. Make one for this machine alone: ssh-keygen -t ed25519 -N '' -f ~/.ssh/gonogo, give its .pub to "
            "the machine, and set connection.key_file in the target."
        ) from None
    except (OSError, SSHException, ValueError, UnknownKeyType) as error:
        raise UserError(f"{path}: not a readable private key ({error}). Set connection.key_file.") from None


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
    except socket.gaierror as error:
        kind = Unreachable if error.errno == socket.EAI_AGAIN else NoSuchHost  # no name server answers: no network
        hint = alias(ssh.host) or "Check connection.host, and the network."
        raise kind(f"{ssh.host}: no machine of this name. {hint}") from None
    except paramiko.ChannelException as error:
        raise Unreachable(
            f"{ssh.jump}, the jump host, does not lead to {where} ({error.text or 'refused'}). Is the machine on, are "
            f"connection.host and connection.port right as seen from {ssh.jump}, and does it allow forwarding?"
        ) from None
    except TimeoutError:
        raise Unreachable(f"{where}: no answer in {CONNECT_S} s. Is the machine on, and is the port open?") from None
    except (SSHException, EOFError, OSError) as error:
        raise Unreachable(
            f"{where}: no SSH server answers ({_words(error)}). Is the machine on, and is connection.port right?"
        ) from None


def alias(host: str, config: Path | None = None) -> str:
    """What to write in place of a `Host` of ~/.ssh/config; empty where it is none."""
    try:
        known = SSHConfig.from_path(str(config or Path("~/.ssh/config").expanduser()))
        if host not in known.get_hostnames():
            return ""
        found = known.lookup(host)
    except (OSError, paramiko.ConfigParseError, ValueError, ImportError):
        return ""
    keys = {"host": found["hostname"], "port": found.get("port"), "user": found.get("user")}
    keys |= {"key_file": next(iter(found.get("identityfile", [])), None), "jump": found.get("proxyjump")}
    written = ", ".join(f"{key}: {value}" for key, value in keys.items() if value)
    command = " It uses ProxyCommand, which has no key here." if "proxycommand" in found else ""
    return f"It is an alias of your ~/.ssh/config, which takes no part: write into connection {written}.{command}"


def _words(error: Exception) -> str:
    if isinstance(error, paramiko.ssh_exception.NoValidConnectionsError):
        return "connection refused, nothing listens there"
    return str(error) or type(error).__name__
