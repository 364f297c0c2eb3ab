"""Numpy's own files, read piece by piece; and what a library's exception says, in a few words."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import threading
import time
import zipfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np

NUMPY_SUFFIXES = (".npy", ".npz")
MOST_UNPACKED, MOST_RATIO = 4_000_000_000, 100  # bytes of an .npz, and times its size, that are unpacked
LEAST_S, SLOWEST_BYTES_A_S = 120.0, 250_000  # of computing for any file, and bytes a second beyond
Part = TypeVar("Part")
_ONE_HEADER = threading.Lock()


@contextlib.contextmanager
def numpy_arrays(path: Path) -> Iterator[dict[str, np.ndarray]]:
    """The arrays of a .npz by name, or that of a .npy under an empty one; mapped, not read.

    A .npz is unpacked into a temporary folder, which also holds its checksums against its bytes. Members that
    are not arrays of plain values are left out.

    Raises:
        ValueError: the file is no array, or shorter than it promises.
    """
    if path.suffix.lower() == ".npy":
        yield {"": mapped(path)}
        return
    with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory() as temporary:
        _check_sizes(path, archive)
        arrays = {}
        for position, name in enumerate(archive.namelist()):
            unpacked = Path(temporary, f"{position}.npy")
            with archive.open(name) as packed, unpacked.open("wb") as plain:
                shutil.copyfileobj(packed, plain, 1 << 20)
            with contextlib.suppress(ValueError):
                arrays[name.removesuffix(".npy")] = mapped(unpacked)
        yield arrays


def _check_sizes(path: Path, archive: zipfile.ZipFile) -> None:
    """Raise ValueError before an archive is unpacked that holds more than any data of its size would."""
    unpacked, packed = sum(member.file_size for member in archive.infolist()), max(path.stat().st_size, 1)
    if unpacked > MOST_UNPACKED and unpacked > MOST_RATIO * packed:
        said = f"{packed / 1e6:.1f} MB unpack to {unpacked / 1e9:.1f} GB"
        raise ValueError(f"{said}: not opened above {MOST_UNPACKED / 1e9:.0f} GB, or {MOST_RATIO} times its size")


def mapped(path: Path) -> np.ndarray:
    """
    Raises:
        ValueError: it is no array of plain values, or shorter than it promises.
    """
    with path.open("rb") as stream:
        if stream.read(6) != b"\x93NUMPY":
            raise ValueError("not a numpy array")
    return loaded(path, mapped=True)


def loaded(source: Path | IO[bytes], *, mapped: bool = False) -> np.ndarray:
    """np.load, in one thread at a time: it parses headers as Python, which fails in threads of Python 3.11 (gh-106905).

    Raises:
        ValueError, EOFError, OSError: it is no array of plain values, or cut short.
    """
    with _ONE_HEADER:
        array: np.ndarray = np.load(source, mmap_mode="r" if mapped else None, allow_pickle=False)
    return array


def chosen(arrays: Mapping[str, Any], names: Sequence[str], dimensions: Collection[int]) -> str:
    """Which of several arrays is meant: the first that `names` names, or the largest that could be.

    Args:
        arrays: by their paths in the file; with shape, size and dtype.
        names: last parts of paths, in lower case.

    Raises:
        ValueError: none is of numbers, has so many dimensions, and holds anything.
    """
    fit = {path: array for path, array in arrays.items() if is_numeric(array.dtype) and array.ndim in dimensions}
    if not fit:
        wanted = " or ".join(map(str, sorted(dimensions)))
        raise ValueError(f"no array of numbers with {wanted} dimensions, among: {listed_arrays(arrays) or 'none'}")
    for name in names:
        for path in fit:
            if path.rsplit("/", maxsplit=1)[-1].lower() == name:
                return path
    return max(fit, key=lambda path: int(fit[path].size))


def listed_arrays(arrays: Mapping[str, Any], most: int = 5) -> str:
    """`x (5, 3) float32, y (5,) int64`."""
    shown = [f"{path} {array.shape} {array.dtype}".strip() for path, array in list(arrays.items())[:most]]
    return ", ".join(shown) + (" …" if len(arrays) > most else "")


def is_numeric(dtype: np.dtype) -> bool:
    """Whole or real numbers, or truth values."""
    return dtype.kind in "iufb"


def in_time(path: Path, parts: Iterable[Part]) -> Iterator[Part]:
    """The parts of a file, as long as they take no longer than any real file of its size would.

    Raises:
        ValueError: they do: a small file that unpacks to without end, or one that is made to be slow.
    """
    start, size = time.thread_time(), path.stat().st_size
    most_s = LEAST_S + size / SLOWEST_BYTES_A_S
    for part in parts:
        if time.thread_time() - start > most_s:
            raise ValueError(f"not read further: over {most_s:.0f} s of computing for {size / 1e6:.1f} MB")
        yield part


@contextlib.contextmanager
def explained_errors() -> Iterator[None]:
    """Whatever a library raises on a damaged file becomes a ValueError of one line; absurd figures make no noise."""
    try:
        with np.errstate(all="ignore"):
            yield
    except ValueError as error:
        raise ValueError(one_line(error)) from None
    except MemoryError:
        raise ValueError("needs more memory than there is: damaged, or too large") from None
    except Exception as error:
        raise ValueError(one_line(error)) from error


def one_line(error: Exception, most: int = 160) -> str:
    """What an exception says, shortened; its name where it says nothing."""
    text = " ".join(str(error).split()).replace("synchronously ", "")  # HDF5's calls have names of no use here
    text = f"{type(error).__name__} {text}".strip() if isinstance(error, KeyError) or not text else text
    return text if len(text) <= most else f"{text[: most - 1]}…"
