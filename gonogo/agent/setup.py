"""Making a machine ready: an environment with packages, and what the machine is like."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pkgutil
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from . import machine_checks
from .device_probe import RUNGS
from .environment import environment
from .json_files import read_json, write_json
from .processes import boot
from .timings import PROBE_S
from .turns import Waits

OLDEST_PYTHON = (3, 11)
UNPROBED: dict[str, Any] = {"torch_version": "", "torch_build": "", "device": "", "device_bytes": 0, "device_count": 0}
OLDER_AGENT = Path("agent.py")  # what earlier versions installed; a line in a crontab may name it
FORWARD = """import os, sys
agent = os.path.join(os.path.dirname(os.path.abspath(__file__)), "agent.pyz")
os.execv(sys.executable, [sys.executable, agent, *sys.argv[1:]])
"""


def setup(
    requirements: Path | None,
    torch_index: str,
    forbidden: list[str],
    shutdown_command: str = "",
    name: str = "env",
    seconds: float = 3600.0,
) -> dict[str, Any]:
    """Make an environment from `requirements` (None: use this interpreter as it is) and report the machine.

    What is done already is not done again. Where something is to be installed while a run is at work, the answer is
    `waiting_for` and its name.

    Args:
        torch_index: package index of torch's build for this machine; empty: the default one. Where the driver is too
            old for it, that of a build for an older CUDA takes its place.
        shutdown_command: by which the machine should switch itself off; empty: it need not.
        name: the environment's folder.
        seconds: after which an installation is ended.
    """
    problems = [
        f"{name} is set on the machine, and this accelerator must not have it: unset it there"
        for name in forbidden
        if name in os.environ
    ]
    if OLDER_AGENT.exists() and OLDER_AGENT.read_text(errors="replace") != FORWARD:
        OLDER_AGENT.write_text(FORWARD)
    interpreter, changed, probed, card = Path(sys.executable), False, UNPROBED, machine_checks.card()
    index = machine_checks.index_for(card["driver"], torch_index)
    if sys.version_info < OLDEST_PYTHON:
        problems.append(_old_python())
    else:
        if requirements is not None:
            try:
                interpreter, changed = environment(requirements, index, name, seconds)
            except Waits as wait:
                return {"waiting_for": str(wait)}
        probed, problem = probe(interpreter)
        problems += [problem] if problem else []
    problems += _unfit(card, probed)
    return {
        "python": _python(),
        "interpreter": str(interpreter),
        **probed,
        **card,
        "torch_index": index if requirements is not None and index != torch_index else "",
        "shared_memory_bytes": machine_checks.shared_memory_bytes(),
        "cannot_switch_off": machine_checks.why_not_switched_off(shutdown_command) if shutdown_command else "",
        "disk_free_bytes": shutil.disk_usage(".").free,
        "memory_bytes": _memory_bytes(),
        "problems": problems,
        "changed": changed,
        "time": time.time(),
    }


def _unfit(card: dict[str, Any], probed: dict[str, Any]) -> list[str]:
    """What of the machine would end a run, or keep its GPU from being used."""
    problems = []
    if card["gpu"] and machine_checks.too_old(card["driver"], probed["torch_build"]):
        problems.append(
            f"{card['gpu']} is there, and its driver {card['driver']} is too old for torch {probed['torch_version']} "
            f"({probed['torch_build']}): install a newer driver, or a torch build for an older CUDA (torch_index of "
            f"the accelerator: {machine_checks.OLDER_BUILDS[12]})"
        )
    if machine_checks.kills_at_logout() and not machine_checks.lingers():
        problems.append(
            "systemd ends whatever a login leaves behind (KillUserProcesses=yes), a run of hours among it: run "
            "`loginctl enable-linger` on the machine, or set KillUserProcesses=no in /etc/systemd/logind.conf"
        )
    return problems


def _old_python() -> str:
    oldest = ".".join(map(str, OLDEST_PYTHON))
    newer = next((f"python3.{minor}" for minor in range(19, 10, -1) if shutil.which(f"python3.{minor}")), "")
    fix = f"set the target's python to {newer}" if newer else "install one, and set the target's python to it"
    return f"Python {_python()} on the machine: {oldest} or newer is needed; {fix}"


def _python() -> str:
    return ".".join(str(part) for part in sys.version_info[:3])


def probe(interpreter: Path) -> tuple[dict[str, Any], str]:
    """What torch is and sees, and what keeps it from working; a success is remembered until reboot or new packages.

    In a process of its own: a device can abort the process that touches it, or hang it.
    """
    source = (pkgutil.get_data(__package__, "device_probe.py") or b"").decode()
    packages = sorted(interpreter.parent.parent.glob("lib/python*/site-packages"))
    state = [str(interpreter), _python(), boot(), hashlib.sha256(source.encode()).hexdigest()]
    state += [str(folder.stat().st_mtime) for folder in packages]
    before = read_json(Path(".probe.json"))
    if before and before["state"] == state:
        return before["probed"], ""
    try:
        done = subprocess.run(
            [str(interpreter), "-c", source, "any", "0"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PROBE_S,
            check=False,
        )
    except subprocess.TimeoutExpired as hung:
        return UNPROBED, f"torch hangs on the machine, {_last_rung(hung.stdout)}: killed after {PROBE_S:g} s"
    if done.returncode:
        last = f"the process was ended by {signal.Signals(-done.returncode).name}" if done.returncode < 0 else (
            done.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {done.returncode}"]
        )[-1]  # fmt: skip
        return UNPROBED, f"torch cannot be used on the machine, {_last_rung(done.stdout)}: {last}"
    probed = json.loads(done.stdout.decode().splitlines()[-1])
    write_json(Path(".probe.json"), {"state": state, "probed": probed})
    return probed, ""


def _last_rung(output: bytes | None) -> str:
    """Where a probe ended."""
    lines = (output or b"").decode(errors="replace").splitlines()
    tried = [rung for rung in RUNGS if f"rung {rung}" in lines]
    return f"at '{tried[-1]}'" if tried else "before anything was tried"


def _memory_bytes() -> int:
    """RAM, or the container's limit where that is less."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with contextlib.suppress(OSError, ValueError):
        memory = min(memory, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return memory
