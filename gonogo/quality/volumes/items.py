"""A volume as it was measured, and what is usual in its set."""

from __future__ import annotations

from array import array
from collections import Counter

import numpy as np
from pydantic import Field

from gonogo.quality.file_kind import Overview
from gonogo.quality.items import MeasuredItem
from gonogo.quality.volumes.labels import LabelVolume, case_of

AXIS_OF = {"R": 0, "L": 0, "A": 1, "P": 1, "S": 2, "I": 2}
AIR_HU = -512.0  # half way between air and water, to the histogram's resolution
BIN, LOWEST, BINS = 32.0, -4096.0, 384  # of the histogram, HU; the outermost bins hold what lies beyond


class VolumeItem(MeasuredItem):
    """One volume. Axes, shape and sizes in the file's order."""

    shape: list[int] = Field(default_factory=list, description="voxels along each axis")
    dtype: str = Field(default="", description="as stored")
    header: str = Field(default="", description="nifti or mgh; empty: the file has none")
    oriented: bool = Field(default=False, description="the header says how the voxels lie in the body")
    axes: str = Field(default="", description="where each axis points to: `RAS`; empty: the affine is not invertible")
    voxel_mm: list[float] = Field(default_factory=list, description="voxel size by the affine")
    pixdim: list[float] = Field(default_factory=list, description="voxel size by the NIfTI header, as written")
    identity: bool = Field(default=False, description="the affine is the identity")
    at_origin: bool = Field(default=False, description="the affine puts the first voxel at 0, 0, 0")
    form_gap_mm: float | None = Field(
        default=None, description="of corners between sform and qform; null: one is not set"
    )
    same_space: bool = Field(default=True, description="sform and qform claim the same space")
    voxels: int = 0
    nonfinite: int = Field(default=0, description="voxels NaN or infinite")
    low: float | None = Field(default=None, description="least finite value, scaled as the header says")
    high: float | None = None
    saturated_share: float = Field(default=0, description="of voxels at the stored type's extreme")
    padding_share: float = Field(default=0, description="of voxels at the least value, where it is below air")
    slices: int = Field(default=0, description="along the slowest axis of the file")
    constant_slices: int = Field(default=0, description="of one value")
    hollow_slices: int = Field(default=0, description="of one value, between slices that vary")
    repeated_slices: int = Field(default=0, description="equal to the one before")
    slice_disorder: float | None = Field(
        default=None, description="difference of neighbouring slices over that of slices four apart; null: unknowable"
    )
    histogram: list[int] = Field(default_factory=list, description="voxels in 384 bins of 32 from -4096")
    air_cells: str = Field(default="", description="share of air on a grid of at most 24 cells an axis, packed")

    jump: float = Field(default=0, description="greatest difference of neighbouring slices over those around it")
    jump_at: int = 0
    missing_slices: int = Field(default=0, description="of a DICOM series, by the positions of the others")
    doubled_slices: int = Field(default=0, description="of a DICOM series, at the position of another")
    modality: str = Field(default="", description="`ct` or `other` by its name or dataset.json; empty: neither says")
    label: LabelVolume | None = Field(default=None, description="beside it")

    @property
    def spacing_mm(self) -> list[float]:
        """Voxel size right-left, front-back, head-foot; empty where the file does not say."""
        if not self.voxel_mm or len(self.axes) != 3:
            return []
        return [size for _, size in sorted(zip((AXIS_OF[axis] for axis in self.axes), self.voxel_mm, strict=True))]

    def share(self, above: float, below: float) -> float:
        """Share of finite voxels with above <= value < below, to the histogram's 32."""
        first, last = (min(max(round((bound - LOWEST) / BIN), 0), len(self.histogram)) for bound in (above, below))
        return sum(self.histogram[first:last]) / max(sum(self.histogram), 1)

    @property
    def air_share(self) -> float:
        return self.share(LOWEST, AIR_HU) if self.histogram else 0.0


class VolumeOverview(Overview):
    """The commonest orientation, and medians of voxel sizes and shapes."""

    def __init__(self) -> None:
        super().__init__()
        self._axes: Counter[str] = Counter()
        self._spacing, self._shape = array("d"), array("d")
        self._labelled: set[tuple[str, str]] = set()
        self._cases: dict[str, set[str]] = {}
        self._series: Counter[str] = Counter()  # of DICOM, by folder
        self.label_values: Counter[int] = Counter()
        self.shapes: Counter[tuple[int, ...]] = Counter()
        self.axes = ""
        self.spacing_mm: list[float] = []
        self.shape: list[float] = []

    def add(self, item: MeasuredItem) -> None:
        super().add(item)
        assert isinstance(item, VolumeItem)
        folder, case = case_of(item.name)
        self._cases.setdefault(folder, set()).add(case)
        self._series[folder] += item.header == "dicom"
        if item.label or item.files > 1:
            self._labelled.add((folder, case))
        if item.label:
            self.label_values.update(item.label.values)
        if item.problems:
            return
        if item.oriented and item.axes:
            self._axes[item.axes] += 1
        self._spacing.extend(item.spacing_mm)
        if len(item.shape) >= 3:
            self._shape.extend(sorted(item.shape[:3]))
            self.shapes[tuple(item.shape[:3])] += 1

    def close(self) -> None:
        super().close()
        self.axes = self._axes.most_common(1)[0][0] if self._axes else ""
        self.spacing_mm, self.shape = _medians(self._spacing), _medians(self._shape)

    @property
    def labels(self) -> int:
        return len(self._labelled)

    def lacks_label(self, item: VolumeItem) -> bool:
        """Whether most cases of its folder have a label, and its own has none."""
        folder, case = case_of(item.name)
        cases = self._cases[folder]
        with_label = sum((folder, one) in self._labelled for one in cases)
        return (folder, case) not in self._labelled and 2 * with_label >= len(cases)

    def series_beside(self, item: VolumeItem) -> int:
        """DICOM series in its folder, itself among them; 0 for other files."""
        return self._series[case_of(item.name)[0]] if item.header == "dicom" else 0

    def turned(self, item: VolumeItem) -> bool:
        """Whether its lengths are those of most of the set in another order, and the header does not say so."""
        if item.axes != self.axes:
            return False
        (usual, count), shape = self.shapes.most_common(1)[0], tuple(item.shape[:3])
        return 2 * count > self.shapes.total() and shape != usual and sorted(shape) == sorted(usual)


def _medians(triples: array[float]) -> list[float]:
    return [float(value) for value in np.median(np.reshape(triples, (-1, 3)), axis=0)] if triples else []
