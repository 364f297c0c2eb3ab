"""Faults that many pictures of a set share, and good sets that look a little like them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from gonogo.verdict import Status
from tests.quality.picture_files import crops, write
from tests.quality.pictures.test_inspector import check, judged, levels

COUNT, SIDE = 30, 96
Spoil = Callable[[np.ndarray], np.ndarray]


def lower_half_black(picture: np.ndarray) -> np.ndarray:
    return np.where(np.arange(SIDE)[:, None, None] < SIDE // 2, picture, 0).astype(np.uint8)


def every_other_row_black(picture: np.ndarray) -> np.ndarray:
    return np.where(np.arange(SIDE)[:, None, None] % 2, picture, 0).astype(np.uint8)


FAULTS: dict[str, tuple[str, Spoil]] = {
    "lower half black": ("shared_lost_part", lower_half_black),
    "quarter white": ("shared_lost_part", lambda x: cv2.rectangle(x.copy(), (48, 48), (95, 95), (255,) * 3, -1)),
    "every other row black": ("lines", every_other_row_black),
    "bands of black": ("lines", lambda x: np.where(np.arange(SIDE)[:, None, None] % 16 < 8, x, 0).astype(np.uint8)),
    "rows stuck": ("lines", lambda x: np.ascontiguousarray(x[np.minimum(np.arange(SIDE), 40)])),
    "rows shuffled": ("shared_rows_apart", lambda x: x[np.random.default_rng(1).permutation(SIDE)]),
    "green lost": ("shared_channel_lost", lambda x: x * np.array([1, 0, 1], np.uint8)),
    "one channel twice": ("shared_channels_alike", lambda x: np.ascontiguousarray(x[..., [0, 0, 2]])),
    "YUV": ("shared_colour_space", lambda x: cv2.cvtColor(x, cv2.COLOR_BGR2YUV)),
    "channels first": ("shared_planes", lambda x: np.ascontiguousarray(x.transpose(2, 0, 1)).reshape(x.shape)),
    "four levels": ("shared_few_levels", lambda x: (x // 64 * 64 + 32).astype(np.uint8)),
    "overexposed": ("shared_overexposed", lambda x: levels(x * 3.0)),
    "noise": ("noise", lambda x: levels(x + np.random.default_rng(2).normal(0, 60, x.shape))),
    "blurred": ("shared_soft", lambda x: cv2.GaussianBlur(x, (0, 0), 4.5)),
    "transparent": ("levels", lambda x: np.dstack([x, np.zeros(x.shape[:2], np.uint8)])),
}


def some_spoilt(folder: Path, spoil: Spoil, share: float) -> Path:
    pictures = {}
    for number, picture in enumerate(crops(COUNT, SIDE, seed=3)):
        pictures[f"{number:02d}.png"] = spoil(picture) if number < share * COUNT else picture
    return write(folder / "data", pictures)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_a_third_of_the_pictures_share_stops_the_set(tmp_path: Path, fault: str) -> None:
    id_, spoil = FAULTS[fault]
    judgement, found = judged(some_spoilt(tmp_path, spoil, 1 / 3))
    named = check(judgement, id_)
    assert named.status is Status.NO_GO, [(one.id, one.why) for one in judgement.checks if one.status != Status.GO]
    assert len(named.evidence) >= 2 and f"of {COUNT}" in named.why
    bad = {name for name, finding in found.items() if finding.bad}
    assert bad <= {f"{number:02d}.png" for number in range(COUNT // 3)} and len(bad) >= 4


def boxed(picture: np.ndarray) -> np.ndarray:
    boxed = picture.copy()
    boxed[:14] = boxed[-14:] = 0
    return boxed


def stained(picture: np.ndarray) -> np.ndarray:
    """One stain before nothing."""
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    glow = levels((grey.astype(float) - np.quantile(grey, 0.7)) * 6)
    return np.dstack([np.zeros_like(glow), glow, np.zeros_like(glow)])


GOOD: dict[str, Spoil] = {
    "letterboxed": boxed,
    "stained": stained,
    "grey as RGB": lambda x: cv2.cvtColor(cv2.cvtColor(x, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR),
    "in false colours": lambda x: cv2.applyColorMap(cv2.cvtColor(x, cv2.COLOR_BGR2GRAY), cv2.COLORMAP_INFERNO),
    "in jet": lambda x: cv2.applyColorMap(cv2.cvtColor(x, cv2.COLOR_BGR2GRAY), cv2.COLORMAP_JET),
    "12 bits in 16": lambda x: cv2.cvtColor(x, cv2.COLOR_BGR2GRAY).astype(np.uint16) * 16,
    "CT with an offset": lambda x: cv2.cvtColor(x, cv2.COLOR_BGR2GRAY).astype(np.uint16) * 8 + 31768,
    "before white": lambda x: np.where(np.hypot(*np.mgrid[-48:48, -48:48])[..., None] < 30, x, 255).astype(np.uint8),
}


@pytest.mark.parametrize("make", GOOD)
def test_odd_but_good_sets_pass(tmp_path: Path, make: str) -> None:
    judgement, found = judged(some_spoilt(tmp_path, GOOD[make], 1))
    assert [(one.id, one.why) for one in judgement.checks if one.status is Status.NO_GO] == []
    assert sum(finding.bad for finding in found.values()) <= 1


def layers(picture: np.ndarray) -> np.ndarray:
    """As of rock in a seismic section: long and smooth, and much finer down than across."""
    noise = np.random.default_rng(int(picture.sum())).normal(0, 1, (SIDE, SIDE))
    section = cv2.GaussianBlur(noise, (0, 0), sigmaX=12, sigmaY=1.2)
    return np.repeat(levels(128 + 50 * section / section.std())[..., None], 3, 2)


def three_stains(picture: np.ndarray) -> np.ndarray:
    random = np.random.default_rng(int(picture.sum()))
    cells = cv2.GaussianBlur(random.normal(0, 1, picture.shape), (0, 0), 2.5)
    return levels(110 + 60 * cells / cells.std())


def normals(picture: np.ndarray) -> np.ndarray:
    height = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.float32) / 8
    slope = [cv2.Sobel(height, cv2.CV_32F, *axis) for axis in ((1, 0), (0, 1))]
    vectors = np.dstack([np.ones_like(height) * 2, *slope])
    return levels((vectors / np.linalg.norm(vectors, axis=2, keepdims=True) + 1) * 127.5 + 0.5)


def framed(picture: np.ndarray) -> np.ndarray:
    """An instant photograph: a frame that is wider below."""
    paper = np.full_like(picture, 250)
    paper[8:74, 8:88] = picture[8:74, 8:88]
    return paper


def stains(picture: np.ndarray, *channels: int) -> np.ndarray:
    """Two stains that mark different things, in the channels that show the first; the other shows the second."""
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    second = np.ascontiguousarray(np.rot90(cv2.bitwise_not(grey)))
    return np.dstack([grey if channel in channels else second for channel in range(3)])


def line_art(picture: np.ndarray) -> np.ndarray:
    paper = np.full((SIDE * 4, SIDE * 4, 3), 255, np.uint8)
    for start in range(3):
        at = [(int(x) * 3 + 20, int(y) * 3 + 20) for x, y in picture[start, :2, :2]]
        cv2.line(paper, (at[0][0] % 360, at[0][1] % 360), (at[1][0] % 360, at[1][1] % 360), (0, 0, 0), 1)
    return cv2.circle(paper, (190, 190), 60 + int(picture[0, 0, 0]) // 4, (0, 0, 0), 1)


def wafer(picture: np.ndarray) -> np.ndarray:
    """Dies that pass and fail on a disc: nothing, half and full light."""
    rows, columns = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    inside = np.hypot(rows, columns) < 1
    return (inside * np.where(picture[..., 1] > 150, 255, 127))[..., None].repeat(3, 2).astype(np.uint8)


def smooth_normals(picture: np.ndarray) -> np.ndarray:
    height = cv2.GaussianBlur(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.float32), (0, 0), 6)
    across, down = (cv2.Sobel(height, cv2.CV_32F, *axis) / 8 for axis in ((1, 0), (0, 1)))
    normal = np.dstack([np.ones_like(height), down, across])
    return levels(127.5 * normal / np.linalg.norm(normal, axis=2, keepdims=True) + 127.5)


EXCUSED: dict[str, tuple[Spoil, str]] = {
    "framed": (framed, ""),
    "layers": (layers, ""),
    "normals": (normals, ""),
    "normals of smooth things": (smooth_normals, ""),
    "wafers": (wafer, "shared_few_levels"),
    "two stains, blue empty": (lambda x: stains(x, 1) * np.array([0, 1, 1], np.uint8), ""),
    "a duotone": (lambda x: np.repeat(x[..., 1:2], 3, 2) // np.array([1, 1, 3], np.uint8), ""),
    "digits enlarged": (lambda x: np.kron(x[::12, ::12], np.ones((12, 12, 1), np.uint8)), ""),
    "thin lines": (line_art, ""),
    "magenta and green": (lambda x: stains(x, 0, 2), "shared_channels_alike"),
    "one stain in green": (lambda x: x * np.array([0, 1, 0], np.uint8), "shared_channel_lost"),
    "three stains": (three_stains, "shared_colour_space"),
    "padded to a square": (
        lambda x: np.where(np.arange(SIDE)[:, None, None] < 72, x, 0).astype(np.uint8),
        "shared_lost_part",
    ),
}


@pytest.mark.parametrize("make", EXCUSED)
def test_good_sets_of_a_field_do_not_stop_and_what_cannot_be_told_apart_is_caution(tmp_path: Path, make: str) -> None:
    spoil, doubtful = EXCUSED[make]
    judgement, _ = judged(some_spoilt(tmp_path, spoil, 1))
    apart = {"repetition", "leakage"}
    assert [(one.id, one.why) for one in judgement.checks if one.status is Status.NO_GO and one.id not in apart] == []
    marked = {one.id for one in judgement.checks if one.status is Status.CAUTION and one.id.startswith("shared_")}
    assert marked == ({doubtful} if doubtful else set())
    if doubtful:
        assert "look" in check(judgement, doubtful).hint and "the same" in check(judgement, doubtful).hint


def test_16_bits_are_judged_by_what_is_used_and_said(tmp_path: Path) -> None:
    judgement, _ = judged(some_spoilt(tmp_path, GOOD["12 bits in 16"], 1))
    assert "grey16, 12 bits used" in check(judgement, "format").why
    assert "Pillow" in check(judgement, "format").hint
