"""Thresholds of the quality gate, each with its default and unit, and the source of the defaults."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gonogo.base.models import Count, Fraction, Positive, StrictModel
from gonogo.config.table_thresholds import ShardsGate, TablesGate


class VolumesGate(StrictModel):
    """Are volumes (.nii, .nii.gz, .mgz, .npy, .npz, DICOM) worth training on? HU: Hounsfield units, air −1000, water 0.

    Source of the defaults: a judgement, from how clinical CT is stored; none was tuned on a dataset.
    """

    modality: Literal["auto", "ct", "any"] = Field(
        "auto",
        description="`any`: Hounsfield units and air shares are not judged; `auto`: `ct`, unless names, dataset.json "
        "or values without negatives say another modality",
    )
    min_hu: float = Field(-2048, description="CT: lowest possible value")
    max_hu: float = Field(4095, description="CT: highest possible value, 12 bits with metal")
    max_out_of_range: Fraction = Field(
        0.001, description="CT: share of voxels outside it; above: bad, below: a warning"
    )
    min_air_share: Fraction = Field(0.2, description="CT: share of voxels below −512 HU")
    max_air_share: Fraction = Field(0.8, description="CT: share of voxels below −512 HU")
    spacing_tolerance: Positive = Field(0.2, description="relative difference of a voxel side from the set's median")
    allow_identity: bool = Field(False, description="CT: 1 × 1 × 1 mm from the origin is the true voxel size")
    max_form_gap_mm: Positive = Field(1.0, description="distance of a corner by the sform from the same by the qform")
    max_constant_slices: Fraction = Field(0.4, description="share of slices of one value, at the ends: padding")
    max_hollow_slices: Fraction = Field(
        0.02, description="share of slices of one value between others; fewer: a warning"
    )
    max_jump: Positive = Field(
        2.5, description="difference of neighbouring slices / the greatest of six on either side; above: a warning"
    )
    max_repeated_slices: Fraction = Field(0.02, description="share of slices equal to the previous one")
    max_slice_disorder: Positive = Field(
        0.85, description="difference of neighbouring slices / of slices four apart; above: out of order"
    )
    max_saturated: Fraction = Field(0.01, description="share of voxels at the integer type's extreme; above: overflow")
    min_axis_voxels: Count = Field(16, description="a volume with a shorter axis is bad")
    patch: tuple[()] | tuple[Count, Count, Count] = Field(
        (), description="training patch in voxels, axes in file order; empty: not judged"
    )
    stride: tuple[()] | tuple[Count, Count, Count] = Field(
        (), description="from patch to patch, in voxels; empty: the size of the patch"
    )
    tail_anchored: bool = Field(False, description="a last patch is placed flush with the end of each axis")
    min_patch_coverage: Fraction = Field(0.95, description="share of voxels in any patch, mean over the set")
    patch_air: Fraction = Field(0.95, description="CT: a patch with more air is empty")
    max_air_patches: Fraction = Field(0.3, description="CT: share of empty patches in a volume")


class SeriesGate(StrictModel):
    """Are recordings (.h5, .hdf5, .npy, .npz, .edf, .bdf, .fif) worth training on? (channels, samples) or (windows,
    channels, samples); the longer of the last two axes is time.

    Source of the defaults: a judgement, from EEG practice; none was tuned on a dataset. A change of a `_key` reads the
    files again.
    """

    data_key: str = Field("", description="HDF5 dataset to read; empty: `data`, `signals`, `eeg`, `x` … or the largest")
    targets_key: str = Field("", description="HDF5 dataset of the targets; empty: `targets`, `labels`, `y` …, if any")
    max_rail_share: Fraction = Field(0.01, description="share of a channel's samples at its extreme; above: clipped")
    min_channel_sigma_ratio: Fraction = Field(
        1e-3, description="standard deviation / the median channel's; below: flat"
    )
    max_bad_channels: Fraction = Field(0.1, description="share of flat or clipped channels; above: a bad recording")
    min_autocorrelation: Fraction = Field(
        0.03, description="of neighbouring samples, of either sign, in the median channel; below: white noise"
    )
    max_zero_tail: Fraction = Field(0.01, description="share of samples at the end that are zero in all channels")
    max_held: Fraction = Field(
        0.05, description="share of the length in which no channel moves, anywhere in the recording; above: bad"
    )
    min_usual_sigma_ratio: Fraction = Field(
        0.02,
        description="a channel's share of its recording's amplitude / what it has in the set; below: electrode off",
    )
    unit: str = Field("", description="V, mV or uV, where files do not say; an amplitude that it rules out is bad")
    max_spoilt_windows: Fraction = Field(0.01, description="share of repeated windows; also of those without a signal")
    max_scale_ratio: Positive = Field(
        100, description="typical amplitude / the set's median, or its inverse; above: other units, a warning"
    )
    max_hum_share: Fraction = Field(0.5, description="share of power within 1 Hz of 50 or 60 Hz; above: a warning")


class PointsGate(StrictModel):
    """Are point clouds (.ply, .xyz, .obj, .stl, .glb, .npy, .npz, .bin) worth training on? Of a mesh, the vertices.

    Source of the defaults: a judgement, from how clouds are sampled for training; none was tuned on a dataset.
    """

    max_count_deviation: Positive = Field(
        0.5, description="relative difference of the point count from the set's median, unless all counts differ so"
    )
    max_duplicates: Fraction = Field(0.01, description="share of points at exactly the place of another")
    max_normal_error: Positive = Field(0.01, description="difference of a normal's length from 1, in 99 of 100 points")
    min_flatness: Fraction = Field(
        0.001,
        description="smallest / largest spread; below, and below a tenth of the set's: flat",
    )
    max_far_ratio: Positive = Field(20, description="furthest point / 90th percentile, from the centre; above: stray")
    max_scale_ratio: Positive = Field(10, description="size / the set's median, or its inverse; above: a warning")
    max_dimension: Positive = Field(
        2.6, description="dimension among nearest neighbours (2: a surface); above, it fills space: a warning"
    )
    wrong_unit_ratio: Positive = Field(50, description="the same, so high that units differ (m, cm, mm): bad")


class TextGate(StrictModel):
    """Are documents (.jsonl, .json, .txt, .md) worth training on? Each line of .jsonl is a record.

    Shares are of the records of a file, and of all records. Source of the defaults: a judgement; in public corpora 3 to
    14 % of documents are near duplicates (Lee et al., ACL 2022). A change of a key down to `tokenizer` reads the files
    again.
    """

    schema_file: str = Field("", description="JSON Schema that every record must match; empty: none")
    text_key: str = Field("", description="key of the text; empty: `text`, or all of `caption`, `prompt`, `messages` …")
    required_keys: tuple[str, ...] = Field((), description="keys that every record must have, and not null")
    id_keys: tuple[str, ...] = Field(
        ("id", "_id", "idx", "index", "uuid", "guid", "split"), description="keys in which equal records may differ"
    )
    paired_with: tuple[str, ...] = Field((), description="suffixes of files that a document of the same stem describes")
    tokenizer: str = Field("", description="tokenizer.json that counts tokens; empty: the experiment's own, if any")
    max_tokens: int = Field(0, ge=0, description="a longer record would be truncated; 0: not judged")
    max_truncated: Fraction = Field(0.01, description="share of records longer than `max_tokens`")
    max_bad_records: Fraction = Field(0.01, description="share of records with any fault of their own")
    max_repeated: Fraction = Field(
        0.05, description="share of records that repeat another, apart from case, white space, label and source"
    )
    max_shared_opening: Fraction = Field(
        0.5, description="share of records that share their first 80 characters; a warning"
    )
    max_length_ratio: Positive = Field(
        100, description="length / the set's median, or its inverse; above: odd, a warning from 1 % of a file on"
    )


class ImagesGate(StrictModel):
    """Are pictures worth training on, on their own? Stricter than for views that are compared with their input.

    Luma runs 0-255. Source of the defaults: photographs, night, snow, fog, drawings, pages, silhouettes, textures and
    stars as good examples, 38 corruptions as bad ones (benchmarks/accuracy); no good example lies beyond them.
    """

    min_sigma: float = Field(2, description="standard deviation; below: constant")
    max_mode_share: Fraction = Field(0.999, description="share of the fullest luma bin; above: constant")
    dark_p99: float = Field(25, description="99th percentile; below: black; night photographs have 27 or more")
    max_white_share: Fraction = Field(0.99, description="share at 246 or more; above: white; drawings have up to 0.98")
    min_range: float = Field(16, description="p99 − p1; below: washed out; fog has 28 or more")
    min_autocorrelation: float = Field(
        0.2, description="lag-1; below, with σ̂ above `min_noise_share`: noise; gravel has 0.27"
    )
    min_noise_share: Fraction = Field(0.8, description="Immerkær's σ̂ / σ; white noise has 1, gravel up to 0.66")
    max_speck_share: Fraction = Field(
        0.55, description="single pixels that stand out; above: specks; small print has 0.48"
    )
    max_blocks: Positive = Field(
        3, description="differences along a grid / beside it; above: blocks; brickwork has up to 2"
    )
    min_detail: float = Field(
        0.015, description="Laplacian variance / variance of the 32×32 thumbnail; below, with nothing sharp: blurred"
    )
    min_alternation: Fraction = Field(
        0.5, description="mean square difference at lag 2 / lag 1; below: stripes; good pictures have 1 or more"
    )
    max_seams: Fraction = Field(0.1, description="lines that differ from the next far more than those near by: stripes")
    max_repeated_lines: Fraction = Field(0.4, description="lines equal to the one before, and not of one luma: stuck")
    max_noise_sigma: Positive = Field(20, description="Immerkær's σ̂, luma; above, with `min_noise_explained`: noise")
    min_noise_explained: Fraction = Field(
        0.75, description="share of the differences of neighbours that such noise makes; gravel has 0.6"
    )
    max_lost_part: Fraction = Field(
        0.15,
        description="part of a side that is of one colour up to a straight line; above, at one place in many: lost",
    )
    max_clipped_share: Fraction = Field(
        0.03, description="one channel at its end, another in the middle, beside white; above, in many: overexposed"
    )
    min_clipped_spread: Positive = Field(
        15, description="standard deviation among those; a drawing's colours have less"
    )
    min_step_ratio: Fraction = Field(
        0.0235, description="mean square difference at lag 1 / lag 8; below, with `min_sharpest`, in many: blurred"
    )
    min_sharpest: Positive = Field(0.45, description="mean over rows of the greatest |Laplacian| at 64×64 / σ")
    max_rows_apart: Positive = Field(
        5, description="mean square difference down the columns / along the rows; above, in many: rows do not fit"
    )
    marked_by_nature: Fraction = Field(
        0.03, description="share of good pictures that are overexposed, soft, cut or uneven by nature; more: shared"
    )
    min_side: Count = Field(16, description="pixels of the shorter side; below: too small")
    max_area_ratio: Positive = Field(8, description="area / the set's median, or its inverse; above: odd, a warning")
    common_share: Fraction = Field(0.8, description="if this share has one size, mode or colour, others are odd")
    min_set_p99: float = Field(56, description="median over the set of the 99th percentile; below: the set is dark")
    dim_set_p99: float = Field(90, description="the same; below: a warning")
    min_set_range: float = Field(20, description="median over the set of p99 − p1; below: the set is washed out")


class QualityGate(StrictModel):
    """Is the data worth training on? Luma runs 0-255; X is the input, Y the target made from it.

    Source of the defaults for pictures: benchmarks/gate_accuracy.py, 17 kinds of good views, 35 of bad ones.
    """

    max_bad_items: Fraction = Field(
        0.05,
        description="share of items that may be bad; of posed views, an item is a scene: one input with its views",
    )
    false_alarm_rate: Fraction = Field(
        0.01, description="share of good items that the checks call bad; counts are corrected"
    )
    miss_rate: Fraction = Field(0.01, description="share of bad items that the checks call good; likewise")
    max_sample_items: Count = Field(60, description="an inconclusive sample grows up to this size; then CAUTION")
    max_unread_files: Fraction = Field(
        0.05,
        description="share of files that could be data but that the kind does not read, of these and the judged ones; "
        "above: UNKNOWN, below: a warning. Equal to the share that may be bad",
    )
    bad_views_per_scene: Fraction = Field(0.25, description="a scene is bad if a larger share of its views is")
    max_bad_views: Fraction = Field(
        0.05, description="share of all views that may be at fault in scenes that pass, or copies of another scene's"
    )
    min_brightness_ratio: Positive = Field(0.45, description="(mean Y + 1) / (mean X + 1); below: dark")
    dark_p99: float = Field(56, description="99th percentile of Y; below, or p95 below `dark_p95`: dark in itself")
    dark_p95: float = Field(25, description="95th percentile of Y")
    max_brightness_ratio: Positive = Field(2.2, description="above, with mean Y > 150: too bright")
    max_white_share: Fraction = Field(
        0.3, description="share of Y at 246 or more; above, and 0.2 above X's, with Y a fifth brighter: overexposed"
    )
    max_black_excess: Fraction = Field(0.38, description="share of Y at 8 or less, minus X's; above: parts are black")
    min_range: float = Field(40, description="p95 − p5 of Y; below, and below 0.22 of X's: washed out")
    min_sigma: float = Field(2, description="standard deviation of Y; below: constant")
    max_mode_share: Fraction = Field(0.98, description="share of the fullest luma bin; above: constant")
    min_autocorrelation: float = Field(0.55, description="lag-1; below, and 0.2 below X's: noise")
    min_autocorrelation_8: float = Field(
        0.12,
        description="lag-8; below, and 0.3 below X's, busier or in other colours, nothing of X left: blotchy",
    )
    max_noise_sigma: float = Field(20, description="Immerkær's σ̂; above, and above 3 σ̂(X) + 6: noisy")
    max_specks: Fraction = Field(0.025, description="single pixels that stand out; above, and above 1.5 of X's: specks")
    min_sharpness: float = Field(
        0.04,
        description="of Y relative to X: Laplacian variance / variance, times the squared detail of the 32×32 "
        "thumbnail, along the direction with the least; below: blurred",
    )
    max_repeated_lines: Fraction = Field(0.3, description="rows or columns equal to the previous one, minus X's")
    max_seams: Fraction = Field(0.085, description="rows or columns with a jump to the next, minus 1.5 of X's")
    max_streaks: Positive = Field(
        0.6, description="natural logarithm of the ratio of vertical to horizontal differences, relative to X's"
    )
    max_blocks: Positive = Field(
        2.1, description="differences along a grid / beside it; above, and above 1.4 of X's: blocks"
    )
    max_entropy_loss_bits: float = Field(2.4, description="entropy of X's luma histogram minus Y's; above: few levels")
    max_colour_shift: Positive = Field(
        0.45, description="shift of the mean colour, as shares of light, paling excepted; above: colour cast"
    )
    max_foreign_colours: Fraction = Field(
        0.15, description="share of Y's 32×32 thumbnail in colours that X's lacks, at any exposure within a third"
    )
    min_likeness: float = Field(-0.3, description="correlation of 16×16 thumbnails; below: Y is a negative")
    min_turned_margin: float = Field(
        0.1, description="how much more Y resembles X upside down or mirrored, apart from shifts; above: turned over"
    )
    min_quarter_margin: float = Field(0.2, description="the same for Y turned by 90°")
    min_coverage_ratio: Fraction = Field(0.25, description="share of Y that is not its border colour / X's")
    max_copy_bits: int = Field(
        2, description="dHash distance; up to it, with a 32×32 difference < 1.5 and 0.03 σ(X): a copy of the input"
    )
    min_view_variance_ratio: Fraction = Field(
        0.1, description="Σvar(Y thumbnails) / Σvar(X); below: all views the same"
    )
    min_pairing_auc: Fraction = Field(0.8, description="how often the own input is nearest; below: pairs are shuffled")
    side_angle_deg: float = Field(30, description="views further from the input's pose are also judged separately")
    min_visible_points: Fraction = Field(
        0.25, description="share of the input's points that a camera sees; below: it misses"
    )
    images: ImagesGate = Field(ImagesGate(), description="of kind `images`")
    volumes: VolumesGate = Field(VolumesGate(), description="of kind `volumes`")
    series: SeriesGate = Field(SeriesGate(), description="of kind `series`")
    points: PointsGate = Field(PointsGate(), description="of kind `points`")
    text: TextGate = Field(TextGate(), description="of kind `text`")
    tables: TablesGate = Field(TablesGate(), description="of kind `tables`")
    shards: ShardsGate = Field(ShardsGate(), description="of kind `shards`")
