"""validate: predictions of the downloaded checkpoint for held-out items, on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gonogo.base.digests import digest, file_digest
from gonogo.base.files import folder_replacing
from gonogo.base.torch_startup import without_gc
from gonogo.experiment.lightning import LightningExperiment
from gonogo.experiment.starting_checkpoint import final_checkpoint
from gonogo.gates.results import Measurements
from gonogo.quality.measure import measure_part
from gonogo.runtime.context import Run
from gonogo.stages.freshness import data_digest


def validate(run: Run, inputs: Any, outputs: Any) -> None:
    """Predict held-out items from the downloaded checkpoint, and measure the predictions as data is measured.

    Raises:
        UserError: the archive holds no checkpoint, or it is not the one that was downloaded.
    """
    checkpoint = final_checkpoint(Path(inputs.archive))
    predictions, measured = Path(outputs.predictions), Path(outputs.measured)
    experiment = run.load_experiment()
    with run.work(), folder_replacing(predictions) as out:
        if isinstance(experiment, LightningExperiment):
            with without_gc():
                import lightning.pytorch  # noqa: F401
        metrics = experiment.predict(checkpoint, run.data_folders, out, run.config.seed)
    run.say("  ".join(f"{name} {value:.3g}" for name, value in metrics.items()))
    inspector = experiment.inspector(run.gates.results.pictures)
    if experiment.predicts_items:
        measure_part(inspector, predictions, measured)
    measured.mkdir(parents=True, exist_ok=True)  # an output of the rule, whatever was predicted
    Measurements(
        inputs_digest=digest(file_digest(checkpoint), data_digest(run.data_folders)),
        metrics=metrics,
        beside_references=inspector.prediction_metrics(predictions, run.data_folders)
        if experiment.predicts_items
        else {},
        is_result=run.experiment_config.modes[run.mode].result,
        alerts=_alerts(checkpoint.parent.parent / "training.json"),
        pictures=measured if experiment.predicts_items else None,
        evidence=[str(predictions), str(checkpoint)],
    ).write(outputs.measurements)


def _alerts(training: Path) -> list[str]:
    """What the run said of its success indicators; nothing where a foreign script trained."""
    return json.loads(training.read_text()).get("alerts", []) if training.exists() else []
