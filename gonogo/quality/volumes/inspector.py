"""Volumes: CT, MR and other 3-D images in NIfTI, MGZ or numpy files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from PIL import Image

from gonogo.config.quality_thresholds import QualityGate, VolumesGate
from gonogo.quality.acceptance import AcceptanceRule
from gonogo.quality.fault_counts import FaultGroup
from gonogo.quality.file_kind import FileInspector
from gonogo.quality.items import Fault, Finding, MeasuredItem
from gonogo.quality.left_out import METADATA
from gonogo.quality.subjects import subject_of
from gonogo.quality.volumes.checks import covered, volume_faults
from gonogo.quality.volumes.items import VolumeItem, VolumeOverview
from gonogo.quality.volumes.statistics import VolumeStatistics
from gonogo.quality.wording import percent, times
from gonogo.verdict import Check, Status


class Volumes(FileInspector):
    """One file, one volume. The group is the subject that the path names (`subject_of`).

    Memory: one slice. `near` is a hash of the voxels, so that copies are found even when they were compressed again.
    """

    name: ClassVar[str] = "volumes"
    title: ClassVar[str] = "volumes"
    item: ClassVar[str] = "volume"
    Item: ClassVar[type[MeasuredItem]] = VolumeItem
    suffixes: ClassVar[tuple[str, ...]] = (".nii", ".nii.gz", ".mgz", ".npy", ".npz")
    metadata: ClassVar[tuple[str, ...]] = (*METADATA, ".bval", ".bvec")  # of diffusion, BIDS

    def group(self, name: str) -> str:
        return subject_of(name)

    def statistics(self, path: Path) -> dict[str, Any]:
        from gonogo.quality.volumes.files import open_volume

        with open_volume(path) as volume:
            statistics = VolumeStatistics(volume)
            for stored in volume.slices:
                statistics.add(stored)
            return {**volume.geometry, **statistics.result()}

    def overview(self) -> VolumeOverview:
        return VolumeOverview()

    def faults(self, item: Any, overview: Any, gate: QualityGate) -> list[Fault]:
        return list(volume_faults(item, overview, gate.volumes))

    def set_checks(self, overview: Any, gate: QualityGate, rule: AcceptanceRule) -> list[Check]:
        return [coverage(overview, gate)] if gate.volumes.patch and overview.shapes else []

    def draw(self, item: VolumeItem) -> Image.Image:
        from gonogo.quality.volumes.pictures import middle_slice

        return middle_slice(Path(item.path), item)

    def rows(self, finding: Finding) -> Sequence[dict[str, Any]]:
        (row,) = super().rows(finding)
        assert isinstance(finding.item, VolumeItem)
        hidden = ("histogram", "air_cells")
        return [{key: value for key, value in row.items() if key not in hidden} | {"air_share": finding.item.air_share}]

    def fault_groups(self, gate: QualityGate) -> Sequence[FaultGroup]:
        own = gate.volumes
        groups = [
            FaultGroup(
                "shape", "Volumes have three axes of usable length", {"dimensions", "tiny", "odd_shape"},
                f"not 3-D, or an axis under {own.min_axis_voxels} voxels", "have an unusable shape",
                "Split 4-D files into volumes; leave out localisers and thumbnails.",
            ),
            FaultGroup(
                "values", "Voxels are finite, and within their type", {"nonfinite", "overflow"},
                f"any NaN or infinity, or over {percent(own.max_saturated)} at the integer type's extreme",
                "hold no usable values", "Convert again from the original, to a type that holds its range.",
            ),
            FaultGroup(
                "slices", "Slices are distinct, in order, not empty", {"constant", "hollow", "repeated", "disorder"},
                f"an empty slice between others, over {percent(own.max_constant_slices)} empty at the ends, over "
                f"{percent(own.max_repeated_slices)} repeated, or neighbours that differ as much as slices four apart "
                f"(ratio over {own.max_slice_disorder:g})", "have empty or repeated slices, or slices out of order",
                "Look for missing files of the series, an interrupted conversion, and slices sorted by file name.",
            ),
            FaultGroup(
                "orientation", "Volumes have the same orientation",
                {"axes", "affine", "not_oriented", "forms", "no_header"},
                f"axes unlike the commonest, or sform and qform over {own.max_form_gap_mm:g} mm apart",
                "have another orientation than the set, or contradict themselves in the header",
                "Bring all to one orientation (nibabel.as_closest_canonical); write the same sform and qform.",
            ),
            FaultGroup(
                "spacing", "Voxel sizes are alike", {"spacing", "pixdim"},
                f"an axis over {percent(own.spacing_tolerance)} off the median, sizes that contradict each other, or, "
                "for CT, an identity affine", "have another voxel size than the set, or a wrong or lost one",
                "Resample to one voxel size; where it is lost, convert again from the original.",
            ),
        ]  # fmt: skip
        return groups + (_ct_fault_groups(own) if own.modality == "ct" else [])


def coverage(overview: VolumeOverview, gate: QualityGate) -> Check:
    """Whether the configured patches see the volumes."""
    plan = gate.volumes
    mean, shape, patches, share = covered(overview, plan)
    enough = mean >= plan.min_patch_coverage
    stride = times(plan.stride or plan.patch)
    return Check(
        id="patch_coverage", title="Voxels that lie in a training patch", value=round(100 * mean, 1),
        unit="% of voxels", threshold=f">= {percent(plan.min_patch_coverage)}",
        status=Status.GO if enough else Status.NO_GO,
        why=f"{times(plan.patch)} patches every {stride}: {patches} in {times(shape)} voxels cover {percent(share)}",
        hint="" if enough else "Add a last patch at the end of each axis: `gates.quality.volumes.tail_anchored: true`.",
    )  # fmt: skip


def _ct_fault_groups(limits: VolumesGate) -> list[FaultGroup]:
    groups = [
        FaultGroup(
            "hounsfield", "CT values are Hounsfield units", {"hu", "range"},
            f"not HU, or over {percent(limits.max_out_of_range)} of voxels outside {limits.min_hu:g} to "
            f"{limits.max_hu:g}", "are not in Hounsfield units",
            "Apply the rescale slope and intercept. If it is not CT: `gates.quality.volumes.modality: any`.",
        ),
        FaultGroup(
            "air", "There is air around a body", {"air"},
            f"air share outside {percent(limits.min_air_share)} to {percent(limits.max_air_share)}",
            "have too much or too little air", "Crop to the body, or look for a wrong field of view.",
        ),
        FaultGroup(
            "patches", "Training patches hold more than air", {"air_patches", "small_for_patch"},
            f"over {percent(limits.max_air_patches)} of {times(limits.patch)} patches over {percent(limits.patch_air)} "
            "air", "give too many empty patches", "Crop to the body, or sample patches from the foreground.",
        ),
    ]  # fmt: skip
    return groups if limits.patch else groups[:2]
