"""Volumes: CT, MR and other 3-D images in NIfTI, MGZ or numpy files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from PIL import Image

from gonogo.config.quality_thresholds import QualityGate
from gonogo.quality.acceptance import Decision
from gonogo.quality.arrays import explained_errors
from gonogo.quality.file_kind import FileInspector, Question
from gonogo.quality.items import Fault, Finding, MeasuredItem
from gonogo.quality.left_out import METADATA
from gonogo.quality.subjects import subject_of
from gonogo.quality.volumes.checks import VolumeFaults, covered
from gonogo.quality.volumes.items import VolumeItem, VolumeOverview
from gonogo.quality.volumes.patches import patch_coverage
from gonogo.quality.volumes.statistics import VolumeStatistics
from gonogo.quality.wording import percent, times
from gonogo.verdict import Check, Status

__all__ = ["VolumeItem", "Volumes", "patch_coverage"]


class Volumes(FileInspector):
    """One file, one volume. The group is the subject that the path names (`subject_of`).

    Memory: one slice. `near` is a hash of the voxels, so that copies are found that were packed anew.
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

        with explained_errors(), open_volume(path) as volume:
            seen = VolumeStatistics(volume)
            for stored in volume.slices:
                seen.add(stored)
            return {**volume.geometry, **seen.result()}

    def overview(self) -> VolumeOverview:
        return VolumeOverview()

    def faults(self, item: Any, overview: Any, gate: QualityGate) -> list[Fault]:
        return VolumeFaults(item, overview, gate.volumes).all()

    def questions(self, gate: QualityGate) -> Sequence[Question]:
        return questions(gate)

    def set_checks(self, overview: Any, gate: QualityGate, decision: Decision) -> list[Check]:
        return [coverage(overview, gate)] if gate.volumes.patch and overview.shapes else []

    def picture(self, item: MeasuredItem) -> Image.Image | None:
        from gonogo.quality.volumes.pictures import middle_slice

        assert isinstance(item, VolumeItem)
        try:
            with explained_errors():
                return middle_slice(Path(item.path), item)
        except ValueError:
            return None

    def rows(self, finding: Finding) -> Sequence[dict[str, Any]]:
        (row,) = super().rows(finding)
        assert isinstance(finding.item, VolumeItem)
        hidden = ("histogram", "air_cells")
        return [{key: value for key, value in row.items() if key not in hidden} | {"air_share": finding.item.air_share}]


def coverage(overview: VolumeOverview, gate: QualityGate) -> Check:
    """Whether the configured patches see the volumes."""
    plan = gate.volumes
    mean, shape, patches, share = covered(overview, plan)
    enough = mean >= plan.min_patch_coverage
    stride = times(plan.stride or plan.patch)
    return Check(
        id="patch_coverage",
        title="Voxels that lie in a training patch",
        value=round(100 * mean, 1),
        unit="% of voxels",
        threshold=f">= {percent(plan.min_patch_coverage)}",
        status=Status.GO if enough else Status.NO_GO,
        why=f"{times(plan.patch)} patches every {stride}: {patches} in {times(shape)} voxels cover {percent(share)}",
        hint=""
        if enough
        else "Lay a last patch at each axis's end, and set `gates.quality.volumes.tail_anchored: true`.",
    )


def questions(gate: QualityGate) -> list[Question]:
    own = gate.volumes
    found = [
        Question(
            "shape", "Volumes have three axes of usable length", frozenset({"dimensions", "tiny", "odd_shape"}),
            f"not 3-D, or an axis under {own.min_axis_voxels} voxels", "have an unusable shape",
            "Split 4-D files into volumes; leave out localisers and thumbnails.",
        ),
        Question(
            "values", "Voxels are finite, and within their type", frozenset({"nonfinite", "overflow"}),
            f"any NaN or infinity, or over {percent(own.max_saturated)} at the integer type's extreme",
            "hold no usable values", "Convert from the original again, to a type that holds its range.",
        ),
        Question(
            "slices", "Slices hold something, and each its own",
            frozenset({"constant", "hollow", "repeated", "disorder"}),
            f"an empty slice amid the others, over {percent(own.max_constant_slices)} empty at the ends, or over "
            f"{percent(own.max_repeated_slices)} repeated, or neighbours as unlike as slices four apart "
            f"(over {own.max_slice_disorder:g})", "have empty or repeated slices, or slices out of order",
            "Look for missing files of the series, an interrupted conversion, and slices sorted by name, not place.",
        ),
        Question(
            "orientation", "Volumes lie alike",
            frozenset({"axes", "affine", "not_oriented", "forms", "no_header"}),
            f"axes unlike the commonest, or sform and qform over {own.max_form_gap_mm:g} mm apart",
            "lie otherwise than the set, or their headers contradict themselves",
            "Bring all to one orientation (nibabel.as_closest_canonical); write sform and qform alike.",
        ),
        Question(
            "spacing", "Voxel sizes are alike", frozenset({"spacing", "pixdim"}),
            f"an axis over {percent(own.spacing_tolerance)} off the median, sizes that contradict themselves, or, of "
            "CT, an identity affine",
            "have another voxel size than the set, or a wrong or lost one",
            "Resample to one voxel size; where it is lost, convert from the original again.",
        ),
    ]  # fmt: skip
    return found + (_ct_questions(gate) if own.modality == "ct" else [])


def _ct_questions(gate: QualityGate) -> list[Question]:
    own = gate.volumes
    found = [
        Question(
            "hounsfield", "CT values are Hounsfield units", frozenset({"hu", "range"}),
            f"not HU, or over {percent(own.max_out_of_range)} of voxels outside {own.min_hu:g} to {own.max_hu:g}",
            "are not in Hounsfield units",
            "Apply the rescale slope and intercept. Is it no CT? Set `gates.quality.volumes.modality: any`.",
        ),
        Question(
            "air", "There is air around the body, and a body in it", frozenset({"air"}),
            f"air share outside {percent(own.min_air_share)} to {percent(own.max_air_share)}",
            "have too much or too little air", "Crop to the body, or look for a wrong field of view.",
        ),
    ]  # fmt: skip
    if own.patch:
        found.append(
            Question(
                "patches", "Training patches hold more than air", frozenset({"air_patches", "small_for_patch"}),
                f"over {percent(own.max_air_patches)} of {times(own.patch)} patches over {percent(own.patch_air)} air",
                "give too many empty patches", "Crop to the body, or sample patches from the foreground.",
            )
        )  # fmt: skip
    return found
