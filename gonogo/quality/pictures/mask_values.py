"""Which values masks hold, of a bounded sample of them: label values are to be few, and none between two of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from gonogo.quality.label_findings import LabelFindings

LOOKED_INTO = 300  # masks
MOST_PIXELS = 50_000_000
LOSSY = ("jpeg", "webp")
BLENDED = 32  # values in a mask that is nearly all 0 and 255: it was resized or drawn with soft edges
MOSTLY = 0.9


def read_mask_values(folder: Path, masks: Sequence[tuple[str, str]]) -> LabelFindings:
    """Values, and masks that have values between those of labels.

    Args:
        folder: the data folder.
        masks: names from the folder, and formats.
    """
    found = LabelFindings(form="masks")
    step = max(len(masks) // LOOKED_INTO, 1)
    for name, format_ in masks[::step][:LOOKED_INTO]:
        values = _values(folder / name)
        if values is None:
            continue
        found.labels += 1
        found.bad += len(values) == 1
        path, levels = str(folder / name), list(values)
        if format_ in LOSSY and len(levels) > 2:
            found.note("masks are saved with loss (JPEG), which leaves values between those of labels", path)
        elif len(levels) >= BLENDED and {levels[0], levels[-1]} == {"0", "255"} and _ends_share(values) > MOSTLY:
            found.note("masks have values between 0 and 255 at their edges, as resizing leaves them", path)
        else:
            for level in levels:
                found.tally(level)
    return found


def _ends_share(values: dict[str, int]) -> float:
    return (values["0"] + values["255"]) / sum(values.values())


def _values(path: Path) -> dict[str, int] | None:
    """How many pixels have each value, least first: an index of a palette, a level, or a colour `#rrggbb`."""
    try:
        with Image.open(path) as file:
            if file.width * file.height > MOST_PIXELS:
                return None
            plain = file if file.mode in ("1", "L", "P", "I", "I;16", "I;16B", "F") else file.convert("RGB")
            pixels = np.asarray(plain)
    except Exception:  # whatever decoders raise; that a file cannot be read is said of it as an item
        return None
    if pixels.ndim == 3:
        if (pixels == pixels[..., :1]).all():
            pixels = pixels[..., 0]
        else:
            packed = pixels.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
            return {f"#{value:06x}": count for value, count in _counts(packed)}
    return {f"{value:g}": count for value, count in _counts(pixels)}


def _counts(pixels: np.ndarray) -> list[tuple[float, int]]:
    if pixels.dtype.itemsize == 1 and pixels.dtype.kind in "bu":
        counts = np.bincount(pixels.ravel())
        return [(int(value), int(counts[value])) for value in np.flatnonzero(counts)]
    values, counts = np.unique(pixels, return_counts=True)
    return list(zip(values.tolist(), counts.tolist(), strict=True))
