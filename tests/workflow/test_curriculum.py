"""A curriculum through the workflow: the later stage waits for the earlier one's results, and begins with them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import yaml

from gonogo.verdict import Status, Verdict
from tests.workflow.conftest import Site

pytest.importorskip("transformers")
pytest.importorskip("peft")
pytest.importorskip("manifold3d")

LOOSE = {
    "learning": {
        "max_overfit_ratio": 10, "min_skill": -10, "min_input_skill": -10, "output_mean_range": [0, 10],
        "max_output_mean_shift": 10, "min_output_sigma_ratio": 0,
    },
    "results": {"min_skill": -10},
    "canary": {"steps": 2, "max_slowdown": 50},
}  # fmt: skip
SMALL = {
    "dataset_items": 24,
    "shards": 1,
    "smoke": {"steps": 4, "overfit_steps": 2},
    "modes": {"validate": {"training": {"epochs": 1}}},
    "settings": {"model": {"base": {"steps": 2, "layers": 2, "hidden_size": 32, "intermediate_size": 48}}},
}
METRICS = {"valid": 0, "token_accuracy": 0, "points_gain_low": -10}


@pytest.fixture
def curriculum(fresh: Site) -> Site:
    first = {
        **SMALL,
        "extends": "cad_mllm_text",
        "gates": LOOSE,
        "expected": {"metrics": {"valid": 0, "token_accuracy": 0}},
    }
    second = {
        **SMALL,
        "extends": "cad_mllm_points",
        "gates": LOOSE,
        "starts_from": "first",
        "expected": {"metrics": METRICS},
    }
    for name, config in (("first", first), ("second", second)):
        write(fresh, name, config)
    return fresh


def write(site: Site, name: str, config: object) -> None:
    (site.folder / f"config/experiments/{name}.yaml").write_text(yaml.safe_dump(config))


def verdict(site: Site, path: str) -> Verdict:
    return Verdict.read(site.folder / "results" / path / "verdict.json")


@pytest.mark.slow
def test_missing_clouds_block_the_stage_that_needs_them_while_the_first_goes_on(curriculum: Site) -> None:
    second = yaml.safe_load((curriculum.folder / "config/experiments/second.yaml").read_text())
    second["settings"] = {**second["settings"], "data": {"absent": ["points"]}}
    write(curriculum, "second", second)
    done = curriculum.run("--config", "experiments=second", timeout_s=600)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    stopped = verdict(curriculum, "second/quality/sample")
    assert stopped.status is Status.NO_GO and any("no part_000000.npy" in check.why for check in stopped.failed)
    assert verdict(curriculum, "first/validate/results").go
    assert "smoke_train" in curriculum.stages("first") and "smoke_train" not in curriculum.stages("second")


@pytest.mark.slow
def test_the_second_stage_is_trained_on_top_of_the_first(curriculum: Site) -> None:
    done = curriculum.run("--config", "experiments=second", timeout_s=600)
    assert done.returncode == 0, done.stderr
    (kept,) = (curriculum.folder / "archive/second").glob("*/out/checkpoints/last.ckpt")
    assert torch.load(kept, weights_only=True)["cad"]["stages"] == ["text", "text+points"]
    order = curriculum.stages("first") + curriculum.stages("second")
    assert order.index("judge_results") < len(curriculum.stages("first"))
    spec = json.loads((curriculum.folder / "results/second/validate/upload/run.json").read_text())
    assert Path(spec["starts_from"]).name == "begin.ckpt"


@pytest.mark.slow
@pytest.mark.chain
def test_a_first_stage_that_fails_keeps_the_second_from_training_and_says_why(curriculum: Site) -> None:
    first = yaml.safe_load((curriculum.folder / "config/experiments/first.yaml").read_text())
    write(curriculum, "first", {**first, "expected": {"metrics": {"valid": 2}}})
    done = curriculum.run("--config", "experiments=second", timeout_s=600)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert not verdict(curriculum, "first/validate/results").go
    assert verdict(curriculum, "second/quality/dataset").go and "smoke_train" not in curriculum.stages("second")
    assert "second has not been trained: it starts from first, which the results gate stopped" in done.stderr
