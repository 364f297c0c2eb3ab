"""Photographs on disk → square inputs, cropped and varied so that a few pictures give many items."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from gonogo import UserError

log = logging.getLogger(__name__)

SUFFIXES = {".png", ".jpg", ".jpeg"}
INVERSE_DEPTH = ".inverse_depth.npz"  # in place of the suffix of the photograph that it is of
LONG_SIDE = 1024  # larger pictures are scaled down when they are read
CROP_SHARES = (0.5, 0.95)  # side of a crop / shorter side of its photograph
CROP_TRIALS = 16
MIN_LUMINANCE, MIN_CONTRAST = 0.2, 0.12  # mean and standard deviation of a crop worth showing, luma 0-1


@dataclass(frozen=True)
class Photograph:
    name: str
    picture: Image.Image  # RGB
    inverse_depth: Image.Image | None  # mode F, aligned with the picture; larger is nearer


@dataclass(frozen=True)
class Item:
    """One input of the generator.

    Attributes:
        name: file name of the photograph that it was cropped from.
        image: (S, S, 3) uint8, RGB.
        inverse_depth: (S, S) float32, relative, larger is nearer; None where the true one is not known.
    """

    name: str
    image: np.ndarray
    inverse_depth: np.ndarray | None


class Photographs:
    """The PNG and JPEG files of a folder, as a source of any number of items.

    `NAME.inverse_depth.npz` next to a picture gives its true relative inverse depth (array `inverse_depth`).

    Raises:
        UserError: the folder does not exist or contains no picture.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            files = sorted(folder.iterdir())
        except OSError as error:
            raise UserError(f"inputs: {folder}: {error.strerror}. {_ADVICE}") from None
        self.paths = [p for p in files if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")]
        if not self.paths:
            raise UserError(f"inputs: {folder}: no picture in this folder. {_ADVICE}")

    def item(self, index: int, size: int, seed: int) -> Item:
        """Item number `index`: the same for the same folder, size and seed, whatever other items are made.

        Photographs are used in turn; one that cannot be read is replaced by the next that can.

        Args:
            index: any number from 0; there is no upper limit.
            size: side of the square item, pixels.

        Raises:
            UserError: no picture of the folder can be read.
        """
        turns = [self.paths[(index + turn) % len(self.paths)] for turn in range(len(self.paths))]
        photograph = next((found for found in map(_read, turns) if found), None)
        if photograph is None:
            raise UserError(f"inputs: {self.folder}: none of its {len(self.paths)} pictures can be read. {_ADVICE}")
        rng = np.random.default_rng([seed, index])
        best = _crop(photograph, size, rng)
        for _ in range(CROP_TRIALS - 1):
            if _worth(best) >= 1:
                break
            best = max(best, _crop(photograph, size, rng), key=_worth)
        return best


_ADVICE = "Put one or more PNG or JPEG photographs there, or point `inputs:` at a folder that contains some."


@lru_cache(maxsize=32)
def _read(path: Path) -> Photograph | None:
    """The photograph, scaled down to LONG_SIDE; None, with a warning, if it cannot be decoded."""
    try:
        with Image.open(path) as file:
            file.thumbnail((LONG_SIDE, LONG_SIDE))
            picture = _rgb(ImageOps.exif_transpose(file))
    except Exception as error:  # decoders may raise any exception on damaged bytes
        log.warning("warning: %s: cannot be read; skipped (%s)", path, error)
        return None
    return Photograph(path.name, picture, _read_inverse_depth(path.with_suffix(INVERSE_DEPTH), picture))


def _rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):  # 16-bit grey, which Pillow would clip instead of scaling it
        picture = Image.fromarray((np.asarray(picture) // 257).astype(np.uint8))
    return picture.convert("RGB")


def _read_inverse_depth(path: Path, picture: Image.Image) -> Image.Image | None:
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as arrays:
            values = arrays["inverse_depth"].astype(np.float32)
    except Exception as error:
        raise UserError(
            f"{path}: not an .npz file with an array `inverse_depth` ({error}). Fix or remove it."
        ) from None
    if values.ndim != 2 or not np.isfinite(values).all():
        raise UserError(
            f"{path}: `inverse_depth` must be (height, width) and finite, but its shape is {values.shape} "
            f"and {np.mean(~np.isfinite(values)):.0%} of it is not finite. Fix or remove it."
        )
    return Image.fromarray(values).resize(picture.size, Image.Resampling.BILINEAR)


def _crop(photograph: Photograph, size: int, rng: np.random.Generator) -> Item:
    """A random square window, mirrored half the time, scaled to `size`."""
    width, height = photograph.picture.size
    side = min(width, height) * rng.uniform(*CROP_SHARES)
    left, top = rng.uniform(0, width - side), rng.uniform(0, height - side)
    flip = -1 if rng.random() < 0.5 else 1

    def cut(picture: Image.Image, how: Image.Resampling) -> np.ndarray:
        window = picture.resize((size, size), how, box=(left, top, left + side, top + side))
        return np.ascontiguousarray(np.asarray(window)[:, ::flip])

    depth = photograph.inverse_depth
    return Item(
        photograph.name,
        cut(photograph.picture, Image.Resampling.LANCZOS),
        None if depth is None else cut(depth, Image.Resampling.BILINEAR),
    )


def _worth(item: Item) -> float:
    """1 or more for a crop with enough light and contrast; else the smaller of the two, relative to its minimum."""
    luma = item.image @ np.array([0.299, 0.587, 0.114]) / 255
    return float(min(luma.mean() / MIN_LUMINANCE, luma.std() / MIN_CONTRAST))
