"""Making a machine ready: an environment with packages, and what the machine is like."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pkgutil
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from .device_probe import RUNGS
from .json_files import Problem, read_json, write_json
from .processes import boot
from .timings import PROBE_S

OLDEST_PYTHON = (3, 11)
UNPROBED: dict[str, Any] = {"torch_version": "", "torch_build": "", "device": "", "device_bytes": 0}
OLDER_AGENT = Path("agent.py")  # what earlier versions installed; a line in a crontab may name it
FORWARD = """import os, sys
agent = os.path.join(os.path.dirname(os.path.abspath(__file__)), "agent.pyz")
os.execv(sys.executable, [sys.executable, agent, *sys.argv[1:]])
"""


def setup(requirements: Path | None, torch_index: str, forbidden: list[str]) -> dict[str, Any]:
    """Make an environment from `requirements` (None: use this interpreter as it is) and report the machine.

    What is done already is not done again.

    Args:
        torch_index: package index of torch's build for this machine; empty: the default one.
    """
    problems = [
        f"{name} is set on the machine, and this accelerator must not have it: unset it there"
        for name in forbidden
        if name in os.environ
    ]
    if OLDER_AGENT.exists() and OLDER_AGENT.read_text(errors="replace") != FORWARD:
        OLDER_AGENT.write_text(FORWARD)
    interpreter, changed, probed = Path(sys.executable), False, UNPROBED
    if sys.version_info < OLDEST_PYTHON:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        problems.append(f"Python {_python()} on the machine: {oldest} or newer is needed; set the target's python")
    else:
        if requirements is not None:
            interpreter, changed = _environment(requirements, torch_index)
        probed, problem = probe(interpreter)
        problems += [problem] if problem else []
    return {
        "python": _python(),
        "interpreter": str(interpreter),
        **probed,
        "disk_free_bytes": shutil.disk_usage(".").free,
        "memory_bytes": _memory_bytes(),
        "problems": problems,
        "changed": changed,
        "time": time.time(),
    }


def _python() -> str:
    return ".".join(str(part) for part in sys.version_info[:3])


def installed(requirements: Path, torch_index: str) -> bool:
    """Whether `env/` was made from these requirements."""
    marker = Path("env/requirements.sha256")
    return marker.exists() and marker.read_text() == _wanted(requirements, torch_index)


def _wanted(requirements: Path, torch_index: str) -> str:
    lines = requirements.read_text().splitlines()
    return hashlib.sha256(json.dumps([lines, torch_index]).encode()).hexdigest()


def _environment(requirements: Path, torch_index: str) -> tuple[Path, bool]:
    """The interpreter of `env/`, and whether something was installed into it."""
    folder = Path("env").absolute()
    interpreter, marker = folder / "bin" / "python", folder / "requirements.sha256"
    lines = requirements.read_text().splitlines()
    if installed(requirements, torch_index):
        return interpreter, False
    if not interpreter.exists():
        _install([sys.executable, "-m", "venv", str(folder)])
    pip = [str(interpreter), "-m", "pip", "install", "--disable-pip-version-check"]
    builds = [line for line in lines if re.match(r"torch(vision)?\b(?!-)", line)]
    if torch_index and builds:  # first, so that the rest finds them there and takes no others
        _install([*pip, "--index-url", torch_index, *builds])
    _install([*pip, "-r", str(requirements)])
    marker.write_text(_wanted(requirements, torch_index))
    return interpreter, True


def _install(argv: list[str]) -> None:
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        what, tail = " ".join(argv[1:4]), done.stdout.decode(errors="replace").strip().splitlines()[-5:]
        raise Problem("\n".join([f"{what} failed on the machine:", *tail]))


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
