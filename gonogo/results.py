"""The results gate: is what came back from the paid machine what was hoped for?"""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from gonogo.errors import UserError
from gonogo.evidence import data_digest
from gonogo.files import digest, file_digest, folder_replacing
from gonogo.measured import Measured
from gonogo.quality.judge import judge as judge_data
from gonogo.quality.parts import MeasuredSet, measure_part
from gonogo.stage import Run
from gonogo.starts import final_checkpoint
from gonogo.thresholds import ResultsGate
from gonogo.verdict import Check, Status, held


class Measurements(Measured):
    metrics: dict[str, float] = Field(description="as the experiment reports them; `skill` is among them")
    geometry_auc: float | None = Field(description="how surely a predicted view is nearest to its own reference")
    is_result: bool = Field(True, description="false: the mode only runs the machinery; its figures count for nothing")
    alerts: list[str] = Field(default_factory=list, description="success indicators that the paid run missed")
    pictures: Path = Field(description="measurements of the predictions, looked at as data is")


def validate(run: Run, archive: Path, predictions: Path, measured: Path) -> Measurements:
    """Predict held-out items from the downloaded checkpoint into `predictions`, and look at what comes out.

    What is seen of each prediction is left in `measured`.

    Raises:
        UserError: the archive holds no checkpoint, or it is not the one that was downloaded.
    """
    checkpoint = final_checkpoint(archive)
    experiment = run.load_experiment()
    with folder_replacing(predictions) as out:
        metrics = experiment.predict(checkpoint, run.shards, out, run.config.seed)
    run.say("  ".join(f"{name} {value:.3g}" for name, value in metrics.items()))
    measure_part(experiment.inspector(run.gates.results.pictures), predictions, measured)
    auc = geometry_auc(predictions, run.shards) if experiment.kind == "views" else None
    return Measurements(
        inputs_digest=digest(file_digest(checkpoint), data_digest(run.shards)),
        metrics=metrics,
        geometry_auc=auc,
        is_result=run.experiment_config.modes[run.mode].result,
        alerts=_alerts(checkpoint.parent.parent / "training.json"),
        pictures=measured,
        evidence=[str(predictions), str(checkpoint)],
    )


def _alerts(training: Path) -> list[str]:
    """What the run said of its success indicators; nothing where a foreign script trained."""
    return json.loads(training.read_text()).get("alerts", []) if training.exists() else []


def geometry_auc(predictions: Path, references: Sequence[Path]) -> float | None:
    """Mean over predicted views of the share of the scene's other references that are further than its own.

    1: every view stands where it should; 0.5: the views might be in any order. None: no scene has two views.
    """
    shares = []
    for scene in sorted(predictions.glob("image_*")):
        reference = next((folder / scene.name for folder in references if (folder / scene.name).is_dir()), None)
        views = sorted(scene.glob("view_*"))
        if reference is None or len(views) < 2:
            continue
        own = [_thumbnail(view / "rgb.png") for view in views]
        others = [_thumbnail(reference / view.name / "rgb.png") for view in views]
        for index, picture in enumerate(own):
            distances = [float(abs(picture - other).mean()) for other in others]
            further = [distance > distances[index] for k, distance in enumerate(distances) if k != index]
            shares.append(statistics.fmean(further))
    return statistics.fmean(shares) if shares else None


def _thumbnail(path: Path):  # type: ignore[no-untyped-def]  # numpy is not imported for a type
    import cv2

    picture = cv2.imread(str(path))
    if picture is None:
        raise UserError(f"{path}: not a readable picture")
    return cv2.resize(picture, (32, 32), interpolation=cv2.INTER_AREA).astype("float32")


def judge(measured: Measurements, gate: ResultsGate) -> tuple[list[Check], str]:
    if not measured.is_result:
        return [_no_result()], ""
    checks = [_skill(measured, gate), *_expected(measured, gate)]
    if measured.geometry_auc is not None:
        checks.append(_geometry(measured.geometry_auc, gate))
    checks += [_indicators(measured)] if measured.alerts else []
    checks += judge_data(MeasuredSet.read(measured.pictures), gate.pictures).checks
    return checks, "RESULT" if any(not check.status.passes for check in checks) else ""


def _no_result() -> Check:
    return Check(
        id="no_result",
        title="Predictions can be made from the downloaded checkpoint",
        value=True,
        status=Status.CAUTION,
        why="this mode only runs the machinery: the figures are not a result, and were held against nothing",
        hint="Run a mode that counts.",
    )


def _skill(m: Measurements, gate: ResultsGate) -> Check:
    title, skill = "Skill over predicting the mean, held-out items", m.metrics.get("skill")
    if skill is None:
        return held("skill", title, None, f"> {gate.min_skill}", None, why="not reported by the experiment")
    return held(
        "skill",
        title,
        round(skill, 3),
        f"> {gate.min_skill}",
        skill > gate.min_skill,
        why=f"the trained model predicts held-out items no better than their mean (skill {skill:.2f})",
        hint="Compare with the smoke run: if that had skill, the paid run lost it on its way.",
    )


def _expected(m: Measurements, gate: ResultsGate) -> list[Check]:
    checks = []
    for name, least in gate.metrics.items():
        value = m.metrics.get(name)
        obtained = "was not reported" if value is None else f"is {value:.3g}"
        checks.append(
            held(
                f"expected_{name}",
                f"Expected {name}",
                None if value is None else round(value, 3),
                f">= {least:g}",
                None if value is None else value >= least,
                why=f"{name} {obtained}; {least:g} was expected before the run",
                hint="The expectation stood before the run: the hypothesis is in doubt, not the infrastructure.",
            )
        )
    return checks


def _indicators(m: Measurements) -> Check:
    return Check(
        id="indicators",
        title="Success indicators missed in training",
        value=len(m.alerts),
        threshold="0",
        status=Status.CAUTION,
        why="; ".join(m.alerts),
        hint="Look at the metric's curve in metrics.csv: did it come late, or never?",
    )


def _geometry(auc: float, gate: ResultsGate) -> Check:
    return held(
        "geometry",
        "Predicted views stand where they should",
        round(auc, 3),
        f">= {gate.min_geometry_auc} (0.5: in any order)",
        auc >= gate.min_geometry_auc,
        why=f"predicted views are not nearest to their own references (AUC {auc:.2f}): their geometry is inconsistent",
        hint="Check that poses are given in the same frame in training and in prediction.",
    )
