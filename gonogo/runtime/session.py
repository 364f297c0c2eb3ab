"""One invocation of snakemake: what its processes have in common, handed on in their environment."""

from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path

from gonogo.base import processes
from gonogo.base.commands import remember_options, remember_rule_names
from gonogo.base.lease import owner_here, watch

OWNER, SESSION, ROOT = "GONOGO_OWNER", "GONOGO_SESSION", "GONOGO_ROOT"
JOB = "GONOGO_IN_A_JOB"


def begin(root: Path | str, rule_names: str = "*") -> None:
    """Mark this process as the invocation's owner, unless an earlier one is: jobs of cluster executors keep the first.

    Scripts import this checkout's package and experiments, also where another checkout is installed.

    Args:
        rule_names: what a rule is called whose name is `*` here, where a Snakefile takes the rules as a module.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # threads that fight for cores are 8 times slower than one each
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # which are looked for among all packages, by each job
    os.environ.setdefault("PYTHONUTF8", "1")  # whatever the locale is: logs and reports are UTF-8
    if os.environ.setdefault(OWNER, owner_here()) != owner_here():
        os.environ[JOB] = "1"
    os.environ.setdefault(SESSION, f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}")
    os.environ[ROOT] = str(root)
    remember_options(sys.argv[1:])
    remember_rule_names(rule_names)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))


def owner_pid() -> int:
    """The process whose end ends everything that was started for it: the main snakemake.

    This process itself, where that one runs on another machine (a cluster's node cannot see it).
    """
    pid, _, host = os.environ.get(OWNER, "").partition("@")
    return int(pid) if host == socket.gethostname() else os.getpid()


def in_a_job() -> bool:
    """Whether this process works for a job of a cluster: another snakemake than the main one has started it."""
    return JOB in os.environ


def end_with_owner(results: Path) -> None:
    """End this process when the main snakemake has ended: at once on its host, by the lease of `results` on others."""
    owner = os.environ.get(OWNER, "")
    if in_a_job() and owner.partition("@")[2] != socket.gethostname():
        watch(results, owner, lambda: os._exit(1))
    else:
        processes.watch(owner_pid(), lambda: os._exit(1))


def workflow_root() -> Path:
    """The folder of the Snakefile, where `config/` lies; the working directory may be another (`--directory`)."""
    return Path(os.environ.get(ROOT, "."))


def session_name() -> str:
    """The invocation that this process belongs to, as the ledger names it."""
    return os.environ.get(SESSION, "alone")
