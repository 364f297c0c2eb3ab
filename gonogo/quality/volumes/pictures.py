"""A volume for the eye: its middle axial slice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from PIL import Image

from gonogo.quality.arrays import NUMPY_SUFFIXES, chosen, numpy_arrays
from gonogo.quality.volumes.dicom import pixels
from gonogo.quality.volumes.files import NUMPY_NAMES
from gonogo.quality.volumes.items import AIR_HU, VolumeItem

WINDOW_HU = (-160.0, 240.0)  # soft tissue of the abdomen: level 40, width 400


def middle_slice(path: Path, item: VolumeItem) -> Image.Image:
    """Head-foot middle, of a DICOM series its first file; front up, the patient's right on the left; without a
    header the middle of the first axis.

    A soft-tissue window for CT, else from the 1st to the 99th percentile.
    """
    if item.header == "dicom":
        plane = next(pixels(path)).T
    elif path.suffix.lower() in NUMPY_SUFFIXES:
        plane = _numpy_plane(path)
    else:
        plane = _axial_plane(path, item)
    plane = np.nan_to_num(plane.astype(np.float32), nan=0, posinf=0, neginf=0)
    is_ct = item.low is not None and item.low < AIR_HU
    low, high = WINDOW_HU if is_ct else np.percentile(plane, (1, 99))
    grey = np.clip((plane - low) / max(high - low, 1e-6), 0, 1) * 255
    return Image.fromarray(grey.astype(np.uint8))


def _numpy_plane(path: Path) -> np.ndarray:
    with numpy_arrays(path) as arrays:
        array = arrays[chosen(arrays, NUMPY_NAMES, {3, 4})]
        return np.array(array[(len(array) // 2, *[0] * (array.ndim - 3))])


def _axial_plane(path: Path, item: VolumeItem) -> np.ndarray:
    image: Any = nibabel.load(path, mmap=False)
    proxy = image.dataobj
    axes = item.axes if len(item.axes) == 3 else "LAS"
    up = next(axis for axis, code in enumerate(axes) if code in "SI")
    at = [slice(None)] * min(3, proxy.ndim) + [0] * (proxy.ndim - 3)
    if up < proxy.ndim:
        at[up] = proxy.shape[up] // 2
    plane = np.asarray(proxy[tuple(at)])
    codes = [code for code in axes if code not in "SI"]
    if codes[0] in "RL":
        plane, codes = plane.T, codes[::-1]
    plane = plane[::-1] if codes[0] == "A" else plane
    return plane[:, ::-1] if codes[1] == "R" else plane
