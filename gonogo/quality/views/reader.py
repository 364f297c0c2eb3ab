"""The files of one scene: each read once, hashed, and what is wrong with it noted instead of raised."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from gonogo.base.digests import file_digest
from gonogo.quality.arrays import loaded
from gonogo.quality.inspector import StatisticsCache
from gonogo.quality.items import FileProblem
from gonogo.quality.pictures.measurements import ImageStatistics
from gonogo.quality.pictures.statistics import images_statistics
from gonogo.quality.views.cameras import Pose, read_pose

T = TypeVar("T")


class FileReader:
    """Reads files below a data folder; paths are from that folder."""

    def __init__(self, folder: Path, files: frozenset[str], cache: StatisticsCache) -> None:
        self._folder = folder
        self._files = files
        self._cache = cache
        self._recalled: set[str] = set()
        self.hashes: dict[str, str] = {}  # path → sha256
        self.problems: list[FileProblem] = []  # files that could not be read, or do not hold what they should
        self.files_expected = 0  # how many were to be read

    def pictures(self, paths: Sequence[str]) -> list[ImageStatistics]:
        """Pictures, which must be there."""
        self.files_expected += len(paths)
        pictures = images_statistics([self._folder / path for path in paths], self._recall)
        for path, statistics in zip(paths, pictures, strict=True):
            if statistics.sha256 and statistics.sha256 not in self._recalled:
                self._cache.put(statistics.sha256, _cacheable(statistics))
            if statistics.problem:
                self._note(path, statistics.problem)
            if statistics.sha256:
                self.hashes[path] = statistics.sha256
        return pictures

    def depth(self, path: str) -> np.ndarray | None:
        """A depth map (H, W); None where there is none, or none that can be read."""
        return self._read(path, _depth_map)

    def pose(self, path: str) -> Pose | None:
        return self._read(path, read_pose)

    def group(self, path: str) -> str:
        """What the input was cut from; empty where nothing says so."""
        return self._read(path, _group) or ""

    def hash_the_rest(self) -> None:
        """Files that no check reads are part of the data, too."""
        for path in sorted(self._files - self.hashes.keys() - {problem.path for problem in self.problems}):
            try:
                self.hashes[path] = file_digest(self._folder / path)
            except OSError as error:
                self._note(path, f"cannot be read: {error.strerror}")

    def _recall(self, sha256: str) -> ImageStatistics | None:
        """Statistics of the same bytes from an earlier scan."""
        cached = self._cache.get(sha256)
        if cached is None:
            return None
        self._recalled.add(sha256)
        statistics = ImageStatistics.model_validate(cached["statistics"])
        if cached["thumbnail"]:
            statistics.thumbnail = np.frombuffer(base64.b64decode(cached["thumbnail"]), np.uint8).reshape(32, 32, 3)
        return statistics

    def _read(self, path: str, parse: Callable[[bytes], T]) -> T | None:
        if path not in self._files:
            return None
        self.files_expected += 1
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


def _cacheable(statistics: ImageStatistics) -> dict[str, Any]:
    thumbnail = statistics.thumbnail
    encoded = "" if thumbnail is None else base64.b64encode(np.ascontiguousarray(thumbnail).tobytes()).decode()
    return {"statistics": statistics.model_dump(mode="json"), "thumbnail": encoded}


def _depth_map(data: bytes) -> np.ndarray:
    try:
        depth = loaded(io.BytesIO(data))
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(f"not a whole .npy file ({error})") from None
    if not isinstance(depth, np.ndarray) or depth.ndim != 2 or depth.dtype.kind not in "fiu" or not depth.size:
        raise ValueError("not a depth map: one number for each pixel, (height, width)")
    if not np.isfinite(depth).all():
        raise ValueError("holds NaN or Inf")
    return depth


def _group(data: bytes) -> str:
    try:
        return str(json.loads(data)["group"])
    except (ValueError, KeyError, TypeError):
        raise ValueError('does not hold {"group": …}') from None
