"""docs/bring-your-own.md, to the letter: its files are written where it says, its commands run in a fresh copy."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gonogo.verdict import Status, Verdict
from tests.conftest import ROOT
from tests.workflow.conftest import Site, make_site

pytestmark = pytest.mark.slow

BLOCK = re.compile(r"(?:^`(?P<file>[\w/.]+)`\n\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A copy of the project, in a folder whose name has a blank."""
    return make_site(tmp_path_factory.mktemp("a copy"))


def follow(site: Site, heading: str) -> str:
    """Do what the section says, and return what its commands said; each must end with exit code 0."""
    page = (ROOT / "docs/bring-your-own.md").read_text()
    section = re.split(r"^## ", page, flags=re.MULTILINE)
    (text,) = [part for part in section if part.startswith(f"{heading}\n")]
    said = ""
    for block in BLOCK.finditer(text):
        if block["file"]:
            path = site.folder / block["file"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block["text"])
        else:
            assert block["language"] == "bash", f"a block without a file name: {block['text'][:60]}"
            said += run(site, block["text"])
    return said


def run(site: Site, lines: str) -> str:
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**site.environment(), "PATH": tools, "PYTHONPATH": str(site.folder)}
    done = subprocess.run(
        ["bash", "-euc", lines], cwd=site.folder, env=environment, stdin=subprocess.DEVNULL, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=580, check=False,
    )  # fmt: skip
    assert done.returncode == 0 and "Traceback" not in done.stdout, done.stdout[-6000:]
    return done.stdout


def came_back(site: Site, name: str) -> tuple[Path, dict[str, float]]:
    """The archive, and the metrics of what was predicted with it."""
    (archive,) = (site.folder / "archive" / name).glob("[!.]*")
    assert (archive / "out/checkpoints/best.ckpt").stat().st_size > 1000
    results = site.folder / "results" / name / "validate"
    assert (results / "report/report.html").stat().st_size > 5000
    measured = json.loads((results / "results/measurements.json").read_text())
    assert Verdict.read(results / "results/verdict.json").status.passes
    return archive, measured["metrics"]


def test_one_short_file(copy: Site) -> None:
    said = follow(copy, "What you have: one short file")
    assert re.search(r"─ (GO|CAUTION) · check · experiment", said)
    short = (copy.folder / "gonogo_experiment.py").read_text().splitlines()
    assert len([line for line in short if line.strip()]) <= 15
    _, metrics = came_back(copy, "shapes")
    assert metrics["accuracy"] > 0.7 and metrics["skill"] > 0.3 and metrics["nats"] < 1
    learning = Verdict.read(copy.folder / "results/shapes/learning/verdict.json")
    assert {check.id for check in learning.checks} >= {"input_used", "gradients", "leakage", "pairing", "skill"}
    answers = copy.folder / "results/shapes/validate/validate/predictions/answers.jsonl"
    assert len(answers.read_text().splitlines()) == 60


def test_a_class(copy: Site) -> None:
    follow(copy, "A class")
    _, metrics = came_back(copy, "denoise")
    assert metrics["psnr_db"] > 21 and metrics["skill"] > 0.5
    learning = Verdict.read(copy.folder / "results/denoise/learning/verdict.json")
    assert {check.id for check in learning.checks} >= {"input_used", "gradients", "leakage", "skill"}
    assert learning.status is Status.GO


def test_an_edited_prediction_repeats_no_training(copy: Site) -> None:
    """Run after the class has been trained, as the other tests of this file are."""
    before = len(copy.stages("denoise"))
    assert before, "run the whole file: this test needs the chain of test_a_class"
    edited = copy.folder / "experiments/denoise/predict.py"
    edited.write_text(edited.read_text().replace("psnr_db = -10", "psnr_db = 0.5 - 10"))
    assert copy.run("--config", "experiments=denoise").returncode == 0
    looked_at_again = ["measure_launch", "judge_launch"]  # the checklist has the inference script
    assert copy.stages("denoise", before) == [*looked_at_again, "validate", "judge_results", "report"]


def test_commands(copy: Site) -> None:
    follow(copy, "Commands")
    archive, metrics = came_back(copy, "mine")
    assert metrics["psnr_db"] > 21 and metrics["skill"] > 0.5
    rows = (archive / "out/metrics.csv").read_text().splitlines()
    assert rows[0] == "step,train_loss,val_loss,seconds" and len(rows) > 240
    assert re.search(r"^\S+ step \d+/\d+  loss ", (archive / "log.txt").read_text(), re.MULTILINE)
    # its losses pass, and what they do not show is never green
    learning = Verdict.read(copy.folder / "results/mine/learning/verdict.json")
    assert learning.status is Status.CAUTION
    stands = {check.id: check.status for check in learning.checks}
    assert stands["train_loss_falls"] is stands["val_loss_falls"] is stands["finite"] is Status.GO
    assert {stands[name] for name in ("input_used", "gradients", "leakage", "skill")} == {Status.CAUTION}
    memory = Verdict.read(copy.folder / "results/mine/validate/memory/verdict.json")
    assert memory.status.passes


def test_predictions_lie_as_the_data_does(copy: Site) -> None:
    for name, held_out in (("denoise", 9), ("mine", 9)):
        predicted = copy.folder / "results" / name / "validate/validate/predictions"
        files = sorted(path.name for path in predicted.iterdir() if not path.name.startswith("."))
        assert len(files) == held_out and all(re.fullmatch(r"\d{4}_clean\.png", name) for name in files)
