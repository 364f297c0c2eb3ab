"""Pictures, each by itself: any folder of picture files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
from PIL import Image

from gonogo.config.quality_thresholds import QualityGate
from gonogo.quality.acceptance import AcceptanceRule
from gonogo.quality.distributions import Distribution, above, below
from gonogo.quality.fault_counts import FaultGroup
from gonogo.quality.file_kind import FileInspector, split_of
from gonogo.quality.inspector import ItemFiles, ItemReading, StatisticsCache
from gonogo.quality.items import Fault, FileProblem, MeasuredItem
from gonogo.quality.label_findings import LabelFindings
from gonogo.quality.pictures.checks import ImageOverview, image_fault_groups, image_faults, set_checks
from gonogo.quality.pictures.hashes import grey_thumbnails, near_hashes
from gonogo.quality.pictures.headers import SUFFIXES
from gonogo.quality.pictures.items import ImageItem
from gonogo.quality.pictures.labels import read_labels
from gonogo.quality.pictures.measurements import ImageStatistics
from gonogo.quality.pictures.statistics import SMALLEST_SIDE, images_statistics
from gonogo.verdict import Check

LEAST_SIDE_FOR_LOOKS = 64  # pixels; below, as for digits or icons, very different pictures look nearly the same


class Images(FileInspector):
    """One file, one picture."""

    name: ClassVar[str] = "images"
    title: ClassVar[str] = "pictures"
    item: ClassVar[str] = "picture"
    Item: ClassVar[type[MeasuredItem]] = ImageItem
    suffixes: ClassVar[tuple[str, ...]] = tuple(SUFFIXES)

    def measure(self, files: ItemFiles, cache: StatisticsCache) -> ItemReading:
        return self.measure_all([files], cache)[0]

    def measure_all(self, items: Sequence[ItemFiles], cache: StatisticsCache) -> list[ItemReading]:
        """Reads each file once for hash, statistics and looks. What the cache holds is not decoded again."""
        recalled: dict[str, dict[str, Any]] = {}

        def recall(sha256: str) -> ImageStatistics | None:
            if cached := cache.get(sha256):
                recalled[sha256] = cached
                return ImageStatistics.model_validate(cached["picture"])
            return None

        measured = images_statistics([f"{files.folder}/{files.name}" for files in items], recall)
        looks = _looks([image for image in measured if image.thumbnail is not None])
        for image in measured:
            if image.sha256 in recalled:
                looks[image.sha256] = recalled[image.sha256]["looks"]
            elif image.sha256:
                cache.put(image.sha256, {"picture": _plain(image), "looks": looks.get(image.sha256, {})})
        return [
            _reading(files, image, looks.get(image.sha256, {})) for files, image in zip(items, measured, strict=True)
        ]

    def overview(self) -> ImageOverview:
        return ImageOverview()

    def faults(self, item: Any, overview: Any, gate: QualityGate) -> list[Fault]:
        return image_faults(item, overview, gate.images)

    def fault_groups(self, gate: QualityGate) -> Sequence[FaultGroup]:
        return image_fault_groups(gate.images)

    def set_checks(self, overview: Any, gate: QualityGate, rule: AcceptanceRule) -> list[Check]:
        return set_checks(overview, gate.images, rule)

    def labels_beside(
        self, folder: Path, items: Sequence[ItemFiles], others: Sequence[str], measured: Path
    ) -> tuple[list[LabelFindings], list[str]]:
        return read_labels(folder, [item.name for item in items], others, measured)

    def draw(self, item: ImageItem) -> Image.Image:
        with Image.open(item.path) as file:
            return file.convert("RGB")

    def distributions(self, gate: QualityGate) -> list[Distribution]:
        limits = gate.images
        luma = [
            Distribution("pixels.mean", "Brightness", "mean luma", 0, 255),
            Distribution("pixels.p99", "Brightest luma (p99)", "luma", 0, 255, (below(limits.dark_p99, "black"),)),
            Distribution("pixels.sigma", "Spread of luma (σ)", "luma", 0, 128, (below(limits.min_sigma, "constant"),)),
            Distribution(
                "pixels.white_share", "White pixels", "share", 0, 1, (above(limits.max_white_share, "white"),)
            ),
            Distribution("pixels.black_share", "Black pixels", "share", 0, 1),
            Distribution("pixels.entropy_bits", "Entropy of luma", "bits", 0, 8),
        ]
        structure = [
            Distribution(
                "pixels.autocorrelation_1", "Autocorrelation, 1 pixel", "", -0.2, 1,
                (below(limits.min_autocorrelation, "noise"),),
            ),
            Distribution("pixels.autocorrelation_8", "Autocorrelation, 8 pixels", "", -0.2, 1),
            Distribution("pixels.noise_sigma", "Noise (Immerkær's σ)", "luma", 0, 64),
            Distribution(
                "detail", "Detail of the thumbnail", "its Laplacian variance / variance", 0.001, 30,
                (below(limits.min_detail, "blurred"),), log=True,
            ),
            Distribution(
                "pixels.specks", "Specks", "share of pixels", 0, 1, (above(limits.max_speck_share, "specks"),)
            ),
            Distribution(
                "pixels.blocks", "Blocks", "difference along a grid / near by", 0.5, 20,
                (above(limits.max_blocks, "blocks"),), log=True,
            ),
            Distribution("pixels.sharpness", "Sharpness", "Laplacian variance / variance", 0.001, 20, log=True),
            Distribution("pixels.coverage", "Coverage", "share off the border's colour", 0, 1),
        ]  # fmt: skip
        files = [
            Distribution("width", "Width", "pixels", 8, 16384, log=True),
            Distribution("height", "Height", "pixels", 8, 16384, log=True),
            Distribution("bytes_per_sample", "Bytes a sample", "", 0.001, 10, log=True),
        ]
        return luma + structure + files


def _reading(files: ItemFiles, measured: ImageStatistics, looks: dict[str, Any]) -> ItemReading:
    picture = ImageItem(
        name=files.name,
        folder=str(files.folder),
        content=measured.sha256,
        split=split_of(files.name),
        problems=[] if _whole(measured) else [FileProblem(path=files.name, reason=measured.problem)],
        **looks,
        **measured.__dict__ | {"thumbnail": None},
    )
    return ItemReading(picture, {files.name: measured.sha256} if measured.sha256 else {})


def _looks(measured: Sequence[ImageStatistics]) -> dict[str, dict[str, Any]]:
    """`near` and `detail` of each by its sha256, from the thumbnails."""
    if not measured:
        return {}
    thumbnails = np.stack([image.thumbnail for image in measured])
    looks = {}
    for image, near, grey in zip(measured, near_hashes(thumbnails), grey_thumbnails(thumbnails), strict=True):
        assert image.pixels is not None
        edges = cv2.norm(cv2.Laplacian(grey, cv2.CV_16S), cv2.NORM_L2SQR) / grey.size  # their mean is next to 0
        small = min(image.width, image.height) < LEAST_SIDE_FOR_LOOKS
        looks[image.sha256] = {
            "near": "" if small else near,
            "detail": edges / max(image.pixels.sigma**2, 1.0),
        }
    return looks


def _plain(measured: ImageStatistics) -> dict[str, Any]:
    """What JSON holds of it, without the thumbnail."""
    plain = {**measured.__dict__}
    for part in ("pixels", "marks"):
        plain[part] = plain[part].__dict__ if plain[part] else None
    del plain["thumbnail"]
    return plain


def _whole(measured: ImageStatistics) -> bool:
    """Whether the file is in order. That what it holds is too small, or NaN, is a fault of the picture."""
    decoded = bool(measured.mode)
    small = min(measured.width, measured.height) < SMALLEST_SIDE
    return not measured.problem or (decoded and (small or measured.not_finite_share > 0))
