"""Volumes: CT, MR and other 3-D images in NIfTI, MGZ or numpy files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from PIL import Image

from gonogo.base.digests import digest, file_digest
from gonogo.base.files import names_below
from gonogo.config.quality_thresholds import QualityGate, VolumesGate
from gonogo.quality.acceptance import AcceptanceRule
from gonogo.quality.arrays import explained_errors, in_time
from gonogo.quality.fault_counts import FaultGroup
from gonogo.quality.file_kind import FileInspector, split_of
from gonogo.quality.inspector import ItemFiles, ItemReading, Scan, StatisticsCache
from gonogo.quality.items import Fault, FileProblem, Finding, FindingSink, MeasuredItem
from gonogo.quality.judgement import Judgement
from gonogo.quality.left_out import METADATA
from gonogo.quality.measured_set import MeasuredSet
from gonogo.quality.subjects import subject_of
from gonogo.quality.volumes.checks import covered, volume_faults
from gonogo.quality.volumes.dicom import is_dicom, open_series, series
from gonogo.quality.volumes.items import VolumeItem, VolumeOverview
from gonogo.quality.volumes.labels import measured_label, paired
from gonogo.quality.volumes.modality import told_modality, written_modality
from gonogo.quality.volumes.statistics import VolumeStatistics
from gonogo.quality.wording import percent, times
from gonogo.verdict import Check, Status

SHOWN_LABELS = 12


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

    def scan(self, folder: Path) -> Scan:
        """Images with their labels, and DICOM series; labels of no image are left out, and counted as such."""
        names, unlisted = names_below(folder)
        slices = [name for name in names if is_dicom(folder, name)]
        if not slices:
            items, others, unlisted = super().scan(folder)
        else:
            files = [name for name in names if name.lower().endswith(self.suffixes)]
            items = [ItemFiles(folder, name, (name,)) for name in files]
            others = sorted(set(names) - set(files) - set(slices))
            items += series(folder, slices)
        pairs = paired([item.name for item in items if len(item.files) == 1])
        labels = set(pairs.values())
        items = [
            ItemFiles(folder, item.name, (item.name, pairs[item.name])) if item.name in pairs else item
            for item in items
            if item.name not in labels
        ]
        return Scan(sorted(items, key=lambda item: item.name), others, unlisted)

    def measure(self, files: ItemFiles, cache: StatisticsCache) -> ItemReading:
        if is_dicom(files.folder, files.name):
            return self._measured_series(files)
        reading = super().measure(files, cache)
        assert isinstance(reading.item, VolumeItem)
        reading.item.modality = written_modality(files.folder, files.name)
        for label in files.files[1:]:
            self._add_label(reading, files.folder, label)
        return reading

    def _add_label(self, reading: ItemReading, folder: Path, name: str) -> None:
        item = reading.item
        assert isinstance(item, VolumeItem)
        item.files = 2
        try:
            reading.hashes[name] = file_digest(folder / name)
            if not item.problems:
                with explained_errors():
                    item.label = measured_label(folder / item.name, folder / name, name)
        except (OSError, ValueError) as error:
            item.problems.append(FileProblem(path=name, reason=f"label cannot be read: {error}"))

    def _measured_series(self, files: ItemFiles) -> ItemReading:
        item: dict[str, Any] = {"name": files.name, "folder": str(files.folder), "split": split_of(files.name)}
        item |= {"group": self.group(files.name), "files": len(files.files)}
        hashes: dict[str, str] = {}
        try:
            for name in files.files:
                hashes[name] = file_digest(files.folder / name)
            item["content"] = digest(sorted(hashes.values()))
            with explained_errors(), open_series([files.folder / name for name in files.files]) as (volume, facts):
                statistics = VolumeStatistics(volume)
                for stored in volume.slices:
                    statistics.add(stored)
                item |= {**volume.geometry, **statistics.result(), **facts}
        except (OSError, ValueError) as error:
            item["problems"] = [FileProblem(path=files.name, reason=str(error))]
        return ItemReading(VolumeItem(**item), hashes)

    def statistics(self, path: Path) -> dict[str, Any]:
        from gonogo.quality.volumes.files import open_volume

        with open_volume(path) as volume:
            statistics = VolumeStatistics(volume)
            for stored in in_time(path, volume.slices):
                statistics.add(stored)
            return {**volume.geometry, **statistics.result()}

    def judge(self, data: MeasuredSet, gate: QualityGate, rule: AcceptanceRule, each: FindingSink) -> Judgement:
        if gate.volumes.modality != "auto":
            return super().judge(data, gate, rule, each)
        modality, check = told_modality(data.items(VolumeItem))
        own = gate.volumes.model_copy(update={"modality": modality})
        judgement = super().judge(data, gate.model_copy(update={"volumes": own}), rule, each)
        if check:
            judgement.checks.append(check)
            judgement.covered = "judged as `modality: any`, not as CT"
        return judgement

    def overview(self) -> VolumeOverview:
        return VolumeOverview()

    def faults(self, item: Any, overview: Any, gate: QualityGate) -> list[Fault]:
        return list(volume_faults(item, overview, gate.volumes))

    def set_checks(self, overview: Any, gate: QualityGate, rule: AcceptanceRule) -> list[Check]:
        checks = [coverage(overview, gate)] if gate.volumes.patch and overview.shapes else []
        return [*checks, label_values(overview)] if overview.labels else checks

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
                "shape", "Volumes have three axes of usable length", {"dimensions", "tiny", "odd_shape", "turned"},
                "not 3-D, axes in another order than the set's, or "
                f"an axis under {own.min_axis_voxels} voxels", "have an unusable shape",
                "Split 4-D files into volumes; leave out localisers and thumbnails.",
            ),
            FaultGroup(
                "values", "Voxels are finite, and within their type", {"nonfinite", "overflow"},
                f"any NaN or infinity, or over {percent(own.max_saturated)} at the integer type's extreme",
                "hold no usable values", "Convert again from the original, to a type that holds its range.",
            ),
            FaultGroup(
                "slices", "Slices are distinct, in order, not empty",
                {"constant", "hollow", "repeated", "disorder", "gap", "doubled", "mixed"},
                f"over {percent(own.max_hollow_slices)} empty between others (fewer: a warning), missing ones "
                "in DICOM, over "
                f"{percent(own.max_constant_slices)} empty at the ends, over "
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
                "spacing", "Voxel sizes are alike", {"spacing", "pixdim", "odd_spacing"},
                f"an axis over {percent(own.spacing_tolerance)} off the median, sizes that contradict each other, or, "
                "for CT, an identity affine", "have another voxel size than the set, or a wrong or lost one",
                "Resample to one voxel size; where it is lost, convert again from the original.",
            ),
            FaultGroup(
                "labels", "Labels match their images",
                {"no_label", "label_shape", "label_place", "label_values", "label_empty"},
                "another shape than the image's, values between whole numbers, or none where most have one; another "
                "place by the headers, or one value throughout, is a warning", "do not match their labels",
                "Resample labels with nearest neighbours to the image's own grid, and write the image's header.",
            ),
        ]  # fmt: skip
        return groups + (_ct_fault_groups(own) if own.modality != "any" else [])


def label_values(overview: Any) -> Check:
    """Which labels there are, and in how many cases: for the eye."""
    counts = sorted(overview.label_values.items())
    shown = ", ".join(f"{value} in {cases}" for value, cases in counts[:SHOWN_LABELS])
    more = f" and {len(counts) - SHOWN_LABELS} more" if len(counts) > SHOWN_LABELS else ""
    return Check(
        id="label_values", title="Labels that occur", value=len(counts), unit="values", status=Status.GO,
        why=f"of {overview.labels} labelled cases: {shown}{more}",
    )  # fmt: skip


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
