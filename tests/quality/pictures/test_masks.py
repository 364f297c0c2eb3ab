"""Masks of pixels, in a folder beside the pictures: judged as labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gonogo.verdict import Status
from tests.quality.picture_files import crops, write
from tests.quality.pictures.test_inspector import SIDE, check, judged

COUNT = 12


def mask(number: int, value: int = 255) -> np.ndarray:
    rows, columns = np.mgrid[:SIDE, :SIDE]
    radius = 8 + number
    return np.where((rows - 40) ** 2 + (columns - 50) ** 2 < radius**2, value, 0).astype(np.uint8)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    named = {f"imgs/{n:02d}.jpg": picture for n, picture in enumerate(crops(COUNT, SIDE))}
    return write(tmp_path / "data", named)


def put(folder: Path, masks: dict[str, np.ndarray]) -> None:
    for name, values in masks.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray(values)
        (picture.convert("1") if path.suffix == ".gif" else picture).save(path)


@pytest.mark.parametrize(("name", "value"), [
    ("masks/{:02d}_mask.gif", 255), ("labels/{:02d}.png", 1), ("masks/{:02d}.bmp", 5), ("labelsTr/{:02d}.png", 2),
])  # fmt: skip
def test_masks_of_few_levels_are_no_dark_pictures(pictures: Path, name: str, value: int) -> None:
    put(pictures, {name.format(n): mask(n, value) for n in range(COUNT)})
    judgement, found = judged(pictures)
    assert {item: finding.ids for item, finding in found.items() if finding.faults} == {}
    assert [one.id for one in judgement.checks if one.status is not Status.GO and not one.grey] == []
    assert check(judgement, "masks").value == COUNT and judgement.items == 2 * COUNT


def test_black_pictures_beside_good_masks_are_still_bad(pictures: Path) -> None:
    put(pictures, {f"masks/{n:02d}.png": mask(n, 1) for n in range(COUNT)})
    write(pictures, {f"imgs/{n:02d}.jpg": np.zeros((SIDE, SIDE, 3), np.uint8) for n in range(COUNT)})
    assert check(judged(pictures)[0], "light").status is Status.NO_GO


def test_masks_that_mark_nothing_or_fit_no_picture(pictures: Path) -> None:
    put(pictures, {f"masks/{n:02d}.png": mask(n, 0) for n in range(COUNT)})
    found = check(judged(pictures)[0], "masks")
    assert found.status is Status.NO_GO and f"{COUNT} of {COUNT} masks have one value" in found.why
    put(pictures, {f"masks/{n:02d}.png": mask(n)[: SIDE - 2 * (n == 3)] for n in range(COUNT)})
    put(pictures, {"masks/99.png": mask(1)})
    found = check(judged(pictures)[0], "masks")
    assert found.status is Status.NO_GO  # one of 12 is more than 5 %
    assert f"1 of {COUNT + 1} masks have no picture" in found.why and "masks are of another size" in found.why


def test_photographs_in_a_folder_of_that_name_are_pictures(tmp_path: Path) -> None:
    folder = write(tmp_path / "data", {f"labels/{n}.png": picture for n, picture in enumerate(crops(COUNT, SIDE))})
    write(folder, {"labels/dark.png": np.zeros((SIDE, SIDE, 3), np.uint8) + 3})
    judgement, _ = judged(folder)
    assert "masks" not in {one.id for one in judgement.checks if one.value == COUNT}


def test_a_gif_is_read_and_one_that_is_cut_is_unreadable(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    frames = [Image.fromarray(picture[..., ::-1]) for picture in crops(8, SIDE)]
    for number, frame in enumerate(frames):
        frame.save(folder / f"{number}.gif")
    frames[0].save(folder / "moving.gif", save_all=True, append_images=frames[1:3])
    _, found = judged(folder)
    assert found["moving.gif"].item.frames == 3  # type: ignore[attr-defined]
    assert {item for item, finding in found.items() if finding.bad} == set()
    whole = (folder / "3.gif").read_bytes()
    (folder / "3.gif").write_bytes(whole[: len(whole) // 2])
    judgement, found = judged(folder)
    assert found["3.gif"].ids == {"unreadable"} and "truncated" in check(judgement, "unreadable").why
