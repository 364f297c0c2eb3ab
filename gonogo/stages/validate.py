"""validate: predictions of the downloaded checkpoint for held-out items, on this machine."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

from gonogo.base.bounded_json import parsed
from gonogo.base.digests import digest, file_digest
from gonogo.base.errors import UserError
from gonogo.base.files import folder_replacing
from gonogo.base.text import clean
from gonogo.base.torch_startup import without_gc
from gonogo.experiment.lightning import LightningExperiment
from gonogo.experiment.starting_checkpoint import final_checkpoint
from gonogo.gates.results import Measurements, TrainingLog, ValidationTrend
from gonogo.learning.trend import converged
from gonogo.quality.measure import measure_part
from gonogo.runtime.context import Run
from gonogo.stages.freshness import data_digest
from gonogo.training.logged_metrics import logged_metrics
from gonogo.training.spec import BOUNDS, LISTED, TEXT_CHARACTERS, TrainingResult
from gonogo.training.written_files import checkpoint_of


def validate(run: Run, inputs: Any, outputs: Any) -> None:
    """Predict held-out items from the downloaded checkpoint, and measure the predictions as data is measured.

    Raises:
        UserError: the archive holds no checkpoint, or it is not the one that was downloaded.
    """
    predictions, measured = Path(outputs.predictions), Path(outputs.measured)
    experiment = run.load_experiment()
    if not experiment.predicts:
        _measure_log(run, Path(inputs.archive), outputs)
        return
    checkpoint = final_checkpoint(Path(inputs.archive))
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
        validation=validation_of(checkpoint.parent.parent / "training.json"),
        alerts=alerts_of(checkpoint.parent.parent / "training.json"),
        pictures=measured if experiment.predicts_items else None,
        evidence=[str(predictions), str(checkpoint)],
    ).write(outputs.measurements)


def _measure_log(run: Run, archive: Path, outputs: Any) -> None:
    """What the run says of itself, where no command predicts."""
    out = Path(json.loads(archive.read_text())["folder"]) / "out"
    try:
        result = TrainingResult.read(out / "training.json")
    except (OSError, ValueError):
        raise UserError(f"{out / 'training.json'}: not what training writes. Fetch or train the run again.") from None
    checkpoint = checkpoint_of(out)
    for folder in (outputs.predictions, outputs.measured):
        Path(folder).mkdir(parents=True, exist_ok=True)
    tenth = max(1, len(result.train_loss) // 10)
    parts = [result.train_loss[:tenth], result.train_loss[-tenth:]]
    first, last = (statistics.median(part) if part and result.finite else None for part in parts)
    metrics = {"train_loss": last, "val_loss": result.val_loss[-1] if result.val_loss else None}
    logged = logged_metrics(out)
    Measurements(
        inputs_digest=digest(file_digest(checkpoint) if checkpoint else "", data_digest(run.data_folders)),
        metrics={**logged, **{name: value for name, value in metrics.items() if value is not None}},
        is_result=run.experiment_config.modes[run.mode].result,
        validation=validation_of(out / "training.json"),
        logged=TrainingLog(
            steps=result.steps, finite=result.finite, loss_at_start=first, loss_at_end=last,
            checkpoint=checkpoint.relative_to(out).as_posix() if checkpoint else "",
        ),
        evidence=[str(checkpoint)] if checkpoint else [],
    ).write(outputs.measurements)  # fmt: skip
    run.say(f"{result.steps} steps" + (f", loss {first:.3g} → {last:.3g}" if first and last else ""))


def validation_of(training: Path) -> ValidationTrend:
    """Whether the run's validation loss converged; `unknown` where it logged too few, or a foreign script trained."""
    try:
        result = TrainingResult.read(training)
        found = converged(result.val_steps, result.val_loss)
    except (OSError, ValueError, ArithmeticError):  # it comes from another machine
        found = converged([], [])
    return ValidationTrend(state=found.state, beyond_noise=found.beyond_noise, text=found.text)


def alerts_of(training: Path) -> list[str]:
    """What the run said of its success indicators; nothing where a foreign script trained."""
    try:
        with training.open("rb") as file:
            said = parsed(file.read(BOUNDS.size_bytes + 1), BOUNDS, "utf-8")
    except (OSError, ValueError):
        return []
    alerts = said.get("alerts") if isinstance(said, dict) else None
    texts = [alert for alert in alerts if isinstance(alert, str)] if isinstance(alerts, list) else []
    return [clean(alert[:TEXT_CHARACTERS]) for alert in texts[:LISTED]]
