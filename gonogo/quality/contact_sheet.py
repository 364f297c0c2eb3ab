"""The picture that a person looks at: every input beside its views, worst first, the reason under each."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from gonogo.files import replacing
from gonogo.quality.findings import SceneFinding, ViewFinding
from gonogo.quality.judge import Judgement
from gonogo.quality.measurements import INPUT, PICTURE
from gonogo.verdict import Status

CELL, FRAME, GAP = 128, 4, 10  # pixels: side of a picture, width of its frame, space between
BOX = CELL + 2 * FRAME
ENLARGED_UP_TO = CELL // 2  # pixels: pictures up to this side are shown at twice their size
REASONS, LINE = 2, 15  # lines of reasons under a picture; their height
HEAD, LABEL = 92, 18  # heights of the title and of a scene's name
ROW = LABEL + BOX + (1 + REASONS) * LINE + GAP
MOST_VIEWS = 12  # beside an input; of more the worst are shown
FEWEST_VIEWS = 5  # whose width the title needs
HEAD_REASONS = 2  # lines of the title
CAPTION = 22  # letters under a picture
LETTER = 6.6  # pixels, mean width of a letter of the title's reason
PAPER, INK, FAINT, BLANK = "#ffffff", "#1b1f24", "#5b6470", "#d0d5db"
COLOURS = {
    Status.GO: "#2da44e",
    Status.CAUTION: "#e3a008",
    Status.UNKNOWN: "#8b949e",
    Status.NO_GO: "#d1242f",
}


def contact_sheet(folders: Sequence[Path], findings: Judgement, out: Path, limit: int = 12) -> None:
    """Write a PNG with a row for each scene; of more than `limit` scenes the worst are shown.

    A view's frame is red for a fault in a bad scene, yellow for one that is tolerated, green without fault,
    grey where it could not be held against its input.

    Args:
        folders: where the data lies.
    """
    scenes = findings.scenes[:limit]
    views = max((len(scene.views) for scene in scenes), default=0)
    width = GAP + (1 + min(max(views, FEWEST_VIEWS), MOST_VIEWS)) * (BOX + GAP)
    sheet = Image.new("RGB", (width, HEAD + len(scenes) * ROW), PAPER)
    _title(sheet, findings, len(scenes))
    for index, scene in enumerate(scenes):
        folder = next((Path(f) for f in folders if (Path(f) / scene.name).is_dir()), Path(scene.folder))
        _row(sheet, scene, folder, HEAD + index * ROW)
    with replacing(out) as temporary:
        sheet.save(temporary, compress_level=3)


def _title(sheet: Image.Image, findings: Judgement, shown: int) -> None:
    """Status, cause, how many scenes are bad, and the first reasons."""
    draw, status = ImageDraw.Draw(sheet), findings.status
    draw.rectangle((0, 0, sheet.width, 6), fill=COLOURS[status])
    bad, total = sum(scene.bad for scene in findings.scenes), len(findings.scenes)
    counts = f"{bad} of {total} scenes bad" + (f", the worst {shown} are shown" if shown < total else "")
    head = " · ".join(filter(None, [status.label, findings.cause, counts]))
    draw.text((GAP, 14), head, INK, _font(20))
    telling = [check for check in findings.checks if check.status is status is not Status.GO]
    reasons = [check.why for check in telling or findings.checks[-1:]]
    letters = int((sheet.width - 2 * GAP) / LETTER)
    lines = [textwrap.shorten(why, letters, placeholder=" …") for why in reasons[:HEAD_REASONS]]
    draw.multiline_text((GAP, 42), "\n".join(lines), FAINT, _font(13), spacing=4)


def _row(sheet: Image.Image, scene: SceneFinding, folder: Path, top: int) -> None:
    reasons = "; ".join(fault.reason for fault in scene.faults)
    name = " · ".join(filter(None, [scene.name, "bad" if scene.bad else "", reasons]))
    ink = COLOURS[Status.NO_GO] if scene.bad else INK
    ImageDraw.Draw(sheet).text((GAP, top), name, ink, _font(13))
    _cell(sheet, (GAP, top + LABEL), folder / scene.name / INPUT, PAPER, ["input"])
    worst = sorted(scene.views, key=lambda view: -len(view.faults))[:MOST_VIEWS]
    for column, view in enumerate(sorted(worst, key=lambda view: view.path), 1):
        corner = (GAP + column * (BOX + GAP), top + LABEL)
        _cell(sheet, corner, folder / view.path / PICTURE, COLOURS[_status(scene, view)], _captions(view))


def _status(scene: SceneFinding, view: ViewFinding) -> Status:
    if view.faults:
        return Status.NO_GO if scene.bad else Status.CAUTION
    return Status.GO if view.source else Status.UNKNOWN


def _captions(view: ViewFinding) -> list[str]:
    number = view.measured.name.removeprefix("view_")
    angle = "" if view.measured.angle_deg is None else f"  {round(view.measured.angle_deg)}°"
    reasons = [fault.reason for fault in view.faults]
    if len(reasons) > REASONS:
        reasons = [*reasons[: REASONS - 1], f"{reasons[REASONS - 1]} +{len(reasons) - REASONS}"]
    return [number + angle, *reasons]


def _cell(sheet: Image.Image, corner: tuple[int, int], path: Path, frame: str, captions: Sequence[str]) -> None:
    """One picture in its frame, with lines of text under it."""
    draw = ImageDraw.Draw(sheet)
    left, top = corner
    draw.rectangle((left, top, left + BOX - 1, top + BOX - 1), fill=frame)
    draw.rectangle((left + FRAME, top + FRAME, left + FRAME + CELL - 1, top + FRAME + CELL - 1), fill=BLANK)
    picture = _picture(path)
    if picture is None:
        draw.text((left + BOX // 2, top + BOX // 2), "no picture", FAINT, _font(13), anchor="mm")
    else:
        sheet.paste(picture, (left + (BOX - picture.width) // 2, top + (BOX - picture.height) // 2))
    for line, caption in enumerate(captions):
        text = textwrap.shorten(caption, CAPTION, placeholder="…")
        draw.text((left + FRAME, top + BOX + 1 + line * LINE), text, FAINT if line == 0 else INK, _font(12))


def _picture(path: Path) -> Image.Image | None:
    """The picture as large as fits a cell, small ones at twice their size; None where it cannot be read."""
    try:
        with Image.open(path) as file:
            picture = file.convert("RGB")
    except (OSError, ValueError, SyntaxError):  # what Pillow raises on damaged files
        return None
    if max(picture.size) <= ENLARGED_UP_TO:
        return picture.resize((2 * picture.width, 2 * picture.height), Image.Resampling.NEAREST)
    picture.thumbnail((CELL, CELL))
    return picture


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
