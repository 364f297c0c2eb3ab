"""Whether rendered views agree with their cameras, against views whose cameras were exchanged."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gonogo.base.errors import UserError
from gonogo.config.gate_thresholds import ResultsGate
from gonogo.quality.views.measurements import PICTURE
from gonogo.verdict import Check, threshold_check

SIDE = 32  # pixels of the thumbnails that are compared


def geometry_auc(predictions: Path, references: Sequence[Path]) -> float | None:
    """Mean over predicted views of the share of the scene's other references that are further than its own.

    1: every view stands where it should; 0.5: the views might be in any order. None: no scene has two views.

    Raises:
        UserError: a picture cannot be read.
    """
    shares = []
    for scene in sorted(predictions.glob("image_*")):
        reference = next((folder / scene.name for folder in references if (folder / scene.name).is_dir()), None)
        views = sorted(scene.glob("view_*"))
        if reference is None or len(views) < 2:
            continue
        expected = [_thumbnail(reference / view.name / PICTURE) for view in views]
        for index, view in enumerate(views):
            predicted = _thumbnail(view / PICTURE)
            distances = [float(np.abs(predicted - other).mean()) for other in expected]
            shares.append(statistics.fmean(far > distances[index] for at, far in enumerate(distances) if at != index))
    return statistics.fmean(shares) if shares else None


def geometry_check(auc: float, gate: ResultsGate) -> Check:
    return threshold_check(
        "geometry",
        "Predicted views stand where they should",
        round(auc, 3),
        f">= {gate.min_geometry_auc} (0.5: in any order)",
        auc >= gate.min_geometry_auc,
        why=f"predicted views are not nearest to their own references (AUC {auc:.2f}): their geometry is inconsistent",
        hint="Check that poses are given in the same frame in training and in prediction.",
    )


def _thumbnail(path: Path) -> np.ndarray:
    import cv2  # judging opens no picture

    picture = cv2.imread(str(path))
    if picture is None:
        raise UserError(f"{path}: not a readable picture")
    return cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
