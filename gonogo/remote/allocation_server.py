"""Runs in a job of Slurm: the SSH server by which the job's node is reached, with throw-away keys.

`python -m gonogo.remote.allocation_server FOLDER ROOT` serves until the job ends, or until no client has been connected
for IDLE_S. What its commands detach stays its child, and so ends with the job however Slurm tracks processes.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import asyncssh

from gonogo.remote import embedded_server
from gonogo.remote.agent_archive import NAME as AGENT
from gonogo.remote.embedded_commands import environment

EVERYWHERE = "0.0.0.0"
IDLE_S = 3600.0  # a run at work without a client ends by its own lease
PR_SET_CHILD_SUBREAPER = 36


class Clients(asyncssh.SSHServer):
    """Counts who is connected."""

    connected, since = 0, time.monotonic()

    def connection_made(self, conn: Any) -> None:
        Clients.connected += 1

    def connection_lost(self, exc: Exception | None) -> None:
        Clients.connected -= 1
        Clients.since = time.monotonic()


def main(folder: Path, root: str, idle_s: float = IDLE_S) -> None:
    """Serve in the foreground. Where Slurm has begun the job again, what ran below `root` goes on."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    embedded_server.remove_keys(folder)  # of the job's earlier start
    home = folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    os.chdir(home)
    if int(os.environ.get("SLURM_RESTART_COUNT", "0")) and Path(root, AGENT).exists():
        words = [sys.executable, AGENT, "adopt", "."]
        subprocess.Popen(words, cwd=root, env=environment(), start_new_session=True)
    asyncio.run(_serve(folder, idle_s))


async def _serve(folder: Path, idle_s: float) -> None:
    serving = asyncio.create_task(
        embedded_server.serve(
            folder,
            os.getpid(),
            listen=EVERYWHERE,
            host=os.environ.get("SLURMD_NODENAME") or socket.gethostname(),
            job_id=os.environ["SLURM_JOB_ID"],
            clients=Clients,
        )
    )
    while Clients.connected or time.monotonic() - Clients.since < idle_s:
        await asyncio.sleep(1)
        if serving.done():
            await serving
    embedded_server.remove_keys(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
