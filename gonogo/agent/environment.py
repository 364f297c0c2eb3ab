"""The virtual environment that trains: made whole or not at all, by one at a time."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from .json_files import Problem
from .turns import SETUP_LOCK, before_installing

MADE, INSTALLED = "made", "requirements.sha256"


def environment(requirements: Path, torch_index: str, name: str = "env", seconds: float = 3600.0) -> tuple[Path, bool]:
    """The interpreter of the environment `name`, and whether something was installed into it.

    Two that ask at once, as after a link that was cut, follow one another. What was left half made is made again.

    Args:
        torch_index: package index of torch's build for this machine; empty: the default one.
        seconds: after which the installation is ended.

    Raises:
        Problem: it failed, or was ended.
        Waits: something is to be installed, and a run is at work.
    """
    folder = Path(name).absolute()
    interpreter, installed = folder / "bin" / "python", folder / INSTALLED
    lines = requirements.read_text().splitlines()
    wanted = hashlib.sha256(json.dumps([lines, torch_index]).encode()).hexdigest()
    until = time.monotonic() + seconds
    lock = os.open(SETUP_LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if installed.exists() and installed.read_text() == wanted:
            return interpreter, False
        before_installing(Path.cwd())
        if not ((folder / MADE).exists() or installed.exists()):
            _make(folder, lock, until)
        pip = [str(interpreter), "-m", "pip", "install", "--disable-pip-version-check"]
        builds = [line for line in lines if re.match(r"torch(vision)?\b(?!-)", line)]
        if torch_index and builds:  # first, so that the rest finds them there and takes no others
            _install([*pip, "--index-url", torch_index, *builds], lock, until)
        _install([*pip, "-r", str(requirements)], lock, until)
        installed.write_text(wanted)
        return interpreter, True
    finally:
        os.close(lock)


def _make(folder: Path, lock: int, until: float) -> None:
    """Where `venv` lacks pip (Debian, Ubuntu), by `virtualenv` or `uv` if the machine has one of them."""
    ways = [[sys.executable, "-m", "venv", str(folder)], [sys.executable, "-m", "virtualenv", str(folder)]]
    uv = shutil.which("uv")
    ways += [[uv, "venv", "--seed", "--python", sys.executable, str(folder)]] if uv else []
    said = ""
    for way in ways:
        shutil.rmtree(str(folder), ignore_errors=True)
        code, output = _run(way, lock, until)
        if code == 0:
            (folder / MADE).touch()
            return
        said = said or output
    shutil.rmtree(str(folder), ignore_errors=True)
    if "ensurepip" in said:
        version = ".".join(map(str, sys.version_info[:2]))
        raise Problem(
            f"{sys.executable} on the machine cannot make an environment: a package is missing there. Install it, and "
            f"run the same command again: sudo apt install python{version}-venv"
        )
    raise Problem("\n".join(["python -m venv failed on the machine:", *said.strip().splitlines()[-5:]]))


def _install(argv: list[str], lock: int, until: float) -> None:
    code, output = _run(argv, lock, until)
    if code:
        raise Problem("\n".join(["-m pip install failed on the machine:", *output.strip().splitlines()[-5:]]))


def _run(argv: list[str], lock: int, until: float) -> tuple[int, str]:
    """Exit code and output. The lock lives as long as the program does, whoever started it.

    Raises:
        Problem: it took too long, and was killed with what it had started.
    """
    program = subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, pass_fds=[lock],
        start_new_session=True,
    )  # fmt: skip
    try:
        output = program.communicate(timeout=max(0.1, until - time.monotonic()))[0]
    except subprocess.TimeoutExpired:
        os.killpg(program.pid, signal.SIGKILL)
        program.stdout.close()  # type: ignore[union-attr]  # not read to its end: what left the group may hold it
        program.wait()
        raise Problem(f"{' '.join(argv[1:4])} on the machine had not ended in time, and was ended") from None
    return program.returncode, output.decode(errors="replace")
