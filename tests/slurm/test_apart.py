"""A login node without Internet, and a node on another network that shares its disk, but not its home."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from gonogo.runtime import ledger
from gonogo.verdict import Status, Verdict
from tests.slurm.cluster import NEEDED, NODE, PARTITION, cluster, two_networks
from tests.slurm.site import BesideSlurm
from tests.waiting import LIMIT_S
from tests.workflow.conftest import make_site
from tests.workflow.test_killed import MEMORY, SCRIPT, WALK

pytestmark = [pytest.mark.slow, pytest.mark.chain, NEEDED]
TARGET = {
    "connection": {"kind": "slurm", "partition": PARTITION, "gres": "gpu:1", "cpus": 1, "memory_gb": 2},
    "python": "this", "accelerator": "cpu", "max_hours": 1,
    "environment": {"PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"},
}  # fmt: skip
# where an item was made, and what is at home there
GENERATE = "sh -c '(hostname; ls ~) >> {folder}/made; exec {generate}'"


@dataclass
class LoginSite(BesideSlurm):
    home: Path

    def command(self, *arguments: str) -> list[str]:
        quick = ["--profile", "slurm", "--slurm-init-seconds-before-status-checks", "1"]
        return [*self.slurm.network.login, sys.executable, "-m", "snakemake", *quick, *arguments]

    def environment(self) -> dict[str, str]:
        return {**super().environment(), "HOME": str(self.home)}


@pytest.fixture
def there(tmp_path: Path) -> Iterator[LoginSite]:
    home, folder = tmp_path / "home", tmp_path / "slurm"
    for path in (home, folder, tmp_path / "site"):
        path.mkdir()
    (home / "of_login_node").touch()
    with two_networks() as network, cluster(folder, network, own=str(home)) as slurm:
        site = LoginSite(make_site(tmp_path / "site").folder, slurm, home)
        (site.folder / "slurm").symlink_to("profiles/slurm")
        (site.folder / "walk").mkdir()
        (site.folder / "walk/script.py").write_text(SCRIPT)
        (site.folder / "walk/memory.py").write_text(MEMORY)
        commands: dict[str, str] = WALK["command"]  # type: ignore[assignment]
        generate = GENERATE.replace("{folder}", str(site.folder)).replace("{generate}", commands["generate"])
        walk = {**WALK, "command": {**commands, "generate": generate}}
        (site.folder / "config/experiments/walk.yaml").write_text(yaml.safe_dump(walk))
        (site.folder / "config/targets/cluster.yaml").write_text(yaml.safe_dump(TARGET))
        yield site


def test_the_chain_needs_neither_internet_nor_a_shared_home(there: LoginSite) -> None:
    network = there.slurm.network
    for place in (network.login, network.node):
        routes = subprocess.run(
            [*place, "ip", "route"], capture_output=True, text=True, timeout=LIMIT_S, check=True
        ).stdout.splitlines()
        assert len(routes) == 1 and routes[0].startswith("10.77.0.0/24"), "no way out"
    done = there.run("--config", "experiments=walk", "mode=mine", "target=cluster")
    assert done.returncode == 0, done.stderr
    assert set((there.folder / "made").read_text().split()) == {NODE}, "made on the node, whose home is empty"
    results = there.folder / "results"
    assert Verdict.read(results / "walk/mine/launch/verdict.json").status is Status.GO
    assert (results / "walk/mine/report/report.html").exists()
    assert [row.outcome for row in ledger.rows(results / "ledger.sqlite") if row.outcome != "done"] == []
