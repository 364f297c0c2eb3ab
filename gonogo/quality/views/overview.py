"""What only the whole set of scenes shows: how varied it is, what is there twice, which view belongs to which input."""

from __future__ import annotations

import base64
import heapq
from array import array
from collections import Counter

import numpy as np

from gonogo.quality.duplicates import DuplicateIndex
from gonogo.quality.views.measurements import SceneMeasurement

PANEL = 256  # scenes that are compared with each other for pairing: those whose inputs have the least hashes


class Spread:
    """Sums of thumbnails in whole numbers, whose variance adds up over parts of a set exactly."""

    def __init__(self) -> None:
        self.count = 0
        self._total = np.zeros(1, np.int64)
        self._squares = np.zeros(1, np.int64)

    def add(self, levels: np.ndarray) -> None:
        values = levels.astype(np.int64)
        self.count += 1
        self._total = self._total + values
        self._squares = self._squares + values * values

    @property
    def variance(self) -> float:
        """Over the thumbnails, summed over pixels and channels; levels squared."""
        mean = self._total / self.count
        return float(np.sum(self._squares / self.count - mean * mean))


class SceneOverview:
    """Fed with every scene once, then closed. A few bytes a view, and the thumbnails of at most `PANEL` scenes.

    The same for any order of the scenes and any division into parts.
    """

    def __init__(self) -> None:
        self.duplicates = DuplicateIndex()
        self.inputs, self.views = Spread(), Spread()
        self._view_counts = Counter[int]()
        self._hashes = array("Q")
        self._panel: list[tuple[int, str, str, list[str]]] = []  # least hashes, as a heap of their negatives
        self._repeated: set[int] = set()
        self._first: dict[int, str] = {}
        self._nearer: dict[str, list[float | None]] = {}

    def add(self, scene: SceneMeasurement) -> None:
        self.duplicates.add(scene)
        if scene.views:
            self._view_counts[len(scene.views)] += 1
        for view in scene.views:
            if view.picture.pixels:
                self._hashes.append(_key(view.picture.sha256))
            if view.thumbnail:
                self.views.add(_thumbnail(view.thumbnail))
        if scene.thumbnail:
            self.inputs.add(_thumbnail(scene.thumbnail))
            entry = (-_key(scene.content), scene.path, scene.thumbnail, [view.thumbnail for view in scene.views])
            if len(self._panel) < PANEL:
                heapq.heappush(self._panel, entry)
            else:
                heapq.heappushpop(self._panel, entry)

    def close(self) -> None:
        self.duplicates.close()
        keys, counts = np.unique(np.frombuffer(self._hashes, np.uint64), return_counts=True)
        self._repeated = set(keys[counts > 1].tolist())
        self._hashes = array("Q")
        self._pair_up()

    @property
    def expected_views(self) -> int:
        """Views that a scene has, by the count that most scenes have (the larger of two equally common)."""
        counts = self._view_counts
        return max(counts, key=lambda views: (counts[views], views), default=0)

    @property
    def variance_ratio(self) -> float | None:
        """Σ variance of the views' thumbnails / of the inputs'; None below two scenes with different inputs."""
        if self.inputs.count < 2 or self.views.count < 2 or self.inputs.variance <= 1e-6:
            return None
        return self.views.variance / self.inputs.variance

    def nearer(self, scene: SceneMeasurement) -> list[float | None]:
        """For each view, the share of other scenes' inputs that are further than its own; None: not in the panel."""
        return self._nearer.get(scene.path, [None] * len(scene.views))

    def identical_to(self, sha256: str, path: str) -> str:
        """Path of the first view with these bytes, where that is another; to be called for every view in order."""
        if not sha256 or _key(sha256) not in self._repeated:
            return ""
        first = self._first.setdefault(_key(sha256), path)
        return first if first != path else ""

    def _pair_up(self) -> None:
        if len(self._panel) < 2:
            return
        panel = sorted(self._panel, key=lambda entry: entry[:2])
        inputs = np.stack([_normalised(entry[2]) for entry in panel])  # (N, 192)
        for own, (_, path, _, views) in enumerate(panel):
            self._nearer[path] = [_share_further(view, inputs, own) if view else None for view in views]
        self._panel = []


def _share_further(text: str, inputs: np.ndarray, own: int) -> float:
    """Share of the other inputs (N, 192) that are further from this view than its own; ties count half."""
    likeness = inputs @ _normalised(text)  # cosine: order as of distances
    further = (likeness < likeness[own]).sum() + 0.5 * ((likeness == likeness[own]).sum() - 1)
    return float(further / (len(inputs) - 1))


def _normalised(text: str) -> np.ndarray:
    """(192,) float32 of mean 0 and length 1, so that brightness and contrast do not matter."""
    small = _thumbnail(text).astype(np.float32)
    small = small - small.mean()
    return small / max(float(np.linalg.norm(small)), 1e-6)


def _key(sha256: str) -> int:
    return int(sha256[:16], 16)


def _thumbnail(text: str) -> np.ndarray:
    """(8·8·3,) uint8 of `encoded_thumbnail`."""
    return np.frombuffer(base64.b64decode(text), np.uint8)
