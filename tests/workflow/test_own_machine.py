"""The whole chain with a machine of one's own, behind OpenSSH's server, which is given back at the end."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT
from tests.faults.servers import SSHD, OpenSsh
from tests.remote.workspace import end_all
from tests.workflow.conftest import Site, make_site
from tests.workflow.test_reattach import wait_for as wait_for_event

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
    monkeypatch.setenv("WANDB_API_KEY", SECRET)
    (tmp_path / "server").mkdir(mode=0o700)
    (tmp_path / "site").mkdir()
    made = Box(make_site(tmp_path / "site"), OpenSsh(tmp_path / "server"), tmp_path / "there", tmp_path / "machine")
    ssh = made.server.start()
    (tmp_path / "server/known_hosts").write_text(f"[127.0.0.1]:{ssh.port} {made.server.host_key()}\n")
    made.machine.touch()
    release = {
        "how": "destroy",
        "provider": "command",
        "command": f"rm {made.machine}",
        "gone_command": f"test ! -e {made.machine}",
    }
    target = {
        "connection": ssh.model_dump(mode="json"),
        "python": sys.executable,
        "root": str(made.root),
        "usd_per_hour": 3.0,
        "min_free_gb": 0,
        "environment": {"PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"},
        "secret_environment": ["WANDB_API_KEY"],
        "release": release,
    }
    (made.site.folder / "config/targets/box.yaml").write_text(yaml.safe_dump(target))
    installed(made.root)
    yield made
    end_all(made.root)
    made.server.kill()


def installed(root: Path) -> None:
    """An environment that setup finds as it wants it: this one. Installing is tested with the agent."""
    env = root / "env"
    env.mkdir(parents=True)
    for name in ("bin", "lib", "pyvenv.cfg"):
        (env / name).symlink_to(Path(sys.prefix) / name)
    accelerators = yaml.safe_load((ROOT / "config/accelerators.yaml").read_text())
    wanted = [(ROOT / "requirements.lock").read_text().splitlines(), accelerators["cpu"].get("torch_index", "")]
    (env / "requirements.sha256").write_text(hashlib.sha256(json.dumps(wanted).encode()).hexdigest())


def test_from_data_to_a_released_machine_with_no_secret_left_anywhere(box: Box) -> None:
    done = box.run()
    assert done.returncode == 0, done.stderr
    assert not box.machine.exists(), "the machine was destroyed"
    assert "127.0.0.1 is released after" in done.stderr
    assert not list((box.site.folder / "results/held").iterdir())
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


def test_interrupted_the_machine_stays_and_what_is_stopped_is_fetched_before_it_goes(box: Box) -> None:
    command = ("--config", "experiments=tiny", "target=box", "mode=long")
    log = box.site.folder / "results/tiny/long/cloud_train/log.txt"
    first = box.site.start(*command)
    wait_for_event(lambda: log.exists() and "step" in log.read_text(), 200, "the paid run's first step")
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
    wait_for_event(lambda: f"attached to {run.name}" in output.read_text(), 100, "attaching")
    (run / "stop").touch()
    os.kill(training, signal.SIGCONT)
    assert second.wait(timeout=100) == 1
    said = output.read_text()
    assert "Traceback" not in said and "it was stopped (exit code 143)." in said, said
    (kept,) = (box.site.folder / "archive/tiny").glob(f"*_{run.name}_stopped")
    assert (kept / "log.txt").read_text() == (run / "log.txt").read_text()
    assert not box.machine.exists(), "destroyed once what there was is here"
