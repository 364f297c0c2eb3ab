"""The whole chain of an experiment that trains on two devices, here two processes on the processor."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import yaml

from gonogo.gates import standing
from gonogo.training.spec import TrainingResult
from tests.workflow.conftest import TINY, Site

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("strategy", ["ddp", pytest.param("fsdp", marks=pytest.mark.chain)])
def test_two_devices_go_all_the_way(fresh: Site, strategy: str) -> None:
    training = {"epochs": 2, "micro_batch_size": 2, "devices": 2, "strategy": strategy}
    tiny = {**TINY, "modes": {"validate": {"training": training}}}
    (fresh.folder / "config/experiments/tiny.yaml").write_text(yaml.safe_dump(tiny))
    done = fresh.run("--config", "experiments=tiny")
    assert done.returncode == 0, done.stderr
    assert all(verdict.go for verdict in standing.verdicts(fresh.folder / "results/tiny", "validate"))
    forecast = json.loads((fresh.folder / "results/tiny/validate/forecast/forecast.json").read_text())
    assert "2 devices together" in forecast["basis"]
    (out,) = (fresh.folder / "archive").glob("*/*/out")
    result = TrainingResult.read(out / "training.json")
    assert result.steps == forecast["steps"] and result.epochs == 2
    log = (out.parent / "log.txt").read_text()
    assert log.count("training tiny: loading") == log.count("training ended") == 1
    with Path(out / "metrics.csv").open() as rows:
        assert [row for row in csv.DictReader(rows) if row.get("val_loss")]
