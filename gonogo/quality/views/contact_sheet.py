"""The picture that a person looks at: every input beside its views, worst first, the reason under each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from gonogo.base.files import replacing
from gonogo.quality.drawing import (
    BOX,
    GAP,
    HEAD,
    INK,
    LINE,
    PAPER,
    REASONS,
    cell,
    font,
    opened,
    reasons,
    title,
)
from gonogo.quality.judgement import Judgement
from gonogo.quality.views.findings import SceneFinding, ViewFinding
from gonogo.quality.views.measurements import INPUT, PICTURE
from gonogo.verdict import Status

LABEL = 18  # height of a scene's name
ROW = LABEL + BOX + (1 + REASONS) * LINE + GAP
MOST_SCENES = 12  # of a set too large to be shown whole
MOST_VIEWS = 12  # beside an input; of more the worst are shown
FEWEST_VIEWS = 5  # whose width the title needs


def contact_sheet(folders: Sequence[Path], judgement: Judgement, out: Path) -> None:
    """Write a PNG with a row for each scene; of a set larger than a sample the `MOST_SCENES` worst.

    A view's frame is red for a fault in a bad scene, yellow for one that is tolerated, green without fault, grey where
    it could not be compared with its input.

    Args:
        folders: where the data lies.
    """
    whole = len(judgement.worst) >= judgement.items
    scenes = judgement.worst if whole else judgement.worst[:MOST_SCENES]
    views = max((len(scene.views) for scene in scenes), default=0)
    width = GAP + (1 + min(max(views, FEWEST_VIEWS), MOST_VIEWS)) * (BOX + GAP)
    sheet = Image.new("RGB", (width, HEAD + len(scenes) * ROW), PAPER)
    title(sheet, judgement, "scenes", len(scenes))
    for index, scene in enumerate(scenes):
        places = [Path(scene.folder), *map(Path, folders)]
        folder = next((place for place in places if (place / scene.name).is_dir()), places[0])
        _row(sheet, scene, folder, HEAD + index * ROW)
    with replacing(out) as temporary:
        sheet.save(temporary, compress_level=3)


def _row(sheet: Image.Image, scene: SceneFinding, folder: Path, top: int) -> None:
    faults = "; ".join(fault.reason for fault in scene.faults)
    name = " · ".join(filter(None, [scene.name, "bad" if scene.bad else "", faults]))
    ink = Status.NO_GO.rgb if scene.bad else INK
    ImageDraw.Draw(sheet).text((GAP, top), name, ink, font(13))
    cell(sheet, (GAP, top + LABEL), opened(folder / scene.name / INPUT), PAPER, ["input"])
    worst = sorted(scene.views, key=lambda view: -len(view.faults))[:MOST_VIEWS]
    for column, view in enumerate(sorted(worst, key=lambda view: view.path), 1):
        corner = (GAP + column * (BOX + GAP), top + LABEL)
        cell(sheet, corner, opened(folder / view.path / PICTURE), _status(scene, view).rgb, _captions(view))


def _status(scene: SceneFinding, view: ViewFinding) -> Status:
    if view.faults:
        return Status.NO_GO if scene.bad else Status.CAUTION
    return Status.GO if view.source else Status.UNKNOWN


def _captions(view: ViewFinding) -> list[str]:
    number = view.measured.name.removeprefix("view_")
    angle = "" if view.measured.angle_deg is None else f"  {round(view.measured.angle_deg)}°"
    return [number + angle, *reasons([fault.reason for fault in view.faults])]
