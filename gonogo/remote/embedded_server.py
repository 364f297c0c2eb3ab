"""A local SSH server on loopback, with throw-away keys: it stands in for a rented machine.

`python -m gonogo.remote.embedded_server FOLDER OWNER_PID` serves until the owner's process has ended. In FOLDER:
`client_key`, `known_hosts`, `home/`, `server.log`, and `instance.json`, written last. Commands run as the current user,
in `home/`, with a small environment of their own; what they detach outlives the server, as it does on a rented machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from pydantic import BaseModel

from gonogo.base import processes
from gonogo.base.errors import UserError
from gonogo.base.files import write_text
from gonogo.config.target import Ssh
from gonogo.remote.embedded_commands import USER, run_command

if TYPE_CHECKING:
    import asyncssh

HOST = "127.0.0.1"
START_S, END_S = 60.0, 5.0


class Instance(BaseModel):
    """`instance.json`: a server that runs, or ran."""

    port: int
    pid: int
    user: str
    owner_pid: int
    born: str
    host: str = HOST
    host_key: str = ""
    job_id: str = ""

    @property
    def alive(self) -> bool:
        return processes.born(self.pid) == self.born

    @property
    def answers(self) -> bool:
        """Whether an SSH server greets on the port."""
        with contextlib.suppress(OSError), socket.create_connection((HOST, self.port), timeout=2) as link:
            return link.recv(4) == b"SSH-"
        return False


# --- the client's side -----------------------------------------------------------------------------------


def ensure(folder: Path, owner_pid: int) -> Ssh:
    """How to reach the owner's server, which is started unless it runs.

    It ends within a second of its owner's end, however that came.

    Raises:
        UserError: it does not start, or `folder` belongs to the server of another process.
    """
    folder = folder.absolute()
    with locked(folder) as lock:
        instance = read_instance(folder)
        if instance and instance.owner_pid != owner_pid and not _wait_for_end(instance):
            raise UserError(
                f"{folder}: the local server in this folder belongs to process {instance.owner_pid}. "
                "Wait for that to end, or set another results_dir."
            )
        if not (instance and instance.alive and instance.answers):
            _end(folder)
            instance = _start(folder, owner_pid, lock)
    return ssh_to(folder, instance)


def ssh_to(folder: Path, instance: Instance) -> Ssh:
    return Ssh(
        host=HOST,
        user=instance.user,
        port=instance.port,
        key_file=folder / "client_key",
        known_hosts=folder / "known_hosts",
    )


def running(folder: Path) -> Ssh | None:
    """How to reach the server that runs, whoever owns it; None where none does."""
    folder = folder.absolute()
    instance = read_instance(folder)
    return ssh_to(folder, instance) if instance and instance.alive and instance.answers else None


def stop(folder: Path) -> None:
    """End the server and remove its keys; what its commands detached continues."""
    folder = folder.absolute()
    if folder.exists():
        with locked(folder):
            _end(folder)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[TextIO]:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / ".lock").open("a") as lock:
        with contextlib.suppress(OSError):  # a disk without such locks; the lock of `results` keeps other runs out
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock


def read_instance(folder: Path) -> Instance | None:
    try:
        return Instance.model_validate_json((folder / "instance.json").read_text())
    except (FileNotFoundError, ValueError):
        return None


def _wait_for_end(instance: Instance) -> bool:
    """Whether the server ends soon: one whose owner has ended does."""
    return _wait(lambda: not instance.alive, END_S)


def _wait(done: Callable[[], bool], seconds: float) -> bool:
    until = time.monotonic() + seconds
    while not (finished := done()) and time.monotonic() < until:
        time.sleep(0.02)
    return finished


def _end(folder: Path) -> None:
    instance = read_instance(folder)
    if instance:
        for number in (signal.SIGTERM, signal.SIGKILL):
            if instance.alive:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(instance.pid, number)
                _wait_for_end(instance)
    remove_keys(folder)


def remove_keys(folder: Path) -> None:
    for name in ("instance.json", "client_key", "known_hosts"):
        (folder / name).unlink(missing_ok=True)


def _start(folder: Path, owner_pid: int, lock: TextIO) -> Instance:
    package_root = str(Path(__file__).parents[2])
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "gonogo.remote.embedded_server", str(folder), str(owner_pid)],
            stdin=lock,  # so that the lock holds until the server is up, even when this process is killed
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd=package_root,
        )
    threading.Thread(target=server.wait, daemon=True).start()  # leaves no zombie in a caller that lives on
    _wait(lambda: read_instance(folder) is not None or server.returncode is not None, START_S)
    instance = read_instance(folder)
    if instance is None or not instance.answers:
        tail = "\n".join((folder / "server.log").read_text().splitlines()[-5:])
        raise UserError(f"the local SSH server did not start; {folder / 'server.log'} says:\n{tail}")
    return instance


# --- the server's side -----------------------------------------------------------------------------------


def main(folder: Path, owner_pid: int) -> None:
    """Serve in the foreground until the owner has ended."""
    folder = folder.absolute()
    home = folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    os.chdir(home)  # where SFTP's relative paths begin

    def leave() -> None:
        remove_keys(folder)
        os._exit(0)

    processes.watch(owner_pid, leave)
    asyncio.run(serve(folder, owner_pid))


async def serve(
    folder: Path,
    owner_pid: int,
    *,
    listen: str = HOST,
    host: str = HOST,
    job_id: str = "",
    clients: type[asyncssh.SSHServer] | None = None,
) -> None:
    import asyncssh

    host_key = asyncssh.generate_private_key("ssh-ed25519")
    client_key = asyncssh.generate_private_key("ssh-ed25519")
    server = await asyncssh.listen(
        listen,
        0,
        server_factory=clients,
        server_host_keys=[host_key],
        authorized_client_keys=asyncssh.import_authorized_keys(client_key.export_public_key().decode()),
        process_factory=run_command,
        sftp_factory=True,
        allow_scp=False,
        encoding=None,
        line_editor=False,
        agent_forwarding=False,
        x11_forwarding=False,
        compression_algs=None,
    )
    port = server.get_port()
    descriptor = os.open(folder / "client_key", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(client_key.export_private_key())
    public = host_key.export_public_key().decode().strip()
    write_text(folder / "known_hosts", f"[{host}]:{port} {public}\n")
    me = os.getpid()
    instance = Instance(
        port=port, pid=me, user=USER, owner_pid=owner_pid, born=processes.born(me), host=host, host_key=public,
        job_id=job_id,
    )  # fmt: skip
    write_text(folder / "instance.json", instance.model_dump_json() + "\n")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # lets go of the lock that `_start` handed over
    await server.wait_closed()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
