"""A site: the repository's workflow in a folder of its own, with a small experiment, run as a user runs it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from gonogo.runtime import ledger
from tests.conftest import ROOT

SHARED = [
    "Snakefile", "workflow", "gonogo", "resources", "profiles", "local", "cloud",
    "requirements-train.lock",
]  # fmt: skip
TINY = {
    "extends": "cvs",
    "sample_items": 10,
    "dataset_items": 12,
    "smoke": {"steps": 20, "overfit_steps": 10},
    "modes": {"validate": {"training": {"epochs": 2}}, "long": {"training": {"epochs": 10}}},
    "expected": {"metrics": {"psnr_db": 0, "copy_skill": -10}},
    # twenty steps teach little: what is tested here is the chain
    "gates": {
        "learning": {
            "max_overfit_ratio": 10, "min_skill": -10, "min_input_skill": -10,
            "output_mean_range": [0, 10], "min_output_sigma_ratio": 0,
        },
        "results": {
            "min_skill": -10, "min_geometry_auc": 0,
            "pictures": {"max_bad_items": 1, "min_pairing_auc": 0, "min_view_variance_ratio": 0},
        },
        "canary": {"steps": 3, "max_slowdown": 50},
    },
}  # fmt: skip


@dataclass
class Site:
    folder: Path

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "snakemake", "--profile", "local", *arguments]

    def environment(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("GONOGO_")}
        return {**kept, "OMP_NUM_THREADS": "1"}

    def run(self, *arguments: str, timeout_s: float = 900) -> subprocess.CompletedProcess[str]:
        """snakemake --profile local ARGUMENTS, to its end; what it says is in `stderr`."""
        done = subprocess.run(
            self.command(*arguments), cwd=self.folder, env=self.environment(), capture_output=True, text=True,
            timeout=timeout_s, stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
        return subprocess.CompletedProcess(done.args, done.returncode, done.stdout, done.stdout + done.stderr)

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / "snakemake.txt").open("wb") as said:
            return subprocess.Popen(
                self.command(*arguments), cwd=self.folder, env=self.environment(), stdout=said, stderr=said,
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip

    def stages(self, experiment: str, since: int = 0) -> list[str]:
        """Stages that ran, in their order, leaving out the first `since` rows."""
        return [row.stage for row in ledger.rows(self.folder / "results/ledger.sqlite", experiment=experiment)][since:]


def make_site(folder: Path) -> Site:
    for name in SHARED:
        (folder / name).symlink_to(ROOT / name)
    for name in ("config", "experiments"):  # what is sent to a machine may not lie behind a link
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "config/experiments/tiny.yaml").write_text(yaml.safe_dump(TINY))
    return Site(folder)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """One site for the tests that run the chain one after another."""
    return make_site(tmp_path_factory.mktemp("site"))


@pytest.fixture
def fresh(tmp_path: Path) -> Site:
    """A site of a test's own."""
    return make_site(tmp_path)
