"""The gates in a workflow of somebody else: as a module with its own config and results, and by snakedeploy."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from gonogo.verdict import Status, Verdict
from tests.conftest import ROOT

SNAKEFILE = f"""
configfile: "config/config.yaml"

module gonogo:
    snakefile:
        "{ROOT}/Snakefile"
    config:
        config["gates"]

use rule * from gonogo as gate_*

rule publish:
    input: "checked/flowers/dataset/shard_0"
    output: "published.txt"
    shell: "echo {{config[title]}} > {{output}}"
"""
OWN = {"title": "ours", "gates": {"experiments": ["flowers"], "results_dir": "checked"}}
FLOWERS = {
    "kind": "images",
    "data": "flowers",
    "sample_items": 12,
    "expected": {"statement": "It ends."},
    "command": {"train": "python train.py --data {data}"},
}


def pictures(folder: Path, noise: bool) -> None:
    random = np.random.default_rng(0)
    folder.mkdir(exist_ok=True)
    photograph = Image.open(ROOT / "resources/photographs/chelsea.jpg")
    for number in range(12):
        size = 64 + number
        left, top = int(random.integers(0, 200)), int(random.integers(0, 200))
        cut = photograph.crop((left, top, left + size, top + size))
        grey = Image.fromarray(np.full((size, size, 3), 128, dtype=np.uint8))
        (grey if noise else cut).save(folder / f"{number}.png")


def run(folder: Path, *words: str, code: int | None = 0) -> str:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GONOGO_")}
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=folder, text=True, timeout=500, check=False, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**kept, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert "Traceback" not in done.stdout and code in (None, done.returncode), done.stdout[-4000:]
    return done.stdout


@pytest.fixture
def other(tmp_path: Path) -> Path:
    (tmp_path / "config/experiments").mkdir(parents=True)
    (tmp_path / "config/config.yaml").write_text(yaml.safe_dump(OWN))
    (tmp_path / "config/experiments/flowers.yaml").write_text(yaml.safe_dump(FLOWERS))
    (tmp_path / "train.py").write_text("import torch\n")
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    return tmp_path


PROFILE = ["snakemake", "--profile", str(ROOT / "profiles/local")]


@pytest.mark.slow
def test_a_rule_of_another_workflow_waits_for_a_gate_of_the_module(other: Path) -> None:
    pictures(other / "flowers", noise=True)
    said = run(other, *PROFILE, "published.txt", code=1)
    stopped = Verdict.read(other / "checked/flowers/quality/sample/verdict.json")
    assert stopped.status is Status.NO_GO and "NO-GO" in said and not (other / "published.txt").exists()
    assert (other / "checked/flowers/quality/sample/negative_result.md").exists()
    assert not (other / "results").exists()
    pictures(other / "flowers", noise=False)
    run(other, *PROFILE, "published.txt", "--config", "title=theirs")
    assert (other / "published.txt").read_text() == "theirs\n"
    assert Verdict.read(other / "checked/flowers/quality/sample/verdict.json").go


def test_a_prefix_for_paths_is_refused_with_what_to_write(other: Path) -> None:
    snakefile = (other / "Snakefile").read_text().replace("    config:\n", '    prefix: "checked"\n    config:\n', 1)
    (other / "Snakefile").write_text(snakefile)
    pictures(other / "flowers", noise=False)
    assert "prefix: 'checked/' cannot be used" in run(other, *PROFILE, "-n", "published.txt", code=1)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("snakedeploy") is None, reason="snakedeploy is not installed")
@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no repository to clone")
def test_snakedeploy_deploys_it_from_a_clone(tmp_path: Path) -> None:
    clone, site = tmp_path / "clone", tmp_path / "site"
    subprocess.run(["git", "clone", "-q", "--depth", "1", f"file://{ROOT}", str(clone)], check=True, timeout=300)
    deploy = [str(Path(sys.executable).with_name("snakedeploy")), "deploy-workflow", "--branch", "main"]
    subprocess.run([*deploy, "--name", "gonogo", str(clone), str(site)], check=True, timeout=300, capture_output=True)
    snakefile = site / "workflow/Snakefile"
    deployed = snakefile.read_text()
    assert "module gonogo" in deployed and "use rule * from gonogo" in deployed
    # of a clone it writes the path from the clone itself (docs/bring-your-own.md)
    snakefile.write_text(deployed.replace('"workflow/Snakefile"', f'"{clone}/workflow/Snakefile"'))
    assert {path.name for path in (site / "config").iterdir()} >= {"config.yaml", "experiments", "targets"}
    shutil.copytree(clone / "resources", site / "resources")  # what the shipped experiment reads is the user's to bring
    profile = ["snakemake", "--profile", "profiles/local"]
    dark = ["results/cvs_dark/quality/sample/verdict.json", "--config", "experiments=cvs_dark"]
    said = run(site, *profile, *dark, code=None)
    verdict = Verdict.read(site / "results/cvs_dark/quality/sample/verdict.json")
    assert verdict.status is Status.NO_GO, said[-3000:]
    assert not (clone / "results").exists()
