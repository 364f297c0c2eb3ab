from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from gonogo.gates.results import Measurements
from gonogo.quality.measured_set import MeasuredSet
from gonogo.runtime.context import Run
from gonogo.stages.validate import validate
from tests.stages.conftest import Files, said


def test_the_downloaded_checkpoint_predicts_and_its_predictions_are_measured(
    stage_run: Callable[..., Run], tmp_path: Path
) -> None:
    run = stage_run("validate")
    for number, shard in enumerate(run.shards):
        shard.mkdir(parents=True)
        (shard / f"item_{number}.txt").write_text("some words")
    checkpoint = tmp_path / "archive/mine/r/out/checkpoints/last.ckpt"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_text("40")
    (checkpoint.parents[1] / "training.json").write_text(json.dumps({"alerts": ["psnr_db is below 14 at step 30"]}))
    archive = tmp_path / "archive.json"
    archive.write_text(json.dumps({"folder": str(checkpoint.parents[2])}))
    outputs = Files(
        predictions=tmp_path / "predictions", measured=tmp_path / "measured", measurements=tmp_path / "results.json"
    )
    validate(run, Files(archive=archive), outputs)
    measured = Measurements.read(outputs.measurements)
    assert measured.metrics == {"skill": 0.5, "error": 2} and measured.is_result
    assert run.row("done").work_s > 0, "predicting is the experiment's own work"
    assert measured.alerts == ["psnr_db is below 14 at step 30"]
    assert len(MeasuredSet.read(outputs.measured)) == 1 and "skill 0.5" in said(run)
