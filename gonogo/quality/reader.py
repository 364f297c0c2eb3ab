"""The files of one scene: each read once, hashed, and what is wrong with it noted instead of raised."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from gonogo.files import file_digest
from gonogo.quality.cameras import Pose, read_pose
from gonogo.quality.measurements import FileProblem, ImageStatistics
from gonogo.quality.statistics import image_statistics

T = TypeVar("T")


class FileReader:
    """Reads files below a data folder; paths are from that folder.

    Attributes:
        hashes: path → sha256.
        problems: files that could not be read, or do not hold what they should.
        asked: files that were to be read.
    """

    def __init__(self, folder: Path, files: frozenset[str]) -> None:
        self._folder = folder
        self._files = files
        self.hashes: dict[str, str] = {}
        self.problems: list[FileProblem] = []
        self.asked = 0

    def picture(self, path: str) -> ImageStatistics:
        """A picture, which must be there."""
        self.asked += 1
        statistics = image_statistics(self._folder / path)
        if statistics.problem:
            self._note(path, statistics.problem)
        if statistics.sha256:
            self.hashes[path] = statistics.sha256
        return statistics

    def depth(self, path: str) -> np.ndarray | None:
        """A depth map (H, W); None where there is none, or none that can be read."""
        return self._read(path, _depth_map)

    def pose(self, path: str) -> Pose | None:
        return self._read(path, read_pose)

    def hash_the_rest(self) -> None:
        """Files that no check reads belong to the data all the same."""
        for path in sorted(self._files - self.hashes.keys() - {problem.path for problem in self.problems}):
            try:
                self.hashes[path] = file_digest(self._folder / path)
            except OSError as error:
                self._note(path, f"cannot be read: {error.strerror}")

    def _read(self, path: str, parse: Callable[[bytes], T]) -> T | None:
        if path not in self._files:
            return None
        self.asked += 1
        try:
            data = (self._folder / path).read_bytes()
            self.hashes[path] = hashlib.sha256(data).hexdigest()
            return parse(data)
        except ValueError as error:
            self._note(path, str(error))
        except OSError as error:
            self._note(path, f"cannot be read: {error.strerror}")
        return None

    def _note(self, path: str, reason: str) -> None:
        self.problems.append(FileProblem(path=path, reason=reason))


def _depth_map(data: bytes) -> np.ndarray:
    try:
        depth = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(f"not a whole .npy file ({error})") from None
    if not isinstance(depth, np.ndarray) or depth.ndim != 2 or depth.dtype.kind not in "fiu" or not depth.size:
        raise ValueError("not a depth map: one number for each pixel, (height, width)")
    if not np.isfinite(depth).all():
        raise ValueError("holds NaN or Inf")
    return depth
