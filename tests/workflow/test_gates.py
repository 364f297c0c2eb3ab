"""Gates that the other files of this folder do not stop at: a bad decoder, no approval, an empty purse."""

from __future__ import annotations

import subprocess
import sys

import pytest
import yaml

from experiments.cvs import decoder
from gonogo.verdict import Status, Verdict
from tests.experiments.cvs.test_generate import COLOUR, saying
from tests.waiting import LIMIT_S
from tests.workflow.conftest import Site


def test_a_bad_decoder_is_caught_before_any_data_is_made(fresh: Site) -> None:
    decoder.export_onnx(saying(COLOUR, -1.0), fresh.folder / "black.onnx")
    experiment = fresh.folder / "config/experiments/tiny.yaml"
    black = {"settings": {"data": {"decoder_model": str(fresh.folder / "black.onnx")}}}
    experiment.write_text(yaml.safe_dump({**yaml.safe_load(experiment.read_text()), **black}))
    done = fresh.run("--config", "experiments=tiny")
    verdict = Verdict.read(fresh.folder / "results/tiny/generator/verdict.json")
    assert done.returncode == 1 and verdict.cause == "GENERATOR"
    assert fresh.stages("tiny") == ["prepare", "judge_generator", "halt"]
    assert not (fresh.folder / "results/tiny/sample").exists()


@pytest.mark.slow
def test_launch_waits_for_an_approval_and_a_budget(fresh: Site) -> None:
    required = ("--config", "experiments=tiny", "gates={launch: {approval: required}}")
    done = fresh.run(*required)
    assert done.returncode == 1 and "nobody has signed off the sample" in done.stderr
    assert "upload" not in fresh.stages("tiny")
    preflight = (fresh.folder / "results/tiny/validate/launch/preflight.md").read_text()
    assert "READY TO LAUNCH" not in preflight.replace("NOT READY", "")
    # with a name under it the gate opens; with an empty purse it closes again
    approve = [sys.executable, "-m", "gonogo", "approve", "tiny", "--by", "Ada Lovelace"]
    subprocess.run(approve, cwd=fresh.folder, check=True, capture_output=True, timeout=LIMIT_S)
    target = fresh.folder / "config/targets/local.yaml"
    target.write_text(yaml.safe_dump({**yaml.safe_load(target.read_text()), "usd_per_hour": 5000.0}))
    done = fresh.run(*required, "budget_usd=0.01")
    verdict = Verdict.read(fresh.folder / "results/tiny/validate/launch/verdict.json")
    assert {check.id: check.status for check in verdict.checks}["approval"] is Status.GO
    assert done.returncode == 1 and verdict.cause == "BUDGET" and verdict.saved.usd is not None
    assert "upload" not in fresh.stages("tiny")
