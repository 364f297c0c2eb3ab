"""Volumes as they lie on disk: the header, and the voxels slice by slice."""

from __future__ import annotations

import contextlib
import gzip
import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import nibabel
import numpy as np

from gonogo.quality.arrays import NUMPY_SUFFIXES, chosen, is_numeric, numpy_arrays

MOST_GZIP_RATIO = 1032  # deflate cannot pack tighter (zlib.net, "Maximum Compression Factor")
MOST_SLICE = 2_000_000_000  # bytes of one slice, which is held whole
NUMPY_NAMES = ("data", "volume", "image", "arr_0")  # arrays of a .npz that are meant, if there are several

# what nibabel corrects in a header on reading is found by the checks, with the file's name
logging.getLogger("nibabel.global").setLevel(logging.CRITICAL)


@dataclass
class Volume:
    """One volume, open for reading once.

    Attributes:
        shape: as the file says, in voxels.
        axis: along which `slices` are cut: the slowest in the file.
        slices: 2-D arrays as they are stored, (x, y) for axis 2 and (y, z) for axis 0.
        slope, inter: value = stored × slope + inter.
        geometry: fields of VolumeItem that the header gives.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    axis: int
    slices: Iterator[np.ndarray]
    slope: float
    inter: float
    geometry: dict[str, Any]


@contextlib.contextmanager
def open_volume(path: Path) -> Iterator[Volume]:
    """A file, open within the block.

    Raises:
        Exception: of any type, as the library raises it; the slices raise ValueError where the file ends too early.
    """
    if path.suffix.lower() in NUMPY_SUFFIXES:
        with numpy_arrays(path) as arrays:
            array = arrays[chosen(arrays, NUMPY_NAMES, {3, 4})]
            if not array.size:
                raise ValueError(f"no voxels: its shape is {array.shape}")
            fortran = array.flags.f_contiguous and not array.flags.c_contiguous
            by_slice = np.moveaxis(array, -1, 0) if fortran else array
            planes = (plane for slab in by_slice for plane in (slab if array.ndim == 4 else [slab]))
            yield Volume(array.shape, array.dtype, array.ndim - 1 if fortran else 0, planes, 1.0, 0.0, {})
        return
    image: Any = _loaded(path)
    proxy = image.dataobj
    if 0 in proxy.shape:
        raise ValueError(f"no voxels: its shape is {proxy.shape}")
    if not is_numeric(proxy.dtype):
        raise ValueError(f"voxels of type {proxy.dtype}: colours or complex numbers, not a volume of values")
    with _opened(path) as stream:
        slices = _slices(stream, proxy, path)
        slope, inter = float(proxy.slope), float(proxy.inter)
        yield Volume(proxy.shape, proxy.dtype, 2, slices, slope, inter, _geometry(image, path))


def _loaded(path: Path) -> nibabel.spatialimages.SpatialImage:
    try:
        image = nibabel.load(path, mmap=False)
    except nibabel.filebasedimages.ImageFileError:
        raise ValueError("neither NIfTI nor MGZ inside") from None
    if not isinstance(image, nibabel.spatialimages.SpatialImage):
        raise ValueError(f"a {type(image).__name__}: not a volume")
    return image


def _opened(path: Path) -> BinaryIO:
    packed = path.suffix.lower() in (".gz", ".mgz")
    return gzip.open(path, "rb") if packed else path.open("rb")  # type: ignore[return-value]


def _slices(stream: BinaryIO, proxy: Any, path: Path) -> Iterator[np.ndarray]:
    """(x, y) slices in file order, then the rest of the file, so that a checksum at its end is verified."""
    x, y, *more = (*map(int, proxy.shape), 1, 1)
    size, count = x * y * proxy.dtype.itemsize, math.prod(more)
    promised, on_disk = proxy.offset + size * count, path.stat().st_size
    if promised > on_disk * (MOST_GZIP_RATIO if isinstance(stream, gzip.GzipFile) else 1):
        raise ValueError(_cut_off(promised, on_disk, "on disk"))
    if size > MOST_SLICE:
        raise ValueError(f"a slice of {size / 1e9:.1f} GB: not opened above {MOST_SLICE / 1e9:.0f} GB")
    stream.seek(proxy.offset)
    for number in range(count):
        try:
            raw = stream.read(size)
        except EOFError:
            raise ValueError(_cut_off(promised, proxy.offset + number * size, "unpacked")) from None
        if len(raw) < size:
            raise ValueError(_cut_off(promised, proxy.offset + number * size + len(raw), "unpacked"))
        yield np.frombuffer(raw, proxy.dtype).reshape((x, y), order="F")
    while stream.read(1 << 20):
        pass


def _cut_off(promised: int, held: int, where: str) -> str:
    return f"cut off: the header promises {promised / 1e6:.1f} MB, there are {held / 1e6:.1f} MB {where}"


def _geometry(image: Any, path: Path) -> dict[str, Any]:
    """Orientation and voxel size, of the affine and of the header as it was before nibabel corrected it."""
    affine = np.asarray(image.affine, dtype=float)
    usable = bool(np.isfinite(affine).all()) and None not in nibabel.aff2axcodes(affine)
    geometry: dict[str, Any] = {
        "axes": "".join(nibabel.aff2axcodes(affine)) if usable else "",
        "voxel_mm": [round(float(size), 4) for size in nibabel.affines.voxel_sizes(affine)] if usable else [],
        "identity": bool((np.abs(affine[:3, :3]) == np.eye(3)).all()),
        "at_origin": not affine[:3, 3].any(),
    }
    if not isinstance(image, nibabel.Nifti1Pair):
        return {**geometry, "header": "mgh", "oriented": bool(image.header["goodRASFlag"])}
    with _opened(path) as stream:
        kind = type(image.header)
        header = kind(stream.read(kind.template_dtype.itemsize), check=False)
    (sform, scode), (qform, qcode) = header.get_sform(coded=True), image.header.get_qform(coded=True)
    if scode and qcode:
        corners = np.array([[x, y, z, 1] for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=float)
        corners[:, :3] *= np.maximum((*image.shape, 1, 1)[:3], 1)
        geometry["form_gap_mm"] = round(float(np.linalg.norm(corners @ (sform - qform).T, axis=1).max()), 3)
        geometry["same_space"] = bool(scode == qcode)
    pixdim = [round(float(size), 4) for size in header["pixdim"][1:4]]
    return {**geometry, "header": "nifti", "oriented": bool(scode or qcode), "pixdim": pixdim}
