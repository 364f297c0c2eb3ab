"""A real Slurm of one node, started by a test and ended with it."""

from __future__ import annotations

import contextlib
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
SlurmctldHost={host}(127.0.0.1)
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
NodeName={node} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory_mb} Gres=gpu:{gpus} State=UNKNOWN
PartitionName={partition} Nodes={node} Default=YES MaxTime=120 State=UP
PartitionName={short} Nodes={node} MaxTime=1 State=UP
"""


@dataclass(frozen=True)
class Cluster:
    """Its commands find it by SLURM_CONF."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return {"SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}"}

    def ask(self, *words: str) -> str:
        """What a command of Slurm's prints."""
        environment = {**os.environ, **self.environment}
        done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=True)
        return done.stdout.strip()

    def jobs(self, states: str = "PENDING,RUNNING,COMPLETING,SUSPENDED") -> list[str]:
        """Name and state of each job."""
        return self.ask("squeue", "-h", "-t", states, "-o", "%j %T").splitlines()

    def node_state(self) -> str:
        return self.ask("sinfo", "-h", "-o", "%T")


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """Running, with a node of this machine's cores and a GPU that is /dev/null; nothing of it is left after.

    The node has a host name of its own: jobs are on another host than what submits them.
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
        "partition": PARTITION, "short": SHORT, **ports,
    }  # fmt: skip
    (folder / "slurm.conf").write_text(CONFIG.format(**facts))
    (folder / "gres.conf").write_text(f"NodeName={NODE} Name=gpu File=/dev/null\n")
    # inside a job the executor hands SLURM_CONF on to nobody: clusters have it in /etc
    srun = folder / "bin/srun"
    srun.write_text(f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec /usr/bin/srun "$@"\n')
    srun.chmod(0o755)
    munge = folder / "munge"
    daemons = [
        [MUNGED, "--force", "--foreground", f"--key-file={key}", f"--socket={munge}/socket", f"--pid-file={munge}/pid",
         f"--log-file={munge}/log", f"--seed-file={munge}/seed", "--num-threads=2"],
        [SLURMCTLD, "-D", "-c", "-f", f"{folder}/slurm.conf"],
        ["unshare", "--uts", "sh", "-c", f"hostname {NODE}; exec {SLURMD} -D -f {folder}/slurm.conf -N {NODE}"],
    ]  # fmt: skip
    made = Cluster(folder)
    started: list[subprocess.Popen[bytes]] = []
    try:
        for words in daemons:
            environment = {**os.environ, **made.environment}
            with (folder / f"{Path(words[0]).name}.txt").open("wb") as said:
                daemon = subprocess.Popen(
                    [*UNTIL_WE_END, *words], stdout=said, stderr=said, env=environment, start_new_session=True
                )
            started.append(daemon)
            if MUNGED in words:
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
