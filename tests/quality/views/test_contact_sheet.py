"""What a person and a machine are given to look at."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from gonogo.config.quality_thresholds import QualityGate
from gonogo.quality.drawing import HEAD
from gonogo.quality.judge import judge
from gonogo.quality.judgement import Judgement
from gonogo.quality.views.contact_sheet import MOST_SCENES, ROW, contact_sheet
from tests.quality.conftest import measure_views
from tests.quality.scenes import Scene, make_scene, write

GREY, BLANK = (0x8B, 0x94, 0x9E), (0xD0, 0xD5, 0xDB)
RED, YELLOW, GREEN = (0xD1, 0x24, 0x2F), (0xE3, 0xA0, 0x08), (0x2D, 0xA4, 0x4E)


@pytest.fixture
def made() -> list[Scene]:
    scenes = [make_scene(seed) for seed in range(5)]
    scenes[3].views = [(0.05 * view).astype(np.uint8) for view in scenes[3].views]
    return scenes


@pytest.fixture
def data(made: list[Scene], tmp_path: Path) -> Path:
    return write(tmp_path / "data", made)


@pytest.fixture
def judged(data: Path) -> Judgement:
    return judge(measure_views([data]), QualityGate())


def where(sheet: np.ndarray, picture: np.ndarray) -> tuple[int, int] | None:
    """Row and column of the picture, at twice its size, in the sheet (both RGB)."""
    large = picture.repeat(2, 0).repeat(2, 1)
    match = cv2.matchTemplate(sheet, large, cv2.TM_SQDIFF)
    row, column = np.unravel_index(match.argmin(), match.shape)
    found = sheet[row : row + large.shape[0], column : column + large.shape[1]]
    return (int(row), int(column)) if (found == large).all() else None


def test_every_item_is_on_the_sheet_worst_first(
    made: list[Scene], data: Path, judged: Judgement, tmp_path: Path
) -> None:
    contact_sheet([data], judged, tmp_path / "sheet.png")
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    inputs, views = sheet[:, :160], sheet[:, 800:1100]  # two columns, to search in
    places = [where(inputs, scene.image[..., ::-1]) for scene in made]
    assert None not in places
    rows = [place[0] for place in places if place]
    assert rows.index(min(rows)) == 3
    for scene, row in zip(made, rows, strict=True):
        view = where(views, scene.views[5][..., ::-1])
        assert view is not None
        assert view[0] == row


def test_frames_and_bar_carry_the_colours(data: Path, judged: Judgement, tmp_path: Path) -> None:
    contact_sheet([data], replace(judged, worst=judged.worst[:1]), tmp_path / "sheet.png")
    sheet = Image.open(tmp_path / "sheet.png")
    assert sheet.getpixel((0, 0)) == YELLOW  # one bad scene of five is no evidence
    pictures = sheet.crop((0, 100, *sheet.size))
    assert colours(pictures) & {RED, GREEN, YELLOW} == {RED}
    contact_sheet([data], judged, tmp_path / "all.png")
    assert {RED, GREEN} <= colours(Image.open(tmp_path / "all.png"))


def test_a_tolerated_fault_is_yellow(made: list[Scene], tmp_path: Path) -> None:
    made[1].views[4] = np.zeros_like(made[1].views[4])
    folder = write(tmp_path / "tolerated", made[:3])
    contact_sheet([folder], judge(measure_views([folder]), QualityGate()), tmp_path / "sheet.png")
    assert colours(Image.open(tmp_path / "sheet.png")) & {RED, GREEN, YELLOW} == {GREEN, YELLOW}


def colours(picture: Image.Image) -> set[object]:
    return {color for _, color in picture.getcolors(1 << 24) or []}


def test_unreadable_pictures_leave_a_blank(data: Path, tmp_path: Path) -> None:
    for path in (data / "image_0000").rglob("*.png"):
        path.write_bytes(path.read_bytes()[:200])
    contact_sheet([data], judge(measure_views([data]), QualityGate()), tmp_path / "sheet.png")
    sheet = Image.open(tmp_path / "sheet.png")
    assert sheet.height > 5 * 128
    assert BLANK in colours(sheet)


def test_views_that_cannot_be_compared_are_grey_not_green(made: list[Scene], tmp_path: Path) -> None:
    folder = write(tmp_path / "blind", made[:1])
    (folder / "image_0000" / "input.png").write_bytes(b"")
    contact_sheet([folder], judge(measure_views([folder]), QualityGate()), tmp_path / "sheet.png")
    found = colours(Image.open(tmp_path / "sheet.png"))
    assert GREY in found
    assert GREEN not in found


def test_a_whole_sample_is_shown_and_of_a_larger_set_the_worst(judged: Judgement, tmp_path: Path) -> None:
    def scenes_on(worst: int, items: int) -> int:
        shown = replace(judged, worst=(judged.worst * 4)[:worst], items=items)
        contact_sheet([], shown, tmp_path / "many.png")
        return (Image.open(tmp_path / "many.png").height - HEAD) // ROW

    assert scenes_on(18, 18) == 18
    assert scenes_on(18, 80) == MOST_SCENES
