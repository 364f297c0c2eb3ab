"""What a rented machine may lack: a new enough driver, a free card, shared memory, a way to switch itself off."""

from __future__ import annotations

import contextlib
import getpass
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

TOOL_S = 20.0
OLDEST_DRIVER = {13: 580, 12: 525, 11: 450}  # of each major version of CUDA, NVIDIA's minor version compatibility
DEFAULT_CUDA = 13  # of the torch builds on PyPI
OLDER_BUILDS = {12: "https://download.pytorch.org/whl/cu126"}
DRIVER_KEYS = ("name", "driver_version", "memory.used", "memory.total")
SCOPED = "GONOGO_AGENT_SCOPED"
INITS = ("systemd", "init", "openrc-init", "runit", "s6-svscan", "launchd")


def output_of(*argv: str) -> str:
    """What a program says; empty where it is not there, fails or hangs."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=TOOL_S, check=False)
        if done.returncode == 0:
            return done.stdout.decode(errors="replace")
    return ""


def card() -> dict[str, Any]:
    """`gpu`, `driver`, `gpu_used_bytes`, `gpu_total_bytes` of the first NVIDIA card, and `gpu_processes` on it."""
    found: dict[str, Any] = {
        "gpu": "", "driver": "", "gpu_used_bytes": 0, "gpu_total_bytes": 0, "gpu_processes": [],
    }  # fmt: skip
    words = output_of("nvidia-smi", "--query-gpu=" + ",".join(DRIVER_KEYS), "--format=csv,noheader,nounits")
    with contextlib.suppress(ValueError, IndexError):
        name, driver, used, total = (word.strip() for word in words.splitlines()[0].split(","))
        found.update(gpu=name, driver=driver, gpu_used_bytes=int(used) << 20, gpu_total_bytes=int(total) << 20)
    if found["gpu"]:
        keys = "--query-compute-apps=pid,process_name,used_memory"
        listed = output_of("nvidia-smi", keys, "--format=csv,noheader").splitlines()
        found["gpu_processes"] = [line.strip() for line in listed if line.strip()][:20]
    return found


def index_for(driver: str, index: str) -> str:
    """The package index of a torch build that this driver runs; `index` itself where it runs, or no other is known."""
    found = re.search(r"/cu(\d\d)\d+/?$", index)
    cuda = int(found.group(1)) if found else DEFAULT_CUDA if not index else 0
    major = int(driver.partition(".")[0]) if driver.partition(".")[0].isdigit() else 0
    if not major or cuda not in OLDEST_DRIVER or major >= OLDEST_DRIVER[cuda]:
        return index
    usable = [version for version, oldest in OLDEST_DRIVER.items() if major >= oldest and version in OLDER_BUILDS]
    return OLDER_BUILDS[max(usable)] if usable else index


def too_old(driver: str, build: str) -> bool:
    """Whether torch's build, such as `cuda 13.0`, needs a newer driver."""
    kind, _, version = build.partition(" ")
    with contextlib.suppress(ValueError):
        return kind == "cuda" and int(driver.partition(".")[0]) < OLDEST_DRIVER.get(int(version.partition(".")[0]), 0)
    return False


def shared_memory_bytes(folder: str = "/dev/shm") -> int | None:
    """Free space for what the workers of a data loader hand over; None where the system has no such place."""
    with contextlib.suppress(OSError):
        found = os.statvfs(folder)
        return found.f_bavail * found.f_frsize
    return None


def why_not_switched_off(command: str) -> str:
    """What keeps the shutdown command from working, found without running it; empty: nothing is known to."""
    words = [part.split("||")[0].split("&&")[0].strip() for part in re.split(r"\|\||&&|;", command)]
    programs = []
    for word in words:
        with contextlib.suppress(ValueError, IndexError):
            programs.append(next(w for w in shlex.split(word) if w not in ("sudo", "-n", "exec") and "=" not in w))
    missing = [name for name in dict.fromkeys(programs) if not shutil.which(name)]
    if programs and len(missing) == len(set(programs)):
        return f"it has no {' and no '.join(missing)}"
    if not all(name in ("shutdown", "poweroff", "halt", "reboot") for name in programs):
        return ""
    if (first := _name_of(1)) and first not in INITS:
        return f"it is a container, whose first process is {first}: switching it off ends nothing"
    if os.geteuid() and not output_of("sudo", "-n", "echo", "yes"):
        return f"{getpass.getuser()} may neither switch it off nor use sudo without a password"
    return ""


def _name_of(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def kills_at_logout() -> bool:
    """Whether systemd ends what a login leaves behind (`KillUserProcesses`)."""
    said = output_of("loginctl", "show-session", "--property=KillUserProcesses", "--property=KillExcludeUsers")
    facts = dict(line.partition("=")[::2] for line in said.splitlines())
    excluded = facts.get("KillExcludeUsers", "root").split()
    return facts.get("KillUserProcesses") == "yes" and getpass.getuser() not in excluded


def lingers() -> bool:
    """Whether this user's own systemd outlives the login: what it starts is not ended at logout."""
    return "Linger=yes" in output_of("loginctl", "show-user", getpass.getuser(), "--property=Linger")


def outlive_the_login(argv: list[str]) -> None:
    """Where systemd would end a run at logout, become a command of the user's own systemd, if that outlives the login.

    Args:
        argv: this program's words, which are run again there.
    """
    if os.environ.get(SCOPED) or not kills_at_logout() or not lingers() or not shutil.which("systemd-run"):
        return
    os.environ[SCOPED] = "1"
    os.execvp("systemd-run", ["systemd-run", "--user", "--scope", "--quiet", sys.executable, *argv])
