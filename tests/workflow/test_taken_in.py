"""The workflow taken into a Snakefile of another repository, in each way, up to a gate that stops it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gonogo.project.pages import SNAKEFILE
from tests.conftest import ROOT

pytestmark = pytest.mark.slow

INCLUDE = f'include: "{ROOT}/Snakefile"\n'
OWN_RULE = "rule mine:\n    output: 'mine.txt'\n    shell: 'touch {output}'\n"
WAYS = {
    "include": INCLUDE,
    "module": SNAKEFILE,
    "prefix": SNAKEFILE.replace("use rule * from gonogo", "use rule * from gonogo as mine_*"),
}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures that are noise, and a script, as `gonogo init` finds them."""
    folder = tmp_path_factory.mktemp("another")
    random = np.random.default_rng(0)
    for split, name in (("train", "rose"), ("train", "tulip"), ("val", "rose"), ("val", "tulip")):
        (folder / "data/flowers" / split / name).mkdir(parents=True)
        for number in range(20):
            picture = Image.fromarray(random.integers(0, 255, (16, 16, 3)).astype("uint8"))
            picture.save(folder / f"data/flowers/{split}/{name}/{number}.png")
    (folder / "train.py").write_text(
        "import torch\nif __name__ == '__main__':\n    optimizer = torch.optim.SGD([torch.zeros(1)], 0.1)\n"
        "    for epoch in range(3):\n        loss = 1\n        loss.backward()\n        optimizer.step()\n"
    )
    started(folder, "-m", "gonogo", "init")
    return folder


def started(folder: Path, *words: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, text=True, timeout=300, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert "Traceback" not in done.stdout, done.stdout[-4000:]
    return done.returncode, done.stdout


@pytest.mark.parametrize("way", WAYS)
def test_a_gate_stops_it_in_any_way_of_taking_it_in(repository: Path, way: str) -> None:
    (repository / "Snakefile").write_text(WAYS[way])
    code, said = started(repository, "-m", "snakemake", "--profile", "local", "--config", f"results_dir=results/{way}")
    assert code == 1 and "NO-GO" in said, said[-4000:]
    assert list((repository / "results" / way).glob("*/quality/sample/negative_result.md"))


@pytest.mark.parametrize("snakefile", [OWN_RULE + INCLUDE, INCLUDE + OWN_RULE])
def test_a_rule_of_the_repository_s_own_is_still_its_default(repository: Path, snakefile: str) -> None:
    (repository / "Snakefile").write_text(snakefile)
    code, said = started(repository, "-m", "snakemake", "-n", "-p", "--cores", "1")
    assert code == 0 and "touch mine.txt" in said and "judge_generator" not in said, said[-4000:]
