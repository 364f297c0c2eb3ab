"""A real Slurm of one node, started by a test and ended with it."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.remote.sshd import free_port
from tests.waiting import LIMIT_S, wait_for

MUNGED, SLURMCTLD, SLURMD = (f"/usr/sbin/{name}" for name in ("munged", "slurmctld", "slurmd"))
NEEDED = pytest.mark.skipif(
    os.geteuid() != 0 or not all(Path(daemon).exists() for daemon in (MUNGED, SLURMCTLD, SLURMD)),
    reason="Slurm is not installed (slurm-wlm), or this is not root",
)
UNTIL_WE_END = ["setpriv", "--pdeathsig", "TERM"]
NODE, PARTITION, SHORT, GPUS, MEMORY_MB = "node1", "main", "short", 1, 8000
CONFIG = """
ClusterName=test
SlurmctldHost={host}({login_address})
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=sched_min_interval=100000,batch_sched_delay=0
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
MailProg=/bin/true
KillWait=5
MinJobAge=43200
DefMemPerCPU=500
GresTypes=gpu
NodeName={node} NodeAddr={node_address} CPUs={cpus} RealMemory={memory_mb} Gres=gpu:{gpus} State=UNKNOWN
PartitionName={partition} Nodes={node} Default=YES MaxTime=120 State=UP
PartitionName={short} Nodes={node} MaxTime=1 State=UP
"""


@dataclass(frozen=True)
class Network:
    """What commands on the login node and on the other one begin with, and the addresses of the two."""

    login: tuple[str, ...] = ()
    login_address: str = "127.0.0.1"
    node: tuple[str, ...] = ()
    node_address: str = "127.0.0.1"


@contextlib.contextmanager
def two_networks() -> Iterator[Network]:
    """Of a login node and of the other one, with a cable between them and no way out of either."""
    login, node = (f"gonogo-{name}-{os.getpid()}" for name in ("login", "node"))
    enter = [("nsenter", f"--net=/run/netns/{name}") for name in (login, node)]
    network = Network(enter[0], "10.77.0.1", enter[1], "10.77.0.2")
    ip = functools.partial(subprocess.run, check=True, timeout=LIMIT_S)
    try:
        for name in (login, node):
            ip(["ip", "netns", "add", name])
        ip(["ip", "-n", login, "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", node])
        for name, address in ((login, network.login_address), (node, network.node_address)):
            ip(["ip", "-n", name, "address", "add", f"{address}/24", "dev", "cable"])
            for link in ("lo", "cable"):
                ip(["ip", "-n", name, "link", "set", link, "up"])
        yield network
    finally:
        for name in (login, node):
            subprocess.run(["ip", "netns", "delete", name], timeout=LIMIT_S, check=False)


@dataclass(frozen=True)
class Cluster:
    """Its commands find it by SLURM_CONF."""

    folder: Path
    network: Network

    @property
    def environment(self) -> dict[str, str]:
        return {"SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}"}

    def ask(self, *words: str) -> str:
        """What a command of Slurm's prints."""
        environment = {**os.environ, **self.environment}
        words = (*self.network.login, *words)
        done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=True)
        return done.stdout.strip()

    def jobs(self, states: str = "PENDING,RUNNING,COMPLETING,SUSPENDED") -> list[str]:
        """Name and state of each job."""
        return self.ask("squeue", "-h", "-t", states, "-o", "%j %T").splitlines()

    def node_state(self) -> str:
        return self.ask("sinfo", "-h", "-o", "%T")


@contextlib.contextmanager
def cluster(folder: Path, network: Network = Network(), own: str = "") -> Iterator[Cluster]:
    """Running, with a node of this machine's cores and a GPU that is /dev/null; nothing of it is left after.

    The node has a host name of its own: jobs are on another host than what submits them. It finds an empty folder of
    its own at the path `own`.
    """
    host = socket.gethostname().partition(".")[0]
    for name in ("munge", "state", "spool", "bin"):
        (folder / name).mkdir(mode=0o755)
    key = folder / "munge/key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    ports = {"controller_port": free_port(), "node_port": free_port()}
    facts = {
        "folder": folder, "host": host, "node": NODE, "cpus": os.cpu_count(), "memory_mb": MEMORY_MB, "gpus": GPUS,
        "partition": PARTITION, "short": SHORT, "login_address": network.login_address,
        "node_address": network.node_address, **ports,
    }  # fmt: skip
    (folder / "slurm.conf").write_text(CONFIG.format(**facts))
    (folder / "gres.conf").write_text(f"NodeName={NODE} Name=gpu File=/dev/null\n")
    # inside a job the executor hands SLURM_CONF on to nobody: clusters have it in /etc
    srun = folder / "bin/srun"
    srun.write_text(f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec /usr/bin/srun "$@"\n')
    srun.chmod(0o755)
    munge = folder / "munge"
    alone = f"mount -t tmpfs none {own}; " if own else ""
    slurmd = f"hostname {NODE}; {alone}exec {SLURMD} -D -f {folder}/slurm.conf -N {NODE}"
    daemons = {
        "munged": [MUNGED, "--force", "--foreground", f"--key-file={key}", f"--socket={munge}/socket",
         f"--pid-file={munge}/pid", f"--log-file={munge}/log", f"--seed-file={munge}/seed", "--num-threads=2"],
        "slurmctld": [*network.login, SLURMCTLD, "-D", "-c", "-f", f"{folder}/slurm.conf"],
        "slurmd": [*network.node, "unshare", "--uts", "--mount", "sh", "-c", slurmd],
    }  # fmt: skip
    made = Cluster(folder, network)
    started: list[subprocess.Popen[bytes]] = []
    try:
        for name, words in daemons.items():
            environment = {**os.environ, **made.environment}
            with (folder / f"{name}.txt").open("wb") as said:
                daemon = subprocess.Popen(
                    [*UNTIL_WE_END, *words], stdout=said, stderr=said, env=environment, start_new_session=True
                )
            started.append(daemon)
            if name == "munged":
                wait_for((munge / "socket").exists, what="munged")
        wait_for(lambda: "idle" in _answer(made), what=f"Slurm in {folder}")
        yield made
    finally:
        with contextlib.suppress(subprocess.SubprocessError):
            made.ask("scancel", "--full", "--signal=KILL", "--state=RUNNING", "--user=root")
            made.ask("scancel", "--user=root")
            wait_for(lambda: not made.jobs(), what="jobs that end")
        for daemon in reversed(started):
            daemon.terminate()
        for daemon in reversed(started):
            daemon.wait(timeout=LIMIT_S)
        shutil.rmtree(folder, ignore_errors=True)


def _answer(made: Cluster) -> str:
    try:
        return made.node_state()
    except subprocess.SubprocessError:
        return ""
