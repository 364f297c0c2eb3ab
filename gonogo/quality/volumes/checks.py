"""What is wrong with a volume: alone, and beside the others of its set."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.config.quality_thresholds import VolumesGate
from gonogo.quality.items import Fault
from gonogo.quality.volumes.hounsfield import not_hounsfield
from gonogo.quality.volumes.items import VolumeItem, VolumeOverview
from gonogo.quality.volumes.labels import MOST_VALUES, SAME_PLACE
from gonogo.quality.volumes.modality import is_of_time
from gonogo.quality.volumes.patches import patch_coverage, patch_means, unpack_cells
from gonogo.quality.wording import number, percent, times

SAME = 0.01  # share by which the header's two voxel sizes may differ: they are rounded
CT_MM = (0.25, 12.0)  # sides of a voxel: a finer one is of a small-animal or dental scanner, or another unit
LEAST_PADDING = -4096  # HU; a value below is no padding, but a number that wrapped around
ODD_SHAPE = 2  # times the set's median, or under it, is an axis worth a warning


def volume_faults(item: VolumeItem, overview: VolumeOverview, gate: VolumesGate) -> Iterator[Fault]:
    """The checks that fire for one volume, against the thresholds and the set."""
    yield from _shape(item, overview, gate)
    yield from _values(item, gate)
    if gate.modality == "ct":
        yield from _ct(item, gate)
    yield from _slices(item, overview, gate)
    yield from _orientation(item, overview, gate)
    yield from _spacing(item, overview, gate)
    yield from _label(item, overview)


def _shape(item: VolumeItem, overview: VolumeOverview, gate: VolumesGate) -> Iterator[Fault]:
    shape, usual = item.shape, overview.shape
    if len(shape) != 3:
        only_ones = len(shape) > 3 and set(shape[3:]) == {1}
        in_time = len(shape) == 4 and is_of_time(item.name)
        yield Fault("dimensions", f"{len(shape)}-D: {times(shape)}", warns=only_ones or in_time)
    if min(shape[:3]) < gate.min_axis_voxels:
        yield Fault("tiny", f"{times(shape)} voxels, an axis under {gate.min_axis_voxels}")
    elif overview.turned(item):
        yield Fault("turned", f"{times(shape)} voxels: the set's axes in another order")
    elif len(shape) >= 3 and any(
        not 1 / ODD_SHAPE <= length / median <= ODD_SHAPE
        for length, median in zip(sorted(shape[:3]), usual, strict=True)
    ):
        yield Fault("odd_shape", f"{times(shape)} voxels; the set's median {times(usual)}", warns=True)


def _values(item: VolumeItem, gate: VolumesGate) -> Iterator[Fault]:
    if item.nonfinite:
        yield Fault("nonfinite", f"{percent(item.nonfinite / item.voxels)} of voxels NaN or infinite")
    if item.saturated_share > gate.max_saturated:
        yield Fault("overflow", f"{percent(item.saturated_share)} of voxels at the end of {item.dtype}")


def _ct(item: VolumeItem, gate: VolumesGate) -> Iterator[Fault]:
    if item.low is None or item.high is None or item.low == item.high:
        return
    if problem := not_hounsfield(item, item.low, item.high):
        yield Fault("hu", problem)
        return
    outside = 1 - item.share(gate.min_hu, gate.max_hu)
    if LEAST_PADDING <= item.low < gate.min_hu:
        outside = max(outside - item.padding_share, 0)
    if item.low < gate.min_hu or item.high > gate.max_hu:
        why = f"{number(item.low)} to {number(item.high)} HU, {percent(outside)} outside"
        yield Fault("range", why, warns=outside <= gate.max_out_of_range)
    if not gate.min_air_share <= item.air_share <= gate.max_air_share:
        yield Fault("air", f"{percent(item.air_share)} air")
    yield from _patches(item, gate)


def _patches(item: VolumeItem, gate: VolumesGate) -> Iterator[Fault]:
    if not gate.patch or not item.air_cells or len(item.shape) < 3:
        return
    stride = gate.stride or gate.patch
    air = patch_means(unpack_cells(item.air_cells), item.shape[:3], gate.patch, stride, gate.tail_anchored)
    if not air.size:
        yield Fault("small_for_patch", f"{times(item.shape)} voxels: no patch of {times(gate.patch)} fits")
    elif (empty := float((air > gate.patch_air).mean())) > gate.max_air_patches:
        yield Fault("air_patches", f"{percent(empty)} of {air.size} patches are over {percent(gate.patch_air)} air")


def _slices(item: VolumeItem, overview: VolumeOverview, gate: VolumesGate) -> Iterator[Fault]:
    of, ends = f"of {item.slices} slices", item.constant_slices - item.hollow_slices
    if item.constant_slices == item.slices:
        yield Fault("constant", f"every voxel is {number(item.low)}" if item.low == item.high else "no slice varies")
        return
    if item.hollow_slices:
        few = item.hollow_slices <= gate.max_hollow_slices * item.slices
        yield Fault("hollow", f"{item.hollow_slices} {of} empty between others", warns=few)
    if item.missing_slices:
        yield Fault("gap", f"{item.missing_slices} slices missing, by the positions of {item.slices} others")
    elif item.jump > gate.max_jump:
        why = f"slice {item.jump_at} differs from the one before {item.jump:.1f} times as much as those around do"
        yield Fault("gap", f"{why}: slices missing?", warns=True)
    if item.doubled_slices:
        yield Fault("doubled", f"{item.doubled_slices} {of} at the position of another")
    if (beside := overview.series_beside(item)) > 1:
        yield Fault("mixed", f"one of {beside} series in one folder", warns=True)
    if ends > gate.max_constant_slices * item.slices:
        yield Fault("constant", f"{ends} {of} empty at the ends")
    if item.repeated_slices > gate.max_repeated_slices * item.slices:
        yield Fault("repeated", f"{item.repeated_slices} {of} equal the one before")
    if item.slice_disorder is not None and item.slice_disorder > gate.max_slice_disorder:
        why = f"neighbouring slices differ {item.slice_disorder:.2f} times as much as slices four apart"
        yield Fault("disorder", f"slices out of order: {why}")


def _orientation(item: VolumeItem, overview: VolumeOverview, gate: VolumesGate) -> Iterator[Fault]:
    if not item.header:
        yield Fault("no_header", "no header: orientation and voxel size unknown", warns=True)
        return
    if not item.axes:
        yield Fault("affine", "its affine is not invertible")
        return
    if not item.oriented:
        yield Fault("not_oriented", "the header gives no orientation (sform and qform code 0)", warns=True)
    elif item.axes != overview.axes:
        yield Fault("axes", f"axes {item.axes}; the set's are {overview.axes}")
    if (item.form_gap_mm or 0) > gate.max_form_gap_mm:
        why = f"sform and qform disagree by {item.form_gap_mm:.1f} mm"
        yield Fault("forms", why if item.same_space else f"{why}, of two spaces", warns=not item.same_space)


def _spacing(item: VolumeItem, overview: VolumeOverview, gate: VolumesGate) -> Iterator[Fault]:
    spacing, usual = item.spacing_mm, overview.spacing_mm
    if any(size <= 0 for size in item.pixdim):
        yield Fault("pixdim", f"voxel size in the header is {times(item.pixdim)}")
    elif any(abs(a - b) > SAME * b for a, b in zip(item.pixdim, item.voxel_mm, strict=False)):
        yield Fault("pixdim", f"voxel size {times(item.pixdim)} mm by pixdim, {times(item.voxel_mm)} by affine")
    if gate.modality == "ct" and item.identity and item.at_origin and not gate.allow_identity:
        yield Fault("spacing", "lost: 1 × 1 × 1 mm and an identity affine, as if nothing were known of it")
    elif spacing and any(abs(a - b) > gate.spacing_tolerance * b for a, b in zip(spacing, usual, strict=True)):
        own = "lost: 1 × 1 × 1 mm and an identity affine" if item.identity else f"{times(spacing)} mm"
        yield Fault("spacing", f"{own}; the set's median {times(usual)}")
    elif spacing and gate.modality == "ct" and not CT_MM[0] <= min(spacing) <= max(spacing) <= CT_MM[1]:
        yield Fault("odd_spacing", f"{times(spacing)} mm: unusual for CT of a body", warns=True)


def _label(item: VolumeItem, overview: VolumeOverview) -> Iterator[Fault]:
    """The label beside the image, voxel for voxel."""
    label = item.label
    if label is None:
        if overview.labels and overview.lacks_label(item):
            yield Fault("no_label", "no label, and most of its folder have one")
        return
    if label.shape[:3] != item.shape[:3]:
        yield Fault("label_shape", f"label of {times(label.shape)} voxels, image of {times(item.shape)}")
    elif label.axes != item.axes:
        yield Fault("label_place", f"label's axes {label.axes}, image's {item.axes}", warns=True)
    elif (label.shift_mm or 0) > SAME_PLACE * label.voxel_mm:
        yield Fault("label_place", f"label {number(label.shift_mm)} mm beside its image, by the headers", warns=True)
    if label.fractional_share or len(label.values) >= MOST_VALUES:
        what = f"{percent(label.fractional_share)} of the label's voxels between whole numbers"
        many = f"{len(label.values)} or more values in the label"
        yield Fault("label_values", f"{what}: interpolated?" if label.fractional_share else f"{many}: no classes")
    elif len(label.values) == 1:
        yield Fault("label_empty", f"the label is {label.values[0]} throughout", warns=True)


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
