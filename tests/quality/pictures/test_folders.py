"""What folders and names say of pictures: splits, films, classes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from gonogo.quality.file_kind import split_of
from gonogo.verdict import Status
from tests.quality.picture_files import crops, photographs, write
from tests.quality.pictures.test_inspector import SIDE, check, judged


@pytest.mark.parametrize(("folder", "split"), [
    ("train2017", "train"), ("val2017", "val"), ("train_images", "train"), ("test_images", "test"),
    ("images-val", "val"), ("Train", "train"), ("test tube", ""), ("strain", ""), ("dev_kit", ""), ("train_test", ""),
])  # fmt: skip
def test_splits_by_folder(folder: str, split: str) -> None:
    assert split_of(f"{folder}/a.jpg") == split


def test_copies_across_years_of_a_benchmark_leak(tmp_path: Path) -> None:
    picture, *others = crops(6, SIDE)
    named = {f"train2017/{n}.png": other for n, other in enumerate(others)}
    judgement, _ = judged(write(tmp_path / "data", named | {"val2017/9.png": picture, "train2017/9.png": picture}))
    assert check(judgement, "leakage").status is Status.NO_GO and judgement.cause == "LEAKAGE"


def film(seed: int, frames: int) -> list[np.ndarray]:
    """A camera that pans over a photograph."""
    picture = photographs()[seed % len(photographs())]
    places = np.linspace(0, picture.shape[1] - 161, frames).astype(int)
    return [picture[40:200, place : place + 160] for place in places]


def test_frames_of_films_split_at_random_leak_and_whole_films_do_not(tmp_path: Path) -> None:
    rng, mixed, whole = np.random.default_rng(0), {}, {}
    for clip in range(5):
        for number, frame in enumerate(film(clip, 30)):
            name = f"clip{clip}_{number:06d}.png"
            mixed[f"{'val' if rng.random() < 0.2 else 'train'}/{name}"] = frame
            whole[f"{'val' if clip == 4 else 'train'}/{name}"] = frame
    leaking = check(judged(write(tmp_path / "mixed", mixed))[0], "neighbours")
    assert leaking.status is Status.NO_GO and len(leaking.evidence) == 2 and "held-out pictures" in leaking.why
    assert not [one for one in judged(write(tmp_path / "whole", whole))[0].checks if one.id == "neighbours"]


def pie(seed: int) -> np.ndarray:
    """A chart of four random parts on white; all are of one layout."""
    chart, rng, start = np.full((SIDE * 2, SIDE * 2, 3), 255, np.uint8), np.random.default_rng(seed), 0.0
    colours = ((40, 60, 200), (60, 160, 60), (200, 120, 40), (30, 200, 230))
    for share, colour in zip((0.2, 0.35, 0.25, 0.2), colours, strict=True):
        end = start + 360 * share + rng.uniform(-6, 6)
        cv2.ellipse(chart, (SIDE, SIDE), (SIDE // 2, SIDE // 2), 0.0, start, end, colour, -1)
        start = end
    return chart


def test_drawings_that_only_look_alike_are_a_caution(tmp_path: Path) -> None:
    named = {f"{'val' if n % 3 == 1 else 'train'}/chart.{n}.png": pie(n) for n in range(40)}
    judgement, _ = judged(write(tmp_path / "data", named))
    for id_ in ("leakage", "repetition"):
        found = check(judgement, id_)
        assert found.status is Status.CAUTION and "Different drawings" in found.hint, found
    assert judgement.bad == 0
    again = write(tmp_path / "data", {"val/again.png": pie(0)})
    found = check(judged(again)[0], "leakage")
    assert found.status is Status.NO_GO and "same content" in found.why


def test_numbered_drawings_that_look_alike_by_class_are_a_caution(tmp_path: Path) -> None:
    def glyph(number: int) -> np.ndarray:
        page = np.full((SIDE, SIDE, 3), 250, np.uint8)
        place = (SIDE // 8 + number % 3, SIDE * 3 // 4 + number % 2)
        return cv2.putText(
            page, chr(65 + number // 6), place, cv2.FONT_HERSHEY_SIMPLEX, SIDE / 40, (20, 20, 20), SIDE // 16
        )

    named = {f"{'val' if n % 6 == 2 else 'train'}/g_{n:04d}.png": glyph(n) for n in range(96)}
    found = check(judged(write(tmp_path / "data", named))[0], "neighbours")
    assert found.status is Status.CAUTION and "drawings numbered by class" in found.why


def test_numbered_pictures_that_have_nothing_in_common_do_not_leak(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    named = {f"{'val' if rng.random() < 0.3 else 'train'}/cat.{n}.png": one for n, one in enumerate(crops(50, SIDE))}
    assert not [one for one in judged(write(tmp_path / "data", named))[0].checks if one.id == "neighbours"]


def test_classes_by_folder(tmp_path: Path) -> None:
    pictures = crops(40, SIDE)
    balanced = {f"train/{'cat' if n % 2 else 'dog'}/{n}.png": one for n, one in enumerate(pictures)}
    assert check(judged(write(tmp_path / "balanced", balanced))[0], "classes").status is Status.GO
    uneven = {f"{'rare' if n == 0 else 'common'}/{n}.png": one for n, one in enumerate(pictures)}
    uneven["rare/again.png"] = pictures[5]
    found = check(judged(write(tmp_path / "uneven", uneven))[0], "classes")
    assert found.status is Status.CAUTION and "1 pictures lie in two classes" in found.why
    assert "rare" in found.why and "common/5.png" in found.why
    both = {f"{label}/{n}.png": one for n, one in enumerate(pictures[:10]) for label in ("cat", "dog")}
    assert check(judged(write(tmp_path / "both", both))[0], "classes").status is Status.NO_GO


@pytest.mark.parametrize(("content", "name"), [
    (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"), (b"<html><body>404", "an HTML page"), (b"%PDF-1.7", "PDF"),
])  # fmt: skip
def test_other_forms_named_as_pictures_are_named(tmp_path: Path, content: bytes, name: str) -> None:
    folder = write(tmp_path / "data", {f"{n}.png": one for n, one in enumerate(crops(4, SIDE))})
    (folder / "odd.jpg").write_bytes(content + bytes(99))
    assert f"but {name}" in check(judged(folder)[0], "unreadable").why
