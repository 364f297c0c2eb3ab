"""The whole chain with the user's own machine, behind OpenSSH's server, which is released at the end."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT
from tests.faults.servers import SSHD, OpenSsh
from tests.remote.workspace import end_all
from tests.waiting import LIMIT_S, wait_for
from tests.workflow.conftest import Site, make_site

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not SSHD.exists(), reason="OpenSSH's server is not installed")]
SECRET = "planted-" + "4c1d" * 6


@dataclass
class Box:
    """A site with a target `box`, whose machine at a provider is a file that the release removes."""

    site: Site
    server: OpenSsh
    root: Path
    machine: Path

    def run(self, *changes: str) -> Any:
        return self.site.run("--config", "experiments=tiny", "target=box", *changes)


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Box]:
    yield from made(
        tmp_path, monkeypatch, OpenSsh(server_folder(tmp_path)), tmp_path / "there", str(tmp_path / "there")
    )


def server_folder(tmp_path: Path) -> Path:
    (tmp_path / "server").mkdir(mode=0o700)
    return tmp_path / "server"


def made(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    server: OpenSsh,
    root: Path,
    root_there: str,
    owner: str = "",
    python: str = sys.executable,
) -> Iterator[Box]:
    """`root_there` is how the target names `root`, whose files belong to `owner`."""
    monkeypatch.setenv("WANDB_API_KEY", SECRET)
    (tmp_path / "site").mkdir(exist_ok=True)
    box = Box(make_site(tmp_path / "site"), server, root, tmp_path / "machine")
    ssh = server.start()
    (tmp_path / "server/known_hosts").write_text(f"[127.0.0.1]:{ssh.port} {server.host_key()}\n")
    box.machine.touch()
    release = {
        "how": "destroy",
        "provider": "command",
        "command": f"rm {box.machine}",
        "gone_command": f"test ! -e {box.machine}",
    }
    target = {
        "connection": ssh.model_dump(mode="json"),
        "python": python,
        "root": root_there,
        "usd_per_hour": 3.0,
        "min_free_gb": 0,
        "environment": {"PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"},
        "secret_environment": ["WANDB_API_KEY"],
        "release": release,
    }
    (box.site.folder / "config/targets/box.yaml").write_text(yaml.safe_dump(target))
    installed(root, python)
    if owner:
        subprocess.run(["chown", "-R", owner, str(root)], check=True, timeout=LIMIT_S)
    yield box
    end_all(root)
    server.kill()


@pytest.fixture
def stranger() -> Iterator[pwd.struct_passwd | None]:
    """Another user's account on this machine, as a rented one has; None where none can be made that runs Python."""
    if os.geteuid() != 0 or shutil.which("useradd") is None or not open_to("nobody"):
        yield None
        return
    name = f"gonogo{os.getpid()}"
    subprocess.run(
        ["useradd", "--create-home", "--password", "*", "--shell", "/bin/sh", name], check=True, timeout=LIMIT_S
    )
    try:
        yield pwd.getpwnam(name)
    finally:
        subprocess.run(["pkill", "-KILL", "-u", name], check=False, timeout=LIMIT_S)
        subprocess.run(["userdel", "--remove", name], check=False, stderr=subprocess.DEVNULL, timeout=LIMIT_S)


@pytest.fixture
def their_box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stranger: pwd.struct_passwd) -> Iterator[Box]:
    """As docs/cloud.md has it: the key in their authorized_keys, the root below their home."""
    server = OpenSsh(server_folder(tmp_path), stranger.pw_name, ".ssh/authorized_keys")
    server.make_keys()
    home = Path(stranger.pw_dir)
    (home / ".ssh").mkdir(mode=0o700)
    shutil.copy(tmp_path / "server/client_key.pub", home / ".ssh/authorized_keys")
    subprocess.run(["chown", "-R", stranger.pw_name, str(home / ".ssh")], check=True, timeout=LIMIT_S)
    python = open_to(stranger.pw_name)
    yield from made(tmp_path, monkeypatch, server, home / "gonogo", "gonogo", stranger.pw_name, python)


def open_to(user: str) -> str:
    """An interpreter that the user may run, with our packages, if there is one; root's own often is not."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    ask = f"import pydantic, torch, sys; sys.exit('%d.%d' % sys.version_info[:2] != '{version}')"
    packages = f"PYTHONPATH={sysconfig.get_path('purelib')}"
    for python in (sys.executable, f"/usr/bin/python{version}", f"/usr/local/bin/python{version}"):
        words = ["su", user, "--shell", "/bin/sh", "--command", f'{packages} {python} -c "{ask}"']
        if subprocess.run(words, check=False, capture_output=True, timeout=LIMIT_S).returncode == 0:
            return python
    return ""


def installed(root: Path, python: str) -> None:
    """An environment that setup finds as it wants it: this one's packages. Installing is tested with the agent."""
    (root / "env/bin").mkdir(parents=True)
    env, start = root / "env", root / "env/bin/python"
    start.write_text(f'#!/bin/sh\nPYTHONPATH={sysconfig.get_path("purelib")} exec {python} "$@"\n')
    start.chmod(0o755)
    accelerators = yaml.safe_load((ROOT / "config/accelerators.yaml").read_text())
    wanted = [(ROOT / "requirements-train.lock").read_text().splitlines(), accelerators["cpu"].get("torch_index", "")]
    (env / "requirements.sha256").write_text(hashlib.sha256(json.dumps(wanted).encode()).hexdigest())


def test_under_another_users_account_from_data_to_a_released_machine_with_no_secret_left_anywhere(
    their_box: Box, stranger: pwd.struct_passwd | None
) -> None:
    box = their_box
    done = box.run()
    assert done.returncode == 0, done.stderr
    assert not box.machine.exists(), "the machine was destroyed"
    assert "127.0.0.1 is released after" in done.stderr
    assert not list((box.site.folder / "results/held").glob("*.json"))
    holding = [
        path
        for top in (box.site.folder, box.root)
        for folder, _, names in os.walk(top)
        for path in (Path(folder, name) for name in names)
        if path.is_file() and SECRET.encode() in path.read_bytes()
    ]
    assert holding == [], "config, logs, ledger, reports, archive, Snakemake's records, the machine"
    assert SECRET not in done.stderr
    again = box.run()
    assert again.returncode == 0 and "released" not in again.stderr
    (run,) = (box.root / "tiny/runs").glob("*_validate_*")
    assert {path.owner() for path in run.rglob("*")} == {stranger.pw_name if stranger else getpass.getuser()}
    assert not any(path.stat().st_mode & 0o022 for path in box.root.rglob("*") if not path.is_symlink())


def test_interrupted_the_machine_stays_and_what_is_stopped_is_fetched_before_it_goes(box: Box) -> None:
    command = ("--config", "experiments=tiny", "target=box", "mode=long")
    log = box.site.folder / "results/tiny/long/cloud_train/log.txt"
    first = box.site.start(*command)
    wait_for(lambda: log.exists() and "step" in log.read_text(), 900, "the paid run's first step")
    (run,) = (box.root / "tiny/runs").glob("*_long_*")
    training = json.loads((run / "heartbeat.json").read_text())["child_pid"]
    os.kill(training, signal.SIGSTOP)  # so that it does not finish meanwhile
    os.killpg(first.pid, signal.SIGINT)  # as a terminal does
    assert first.wait(timeout=60) != 0
    said = (box.site.folder / "snakemake.txt").read_text()
    assert "interrupted: the machine is held, and bills on" in said and "Traceback" not in said
    assert box.machine.exists()
    output = box.site.folder / "snakemake.txt"
    second = box.site.start(*command)
    wait_for(lambda: f"attached to {run.name}" in output.read_text(), 600, "attaching")
    (run / "stop").touch()
    os.kill(training, signal.SIGCONT)
    assert second.wait(timeout=100) == 1
    said = output.read_text()
    assert "Traceback" not in said and "it was stopped (exit code 143)." in said, said
    (kept,) = (box.site.folder / "archive/tiny").glob(f"*_{run.name}_stopped")
    assert (kept / "log.txt").read_text() == (run / "log.txt").read_text()
    assert not box.machine.exists(), "destroyed once what there was is here"


def test_a_part_of_it_keeps_the_machine_and_an_alarm_fails_it(box: Box) -> None:
    token = "hunter2-" + "y" * 20
    file = box.site.folder / "config/targets/box.yaml"
    target = yaml.safe_load(file.read_text())
    target["release"]["command"] += f" # --token {token}"
    file.write_text(yaml.safe_dump(target))
    prepared = "results/tiny/validate/setup/setup.json"
    part = box.site.run(prepared, "--config", "experiments=tiny", "target=box")
    assert part.returncode == 0 and box.machine.exists(), part.stderr
    assert "the machine of target box is held, and bills on (127.0.0.1: " in part.stderr
    recorded = [path for path in box.site.folder.rglob("*") if path.is_file() and token in path.read_text("latin-1")]
    assert recorded == [file], "it is in no record of Snakemake's"
    target["release"]["gone_command"] = "true"  # it says that the machine, which answers, is gone
    file.write_text(yaml.safe_dump(target))
    done = box.run()
    assert done.returncode == 1 and box.machine.exists(), done.stderr
    assert "ALARM: release.gone_command says that the machine is gone, but 127.0.0.1 answers" in done.stderr
    (held,) = json.loads((box.site.folder / "results/held/box.json").read_text())["machines"]
    assert held["state"] == "alarm" and held["experiments"] == ["tiny"]
