"""What is wrong with a volume: alone, and beside the others of its set."""

from __future__ import annotations

from gonogo.config.quality_thresholds import VolumesGate
from gonogo.quality.items import Fault
from gonogo.quality.volumes.hounsfield import not_hounsfield
from gonogo.quality.volumes.items import VolumeItem, VolumeOverview
from gonogo.quality.volumes.patches import patch_coverage, patch_means, unpack_cells
from gonogo.quality.wording import number, percent, times

SAME = 0.01  # share that the header's two notes of a voxel size may differ by: they are rounded
ODD_SHAPE = 2  # times the set's median, or under it, is an axis worth a warning


class VolumeFaults:
    """The checks of one volume against the thresholds and the set."""

    def __init__(self, item: VolumeItem, overview: VolumeOverview, gate: VolumesGate) -> None:
        self._item, self._overview, self._gate = item, overview, gate

    def all(self) -> list[Fault]:
        return [
            *self._shape(), *self._values(), *(self._ct() if self._gate.modality == "ct" else []),
            *self._slices(), *self._orientation(), *self._spacing(),
        ]  # fmt: skip

    def _shape(self) -> list[Fault]:
        shape, usual, found = self._item.shape, self._overview.shape, []
        if len(shape) != 3:
            only_ones = len(shape) > 3 and set(shape[3:]) == {1}
            found.append(Fault("dimensions", f"{len(shape)}-D: {times(shape)}", warns=only_ones))
        if min(shape[:3]) < self._gate.min_axis_voxels:
            return [*found, Fault("tiny", f"{times(shape)} voxels, an axis under {self._gate.min_axis_voxels}")]
        ordered = sorted(shape[:3])
        if len(ordered) == 3 and any(
            not 1 / ODD_SHAPE <= own / other <= ODD_SHAPE for own, other in zip(ordered, usual, strict=True)
        ):
            found.append(Fault("odd_shape", f"{times(shape)} voxels; the set's median {times(usual)}", warns=True))
        return found

    def _values(self) -> list[Fault]:
        item, found = self._item, []
        if item.nonfinite:
            found.append(Fault("nonfinite", f"{percent(item.nonfinite / item.voxels)} of voxels NaN or infinite"))
        if item.saturated_share > self._gate.max_saturated:
            found.append(Fault("overflow", f"{percent(item.saturated_share)} of voxels at the end of {item.dtype}"))
        return found

    def _ct(self) -> list[Fault]:
        item, gate = self._item, self._gate
        if item.low is None or item.high is None or item.low == item.high:
            return []
        if lost := not_hounsfield(item, item.low, item.high):
            return [Fault("hu", lost)]
        found = []
        outside = 1 - item.share(gate.min_hu, gate.max_hu)
        if item.low < gate.min_hu or item.high > gate.max_hu:
            why = f"{number(item.low)} to {number(item.high)} HU, {percent(outside)} outside"
            found.append(Fault("range", why, warns=outside <= gate.max_out_of_range))
        if not gate.min_air_share <= item.air_share <= gate.max_air_share:
            found.append(Fault("air", f"{percent(item.air_share)} air"))
        return [*found, *self._patches()]

    def _patches(self) -> list[Fault]:
        item, gate = self._item, self._gate
        if not gate.patch or not item.air_cells or len(item.shape) < 3:
            return []
        stride = gate.stride or gate.patch
        air = patch_means(unpack_cells(item.air_cells), item.shape[:3], gate.patch, stride, gate.tail_anchored)
        if not air.size:
            return [Fault("small_for_patch", f"{times(item.shape)} voxels: no patch of {times(gate.patch)} fits")]
        empty = float((air > gate.patch_air).mean())
        if empty <= gate.max_air_patches:
            return []
        return [Fault("air_patches", f"{percent(empty)} of {air.size} patches are over {percent(gate.patch_air)} air")]

    def _slices(self) -> list[Fault]:
        item, gate, found = self._item, self._gate, []
        if item.constant_slices == item.slices:
            return [
                Fault("constant", f"every voxel is {number(item.low)}" if item.low == item.high else "no slice varies")
            ]
        if item.hollow_slices:
            found.append(Fault("hollow", f"{item.hollow_slices} of {item.slices} slices empty amid the others"))
        ends = item.constant_slices - item.hollow_slices
        if ends > gate.max_constant_slices * item.slices:
            found.append(Fault("constant", f"{ends} of {item.slices} slices empty at the ends"))
        if item.repeated_slices > gate.max_repeated_slices * item.slices:
            found.append(Fault("repeated", f"{item.repeated_slices} of {item.slices} slices equal the one before"))
        if item.slice_disorder is not None and item.slice_disorder > gate.max_slice_disorder:
            why = f"neighbouring slices differ {item.slice_disorder:.2f} times as much as slices four apart"
            found.append(Fault("disorder", f"slices out of order: {why}"))
        return found

    def _orientation(self) -> list[Fault]:
        item, gate, found = self._item, self._gate, []
        if not item.header:
            return [Fault("no_header", "no header: orientation and voxel size unknown", warns=True)]
        if not item.axes:
            return [Fault("affine", "its affine is not invertible")]
        if not item.oriented:
            found.append(Fault("not_oriented", "the header gives no orientation (sform and qform code 0)", warns=True))
        elif item.axes != self._overview.axes:
            found.append(Fault("axes", f"axes {item.axes}; the set's are {self._overview.axes}"))
        if (item.form_gap_mm or 0) > gate.max_form_gap_mm:
            why = f"sform and qform disagree by {item.form_gap_mm:.1f} mm"
            found.append(Fault("forms", why if item.same_space else f"{why}, of two spaces", warns=not item.same_space))
        return found

    def _spacing(self) -> list[Fault]:
        item, usual, found = self._item, self._overview.spacing_mm, []
        if any(size <= 0 for size in item.pixdim):
            found.append(Fault("pixdim", f"voxel size in the header is {times(item.pixdim)}"))
        elif any(abs(a - b) > SAME * b for a, b in zip(item.pixdim, item.voxel_mm, strict=False)):
            found.append(
                Fault("pixdim", f"voxel size {times(item.pixdim)} mm by pixdim, {times(item.voxel_mm)} by affine")
            )
        own = item.spacing_mm
        if self._gate.modality == "ct" and item.identity and item.at_origin and not self._gate.allow_identity:
            found.append(Fault("spacing", "lost: 1 × 1 × 1 mm and an identity affine, as where nothing is known of it"))
        elif own and any(abs(a - b) > self._gate.spacing_tolerance * b for a, b in zip(own, usual, strict=True)):
            lost = "lost: 1 × 1 × 1 mm and an identity affine" if item.identity else f"{times(own)} mm"
            found.append(Fault("spacing", f"{lost}; the set's median {times(usual)}"))
        return found


def covered(overview: VolumeOverview, gate: VolumesGate) -> tuple[float, tuple[int, ...], int, float]:
    """Mean share of voxels in any patch; the worst covered shape, with its number of patches and share."""
    assert len(gate.patch) == 3
    plans = {
        shape: patch_coverage(shape, gate.patch, gate.stride or gate.patch, gate.tail_anchored)
        for shape in overview.shapes
    }
    mean = sum(plans[shape][1] * count for shape, count in overview.shapes.items()) / overview.shapes.total()
    worst = min(plans, key=lambda shape: plans[shape][1])
    return mean, worst, *plans[worst]
