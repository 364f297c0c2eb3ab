"""Whether rendered views agree with their cameras, against views whose cameras were exchanged."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

from gonogo.base.errors import UserError


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
