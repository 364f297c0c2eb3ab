"""Data folders of ten scenes, good or bad, as a generator would leave them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from accuracy.bad import KINDS, OF_COLOURS
from accuracy.camera import moved
from accuracy.good import INPUTS
from accuracy.photographs import Photographs

SCENES, VIEWS = 10, 4
SIZES = (64, 96, 128)
PHOTOGRAPH_SHARE = 0.5  # of the scenes of a set; the others are of any kind
OF_SETS = ("shuffled", "collapsed", "truncated files")
UNKNOWABLE = ("ghosts", "another scene")  # the second one is what `shuffled` is, with inputs that are not in the set
BAD_SETS = (*(kind for kind in KINDS if kind not in UNKNOWABLE), *OF_SETS)


def write_set(
    folder: Path, kind: str, rng: np.random.Generator, photographs: Photographs, one_view: bool = False
) -> None:
    """Ten scenes; of a bad `kind`, half of them or more are bad, all their views. Empty `kind`: a good set.

    Args:
        one_view: each scene has one bad view instead, of a kind of single views.
    """
    size = int(rng.choice(SIZES))
    inputs = [_input(rng, photographs, size, kind) for _ in range(SCENES)]
    views = [[moved(rng, x) for _ in range(VIEWS)] for x in inputs]
    bad = rng.permutation(SCENES)[: rng.integers(SCENES // 2, SCENES + 1)] if kind else []
    if kind == "shuffled":
        moved_on = {scene: views[bad[(place + 1) % len(bad)]] for place, scene in enumerate(bad)}
        views = [moved_on.get(number, own) for number, own in enumerate(views)]
    elif kind == "collapsed":
        views = [[_alike(rng, np.mean(views, axis=(0, 1))) for _ in range(VIEWS)] for _ in inputs]
    elif one_view:
        for x, own in zip(inputs, views, strict=True):
            at = int(rng.integers(VIEWS))
            own[at] = KINDS[kind].spoil(rng, x, own[at])
    elif kind in KINDS:
        for number in bad:
            views[number] = [KINDS[kind].spoil(rng, inputs[number], view) for view in views[number]]
    for number, (x, own) in enumerate(zip(inputs, views, strict=True)):
        scene = folder / f"image_{number:04d}"
        for path, picture in {"input.png": x, **{f"view_{n:03d}/rgb.png": view for n, view in enumerate(own)}}.items():
            (scene / path).parent.mkdir(parents=True, exist_ok=True)
            data = cv2.imencode(".png", picture)[1].tobytes()
            cut = kind == "truncated files" and number in bad and path != "input.png"
            (scene / path).write_bytes(data[: int(len(data) * rng.uniform(0.1, 0.95))] if cut else data)


def _input(rng: np.random.Generator, photographs: Photographs, size: int, kind: str) -> np.ndarray:
    """Colours and layouts are asked of pictures that have some; bad sets are made from photographs."""
    if kind or rng.random() < PHOTOGRAPH_SHARE:
        picture = photographs.crop(rng, size)
        while kind in OF_COLOURS and np.ptp(picture.astype(int), axis=2).mean() < 25:
            picture = photographs.crop(rng, size)
        return picture
    return INPUTS[list(INPUTS)[rng.integers(len(INPUTS))]](rng, photographs, size)


def _alike(rng: np.random.Generator, mean: np.ndarray) -> np.ndarray:
    """What a generator gives that has lost its input: nearly the same picture each time."""
    return (mean + rng.normal(0, 3, mean.shape)).clip(0, 255).astype(np.uint8)
