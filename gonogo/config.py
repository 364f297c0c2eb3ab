"""Every key that a user can set: its type, its default, its unit and where the default comes from.

`config/schema.json` is generated from these models (`make schema`), and `gonogo.configload` reads YAML into them.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from gonogo.foreign.commandline import check_line
from gonogo.paths import LocalPath
from gonogo.verdict import Override

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class Model(BaseModel):
    """Unknown keys are errors, so that a misspelt threshold is never silently the default; so are NaN and infinity."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, validate_default=True, allow_inf_nan=False)


# --- gates: one block of thresholds each -----------------------------------------------------------------


class GeneratorGate(Model):
    """Is the generator good alone, before it makes any data?"""

    min_own_view_psnr_db: float = Field(
        18.0, description="held-out inputs rendered at their own pose, against the input"
    )
    min_rotated_coverage: Fraction = Field(0.5, description="share of pixels covered 15° off the input's pose, median")
    min_rotated_brightness: Fraction = Field(0.45, description="luminance 15° off against the input's, median")


class VolumesGate(Model):
    """Are volumes (.nii, .nii.gz, .mgz, .npy, .npz) worth training on? HU: Hounsfield units, air −1000, water 0.

    Source of the defaults: a judgement from how clinical CT is stored; none was tuned on a data set.
    """

    modality: Literal["ct", "any"] = Field("ct", description="`any`: not held against Hounsfield units and air shares")
    min_hu: float = Field(-2048, description="CT: least value that is possible")
    max_hu: float = Field(4095, description="CT: greatest value that is possible, 12 bits with metal")
    max_out_of_range: Fraction = Field(0.001, description="CT: share of voxels outside; above: bad, below: a warning")
    min_air_share: Fraction = Field(0.2, description="CT: share of voxels below −512 HU")
    max_air_share: Fraction = Field(0.8, description="CT: share of voxels below −512 HU")
    spacing_tolerance: Positive = Field(0.2, description="voxel size off the set's median, each axis, as a share of it")
    allow_identity: bool = Field(
        False, description="CT: 1 × 1 × 1 mm from the origin is the true voxel size, not a lost one"
    )
    max_form_gap_mm: Positive = Field(1.0, description="between a corner by the sform and by the qform")
    max_constant_slices: Fraction = Field(0.2, description="share of slices of one value, at the ends; inside: none")
    max_repeated_slices: Fraction = Field(0.02, description="share of slices equal to the one before")
    max_saturated: Fraction = Field(0.01, description="share of voxels at the integer type's extreme: overflow")
    min_axis_voxels: Count = Field(16, description="a volume with a shorter axis is bad")
    patch: tuple[()] | tuple[Count, Count, Count] = Field(
        (), description="training patch in voxels, axes in the file's order; empty: not judged"
    )
    stride: tuple[()] | tuple[Count, Count, Count] = Field(
        (), description="from patch to patch, in voxels; empty: the patch's own size"
    )
    tail_anchored: bool = Field(False, description="a last patch is laid flush with each axis's end")
    min_patch_coverage: Fraction = Field(0.95, description="share of voxels in any patch, mean over the set")
    patch_air: Fraction = Field(0.95, description="CT: a patch with more air is empty")
    max_air_patches: Fraction = Field(0.3, description="CT: share of a volume's patches that are empty")


class SeriesGate(Model):
    """Are recordings (.h5, .hdf5, .npy, .npz) worth training on? (channels, samples) or (windows, channels, samples).

    Source of the defaults: a judgement from EEG practice; none was tuned on a data set. The two `_key`s say what to
    read: a change reads again.
    """

    data_key: str = Field(
        "", description="data set in the file; empty: `data`, `signals`, `eeg`, `x` … or else the largest"
    )
    targets_key: str = Field("", description="data set of the targets; empty: `targets`, `labels`, `y` …, if there")
    max_rail_share: Fraction = Field(
        0.01, description="share of a channel's samples that stay at its own extreme; above: clipped"
    )
    min_channel_sigma_ratio: Fraction = Field(
        1e-3, description="standard deviation over the recording's median channel; below: flat"
    )
    max_bad_channels: Fraction = Field(0.1, description="share of channels flat or clipped; above: a bad recording")
    max_zero_tail: Fraction = Field(0.01, description="share of samples at the end that are zero in every channel")
    max_spoilt_windows: Fraction = Field(
        0.01, description="share of windows that repeat another; also, of those without a signal"
    )
    max_scale_ratio: Positive = Field(
        100, description="typical amplitude over the set's median, or under it: other units; a warning"
    )
    max_hum_share: Fraction = Field(
        0.5, description="share of the median channel's power within 1 Hz of 50 or 60 Hz; a warning"
    )


class PointsGate(Model):
    """Are point clouds (.ply, .xyz, .obj, .stl, .glb, .npy, .npz) worth training on? Of a mesh, its vertices count.

    Source of the defaults: a judgement from how clouds are sampled for training; none was tuned on a data set.
    """

    max_count_deviation: Positive = Field(0.5, description="points off the set's median, as a share of it")
    max_duplicates: Fraction = Field(0.01, description="share of points at the very place of another")
    max_normal_error: Positive = Field(0.01, description="a normal is of length 1 within this, in 99 of 100 points")
    min_flatness: Fraction = Field(
        0.001, description="least spread / greatest, along the cloud's own axes, and below a tenth of the set's: flat"
    )
    max_far_ratio: Positive = Field(20, description="furthest point / 90th percentile, from the middle: a stray point")
    max_scale_ratio: Positive = Field(10, description="size over the set's median, or under it; a warning")
    wrong_unit_ratio: Positive = Field(50, description="the same, so far off that units differ (m, cm, mm): bad")


class TextGate(Model):
    """Are documents (.jsonl, .json, .txt, .md) worth training on? Each line of .jsonl is a record.

    Shares are of records: of those of a file, and of all. Source of the defaults: a judgement; in public corpora 3 to
    14 % of documents are near duplicates (Lee et al., ACL 2022). The keys down to `tokenizer` say how to read: a change
    reads again.
    """

    schema_file: str = Field("", description="JSON Schema that every record must match; empty: none")
    text_key: str = Field("", description="key of the text; empty: `text`, or all of `caption`, `prompt`, `messages` …")
    required_keys: tuple[str, ...] = Field((), description="that every record has, and not null")
    id_keys: tuple[str, ...] = Field(
        ("id", "_id", "idx", "index", "uuid", "guid", "split"), description="in which equal records may differ"
    )
    paired_with: tuple[str, ...] = Field((), description="suffixes of files that a document of the same stem describes")
    tokenizer: str = Field("", description="tokenizer.json that counts tokens; empty: the experiment's own, if it has")
    max_tokens: int = Field(0, ge=0, description="a longer record would be truncated; 0: not judged")
    max_truncated: Fraction = Field(0.01, description="share of records longer than `max_tokens`")
    max_bad_records: Fraction = Field(0.01, description="share of records with any fault of their own")
    max_repeated: Fraction = Field(0.05, description="share of records that were there before, case and spaces apart")
    max_shared_opening: Fraction = Field(
        0.5, description="share of records that begin with the same 80 characters; a warning"
    )
    max_length_ratio: Positive = Field(
        100, description="characters over the set's median, or under it: odd; a warning where 1 % of a file is"
    )


class ImagesGate(Model):
    """Are pictures worth training on, with nothing to hold them against? Stricter than for views beside their input.

    Luma runs 0-255. Source of the defaults: photographs, night, snow, fog, drawings, pages, silhouettes, textures and
    stars on the good side, 38 corruptions on the bad one (benchmarks/accuracy); nothing good lies beyond them.
    """

    min_sigma: float = Field(2, description="standard deviation: below, constant")
    max_mode_share: Fraction = Field(0.999, description="share of the fullest luma bin: above, constant")
    dark_p99: float = Field(25, description="99th percentile: below, black; a night photograph has 27 and more")
    max_white_share: Fraction = Field(0.99, description="share at 246 or more: above, white; a drawing has 0.98")
    min_range: float = Field(16, description="p99 - p1: below, washed out; fog has 28 and more")
    min_autocorrelation: float = Field(
        0.2, description="lag-1; below, with σ̂ above `min_noise_share` of σ: noise; gravel has 0.27"
    )
    min_noise_share: Fraction = Field(0.8, description="Immerkær's σ̂ / σ; white noise has 1, gravel up to 0.66")
    max_speck_share: Fraction = Field(
        0.55, description="single pixels that stand out: above, specks; small print has 0.48"
    )
    max_blocks: Positive = Field(
        3, description="difference of lines along a grid / near by: above, blocks; brickwork has up to 2"
    )
    min_detail: float = Field(
        0.015, description="Laplacian variance of the 32×32 thumbnail / variance; below, with nothing sharp: blurred"
    )
    min_side: Count = Field(16, description="pixels of the shorter side; below, too small")
    max_area_ratio: Positive = Field(8, description="area over the set's median, or under it: odd; a warning")
    common_share: Fraction = Field(
        0.8, description="a size, mode or colour that so many share is the set's: others are odd; a warning"
    )
    min_set_p99: float = Field(56, description="median over the set of the 99th percentile: below, the set is dark")
    dim_set_p99: float = Field(90, description="likewise; below, a warning")
    min_set_range: float = Field(20, description="median over the set of p99 - p1: below, the set is washed out")


class QualityGate(Model):
    """Is the data worth training on? Luma runs 0-255; X is the input, Y the target made from it.

    Source of the defaults for pictures: benchmarks/gate_accuracy.py, 17 kinds of good views, 35 of bad ones.
    """

    max_bad_items: Fraction = Field(
        0.05,
        description="share of items allowed to be bad; of posed views an item is a scene: one input with its views",
    )
    false_alarm_rate: Fraction = Field(
        0.01, description="good items that the checks take for bad; reckoned out of every count"
    )
    miss_rate: Fraction = Field(0.01, description="bad items that the checks take for good; likewise")
    max_sample_items: Count = Field(
        60, description="of a sample that does not decide, more are generated up to so many; then it is CAUTION"
    )
    bad_views_per_scene: Fraction = Field(0.25, description="a scene is bad when more of its views are")
    min_brightness_ratio: Positive = Field(0.45, description="(mean Y + 1) / (mean X + 1); below: dark")
    dark_p99: float = Field(
        56, description="99th percentile of Y below this, or p95 below `dark_p95`: dark in absolute terms"
    )
    dark_p95: float = Field(25, description="95th percentile of Y")
    max_brightness_ratio: Positive = Field(2.2, description="above, with mean Y > 150: too bright")
    max_white_share: Fraction = Field(
        0.3, description="share of Y at 246 or more, and 0.2 more than X, where Y is a fifth brighter: overexposed"
    )
    max_black_excess: Fraction = Field(0.38, description="share of Y at 8 or less, beyond X's: parts are black")
    min_range: float = Field(40, description="p95 - p5 of Y, and below 0.22 of X's: washed out")
    min_sigma: float = Field(2, description="standard deviation of Y: below, constant")
    max_mode_share: Fraction = Field(0.98, description="share of the fullest luma bin: above, constant")
    min_autocorrelation: float = Field(0.55, description="lag-1, and 0.2 below X's: noise")
    min_autocorrelation_8: float = Field(
        0.12,
        description="lag-8, and 0.3 below X's, busier or in other colours, nothing of X left: blotchy",
    )
    max_noise_sigma: float = Field(20, description="Immerkær's σ̂, and above 3 σ̂(X) + 6: noisy")
    max_specks: Fraction = Field(0.025, description="single pixels that stand out, beyond 1.5 of X's: specks")
    min_sharpness: float = Field(
        0.04,
        description="of Y against X: Laplacian variance / variance, times detail of the 32×32 thumbnail squared, along "
        "the direction with least; below, blurred",
    )
    max_repeated_lines: Fraction = Field(0.3, description="rows or columns equal to the one before, beyond X's")
    max_seams: Fraction = Field(0.085, description="rows or columns with a jump to the next, beyond 1.5 of X's")
    max_blocks: Positive = Field(
        2.1, description="difference of neighbouring lines along a grid / near by, and 1.4 of X's: blocks"
    )
    max_entropy_loss_bits: float = Field(2.4, description="of the luma histogram, X's less Y's: few levels")
    max_colour_shift: Positive = Field(
        0.45, description="of the mean colour, in shares of the light; paler is no shift: colour cast"
    )
    min_likeness: float = Field(-0.3, description="correlation of 16×16 thumbnails: below, Y is a negative")
    min_turned_margin: float = Field(
        0.1, description="Y upside down or mirrored is that much more like X than Y is, shifts apart: turned over"
    )
    min_coverage_ratio: Fraction = Field(0.25, description="share of Y off its border colour, against X's")
    max_copy_bits: int = Field(
        2, description="dHash distance up to this with 32×32 difference < 1.5 and 0.03 σ(X): a copy of the input"
    )
    min_view_variance_ratio: Fraction = Field(
        0.1, description="Σvar(Y thumbnails) / Σvar(X): below, every view is the same"
    )
    min_pairing_auc: Fraction = Field(0.8, description="own input nearer than other inputs: below, pairs are shuffled")
    side_angle_deg: float = Field(30, description="views further from the input's pose are judged apart as well")
    min_visible_points: Fraction = Field(
        0.25, description="share of the input's 3-D points that a camera sees: below, it misses"
    )
    images: ImagesGate = Field(ImagesGate(), description="of kind `images`")
    volumes: VolumesGate = Field(VolumesGate(), description="of kind `volumes`")
    series: SeriesGate = Field(SeriesGate(), description="of kind `series`")
    points: PointsGate = Field(PointsGate(), description="of kind `points`")
    text: TextGate = Field(TextGate(), description="of kind `text`")


class LearningGate(Model):
    """Is the run learning, and the right thing? Judged after the smoke run, and along with the paid run.

    Source of the defaults: runs of every failure, docs/gates.md.
    """

    min_target_input_ratio: Fraction = Field(
        0.45, description="mean target / mean input, where they are comparable: below, the DATA is dark"
    )
    max_leaked_share: Fraction = Field(0.0, description="held-out samples also trained on, near copies too: LEAKAGE")
    max_unconnected_share: Fraction = Field(
        0.1, description="modules that no gradient reaches, of all with parameters: WIRING"
    )
    max_overfit_ratio: Positive = Field(
        0.1, description="one batch fitted alone: squared error / its variance; 1: nothing learned; above: WIRING"
    )
    min_skill: float = Field(0.1, description="1 - error / error of predicting the mean, held-out items")
    min_input_skill: float = Field(0.05, description="skill lost when the input is zeroed; less: INPUT IGNORED")
    output_mean_range: tuple[float, float] = Field((0.7, 1.4), description="mean of outputs / mean of targets")
    max_output_mean_shift: float = Field(
        0.25, ge=0, description="or: difference of the means / spread of the targets, for means near zero"
    )
    min_output_sigma_ratio: Fraction = Field(0.5, description="spread of outputs / spread of targets")


class MemoryGate(Model):
    """Does the planned step fit the card?"""

    caution_margin: Fraction = Field(0.10, description="of the card; less room (or less than 1 GB) is CAUTION")
    estimate_error: Fraction = Field(
        0.09, description="of 77 published peaks 19 in 20 were within it (docs/memory.md); less room is CAUTION"
    )
    on_no_go: Literal["halt", "replan"] = Field(
        "halt", description="`replan`: train the cheapest change to micro-batch, accumulation or precision that fits"
    )


class LaunchGate(Model):
    """Money, approval and paperwork, before anything is sent."""

    budget_buffer: Fraction = Field(0.25, description="kept free of the budget for debugging")
    approval: Literal["not_required", "required"] = Field(
        "not_required", description="`required`: upload waits for `gonogo approve EXPERIMENT --by NAME`"
    )


class CanaryGate(Model):
    """Do the first steps on the paid machine keep what the plan promised?"""

    steps: Count = Field(12, description="optimizer steps that the canary runs")
    max_memory_over_plan: Positive = Field(1.25, description="measured peak / predicted peak")
    max_temperature_c: Positive = Field(90, description="of the GPU; cards of data centres slow down from about there")
    max_slowdown: Positive = Field(3.0, description="measured s/step over the forecast's upper bound; above: NO-GO")


class ResultsGate(Model):
    """Is what came back what was hoped for?"""

    min_skill: float = Field(
        0.1, description="1 - error / error of predicting the mean, held-out items, downloaded checkpoint"
    )
    min_geometry_auc: Fraction = Field(
        0.65, description="a predicted view is nearer to its own reference than to others; chance: 0.5"
    )
    metrics: dict[str, float] = Field(
        default_factory=dict, description="metric → least value; filled from `expected.metrics`"
    )
    pictures: QualityGate = Field(
        QualityGate(), description="thresholds for the predicted pictures, against their inputs"
    )


class Gates(Model):
    """Thresholds. An experiment's own `gates:` block is laid over these."""

    generator: GeneratorGate = GeneratorGate()
    quality: QualityGate = QualityGate()
    learning: LearningGate = LearningGate()
    memory: MemoryGate = MemoryGate()
    launch: LaunchGate = LaunchGate()
    canary: CanaryGate = CanaryGate()
    results: ResultsGate = ResultsGate()


# --- an experiment ---------------------------------------------------------------------------------------


def _not_tf32(value: Any) -> Any:
    if "tf32" in str(value).lower():
        raise ValueError("TF32 is how some cards multiply at 32-true; 16-mixed is fp16, which overflows sooner")
    return value


class Training(Model):
    """What Lightning's Trainer is given, and the batch plan that the memory gate judges."""

    epochs: Count = Field(10, description="passes over the training items")
    micro_batch_size: Count = Field(8, description="samples per forward pass")
    accumulate_grad_batches: Count = Field(1, description="forward passes per optimizer step")
    precision: Annotated[Literal["32-true", "bf16-mixed", "16-mixed", "bf16-true"], BeforeValidator(_not_tf32)] = (
        "32-true"
    )
    learning_rate: Positive = Field(1e-4, description="peak of the schedule")
    weight_decay: float = Field(0.01, ge=0, description="of AdamW")
    warmup_epochs: float = Field(0.5, ge=0, description="learning rate rises linearly, then follows a cosine to zero")
    gradient_clip_val: float = Field(1.0, ge=0, description="L2 norm; 0: off")
    ema_decay: Fraction = Field(0.999, description="of the weights' moving average; 0: none is kept")
    ema_warmup: bool = Field(True, description="the n-th update's decay is min(ema_decay, (1 + n) / (10 + n))")
    checkpoint_every_epochs: Count = Field(20, description="besides best and last")
    keep_best: int = Field(0, ge=0, description="checkpoints in `top/`, the best by `best_by`; 0: only `best.ckpt`")
    best_by: str = Field(
        "-val_loss", pattern=r"^[+-]\w+$", description="logged metric, `+`: more is better, `-`: less is"
    )
    validations_per_epoch: Count = Field(1, description="evenly spaced; the last at its end")
    sample_every_epochs: Count = Field(10, description="validation pictures")
    num_workers: int = Field(0, ge=0, description="processes that load batches; 0: the training process itself")
    threads: Count = Field(1, description="torch threads; on shared cores one was 8 times faster than two")

    @property
    def effective_batch_size(self) -> int:
        return self.micro_batch_size * self.accumulate_grad_batches


class ModeConfig(Model):
    """One length of the paid run: the training keys that it sets, and when a person would choose it."""

    when: str = Field("", description="when to use it")
    recommended: bool = Field(False, description="marked in the preflight checklist; one mode of each experiment")
    training: dict[str, Any] = Field(default_factory=dict, description="laid over the experiment's `training`")
    result: bool = Field(
        True, description="false: a run of the machinery, whose figures are held against nothing and are no result"
    )


class Smoke(Model):
    """The local rehearsal, before money is spent."""

    settings: dict[str, Any] = Field(
        default_factory=dict,
        description="laid over the experiment's `settings`: a smaller model, where the whole does not run here",
    )
    training: dict[str, Any] = Field(default_factory=dict, description="laid over the experiment's `training`")

    steps: Count = Field(120, description="optimizer steps of the smoke run")
    max_extension: float = Field(
        3.0,
        ge=1,
        description="UNDERTRAINED: it goes on, up to so many times `steps`, before it is NO-GO; 1: it does not",
    )
    overfit_steps: Count = Field(200, description="steps on one batch alone, to prove the wiring; fewer where it fits")
    max_minutes: Positive = Field(
        10, description="wall clock, extension included; the run is cut there and judged as it stands"
    )


Span = Annotated[tuple[Positive, Positive], BeforeValidator(lambda v: (v, v) if isinstance(v, (int, float)) else v)]


class Timeline(Model):
    """Times that a plan names: a number, or the lowest and the highest. The launch gate holds them together."""

    step_s: Span | None = Field(None, description="seconds of an optimizer step on the target")
    epoch_minutes: Span | None = Field(None, description="minutes of an epoch")
    hours: Span | None = Field(None, description="hours of the whole run")


class Indicator(Model):
    """Where a metric should have come by some epoch; a miss is CAUTION."""

    by_epoch: Count = Field(description="from the end of this epoch on, at each validation")
    at_least: float | None = None
    at_most: float | None = None


class Expected(Model):
    """What result is expected, written before the run; a paid launch is refused without a statement."""

    statement: str = Field("", description="in words, with the baseline that it should beat")
    metrics: dict[str, float] = Field(default_factory=dict, description="metric of the results stage → least value")
    baselines: dict[str, float] = Field(
        default_factory=dict, description="metric → what it should beat, shown beside it in the report"
    )
    timeline: Timeline = Field(Timeline(), description="times that were named beforehand")


ALLOWED = {
    "generate": ("indices", "out", "seed"),
    "train": (
        "data", "out", "epochs", "max_steps", "micro_batch_size", "accumulate_grad_batches", "learning_rate",
        "precision", "seed",
    ),
    "resume": ("checkpoint",),
    "predict": ("checkpoint", "data", "out", "seed"),
}  # fmt: skip
REQUIRED = {
    "generate": ("indices", "out"),
    "train": ("data", "out"),
    "resume": ("checkpoint",),
    "predict": ("checkpoint", "data", "out"),
}


class Command(Model):
    """Scripts that know nothing of gonogo, by their command lines; what they must do: docs/bring-your-own.md."""

    generate: str = Field(description="makes items; placeholders {indices} (with commas), {out}, {seed}")
    train: str = Field(
        description="placeholders {data} (one word for each folder), {out}, {epochs}, {max_steps} (0: all), "
        "{micro_batch_size}, {accumulate_grad_batches}, {learning_rate}, {precision}, {seed}"
    )
    resume: str = Field(
        "", description="words appended to `train` to go on from {checkpoint}; empty: a run is not taken up again"
    )
    predict: str = Field(description="placeholders {checkpoint}, {data}, {out}, {seed}; leaves metrics.json in {out}")
    samples_per_item: Count = Field(1, description="training samples that an item gives, for the forecast")

    @field_validator("generate", "train", "resume", "predict")
    @classmethod
    def _can_be_filled(cls, line: str, info: ValidationInfo) -> str:
        key = info.field_name or ""
        if line or key != "resume":
            check_line(line, ALLOWED[key], REQUIRED[key])
        return line


class StartFile(Model):
    """A checkpoint from elsewhere."""

    checkpoint: LocalPath = Field(description="that training begins with, from the repository's root")


class ExperimentConfig(Model):
    """One experiment. A user adds a file of their own here, and a class that it names or the commands that it runs."""

    experiment_class: str = Field(
        "", alias="class", description="`package.module:Class` that fulfils gonogo.experiment.Experiment"
    )
    command: Command | None = Field(None, description="in place of a class: scripts of any make")
    kind: str = Field("", description="with `command`: which inspector reads the data")
    memory: str = Field(
        "",
        description="with `command`: `module:function` that takes micro_batch_size and returns (model, optimizer, step "
        "callable, batch) or a gonogo.memory.step.Step, for the memory gate",
    )
    code: list[Path] = Field(
        default_factory=list,
        description="with `command`: files and folders of its code, from the repository's root; they are sent along",
    )
    extends: str | None = Field(None, description="another experiment's name; this file is laid over it")
    hypothesis: str = Field("", description="what the experiment should show; quoted in its documents")
    expected: Expected = Expected()
    starts_from: str | StartFile | None = Field(
        None,
        description="an earlier experiment, which is run first and whose final checkpoint training begins with; or "
        "`{checkpoint: FILE}`",
    )
    data_ready: dt.datetime | None = Field(
        None, description="when its data is there, as far as is known: `gonogo schedule` plans nothing before"
    )
    inputs: LocalPath | None = Field(None, description="folder of inputs, from the repository's root")
    sample_items: Count = Field(10, description="items generated and judged before the rest")
    dataset_items: Count = Field(40, description="items of the whole set")
    shards: Count = Field(2, description="parts that the set is generated in, side by side")
    validation_share: Fraction = Field(0.15, description="of the items, whole items, held out")
    settings: dict[str, Any] = Field(
        default_factory=dict, description="the experiment's own keys, checked by its class"
    )
    training: Training = Training()
    on_cpu: dict[str, Any] = Field(
        default_factory=dict, description="training keys laid over where a processor trains in an accelerator's place"
    )
    modes: dict[str, ModeConfig] = Field(default_factory=lambda: {"validate": ModeConfig()})
    smoke: Smoke = Smoke()
    watch: dict[str, Indicator] = Field(
        default_factory=dict, description="metric that validation logs → where it should be, and by when"
    )
    gates: dict[str, Any] = Field(default_factory=dict, description="laid over the thresholds of config.yaml")

    @model_validator(mode="after")
    def _class_or_command(self) -> ExperimentConfig:
        if self.experiment_class and self.command:
            raise ValueError("`class` and `command` are both given; an experiment is one or the other")
        if not self.experiment_class and not self.command:
            raise ValueError("give `class` (package.module:Class) or `command` (generate, train, predict)")
        if self.command and not self.kind:
            raise ValueError("`command` needs `kind`: views, images, volumes, series, points or text")
        if extra := [key for key in ("kind", "memory", "code") if not self.command and getattr(self, key)]:
            raise ValueError(f"{', '.join(extra)}: goes with `command`; a class says it itself")
        if self.command and self.watch:
            raise ValueError("watch: goes with `class`; of a command nothing is looked at while it trains")
        if self.command and self.starts_from:
            raise ValueError("starts_from: goes with `class`; a command's script reads what it begins with itself")
        if outside := [str(path) for path in self.code if path.is_absolute() or ".." in path.parts]:
            raise ValueError(f"code: {outside[0]} must lie in the repository, and be given from its root")
        return self


# --- a machine to train on -------------------------------------------------------------------------------


class Embedded(Model):
    """An SSH server of our own on loopback, with throw-away keys: the whole paid leg without an account."""

    kind: Literal["embedded"] = "embedded"


class Ssh(Model):
    """A machine reached by SSH. Its host key must be known beforehand."""

    kind: Literal["ssh"] = "ssh"
    host: str = Field(description="name or address")
    user: str = Field(description="login on the machine")
    port: int = Field(22, description="of its SSH server")
    key_file: Path = Field(Path("~/.ssh/id_ed25519"), description="private key")
    known_hosts: Path = Field(Path("~/.ssh/known_hosts"), description="file with the machine's host key")
    trust_on_first_use: bool = Field(
        False,
        description="take an unknown host's key unseen, once, and record it; a changed one is refused all the same",
    )


class Release(Model):
    """How the machine is given back. From here it happens once every result is verified here."""

    how: Literal["none", "shutdown", "destroy"] = Field(
        "none",
        description="`shutdown` switches it off, which stops the bill at few providers; `destroy` ends it for good",
    )
    provider: Literal["", "digitalocean", "ec2", "command"] = Field("", description="of a machine to destroy")
    tag: str = Field("", description="DigitalOcean: tag; EC2: KEY=VALUE; the machine has it, and no other machine")
    region: str = Field("", description="EC2: where the machine is")
    command: str = Field("", description="provider `command`: shell command, run here, that destroys the machine")
    gone_command: str = Field("", description="provider `command`: exits with 0 once the machine is gone")
    shutdown_command: str = Field(
        "shutdown -h now || sudo -n shutdown -h now",
        description="run on the machine, by `shutdown` and by the two below",
    )
    collected_minutes: float | None = Field(
        15, ge=0, description="the machine shuts itself down so long after its results were fetched; null: never"
    )
    unattended_hours: float | None = Field(
        None,
        gt=0,
        description="the same, results unfetched and nobody looking for so long; null: never, and it bills on",
    )

    @model_validator(mode="after")
    def _complete(self) -> Release:
        needed = {"digitalocean": ["tag"], "ec2": ["tag", "region"], "command": ["command", "gone_command"]}
        if self.how == "destroy" and not self.provider:
            raise ValueError("destroy needs a provider: digitalocean, ec2 or command")
        missing = [name for name in needed.get(self.provider, []) if not getattr(self, name)]
        if self.how == "destroy" and missing:
            raise ValueError(f"provider {self.provider} needs {', '.join(missing)}")
        return self


def _how(value: Any) -> Any:
    """`shutdown` alone, or all the keys."""
    return {"how": value} if isinstance(value, str) else value


class Target(Model):
    """Where training runs, and what it costs."""

    connection: Annotated[Embedded | Ssh, Field(discriminator="kind")] = Embedded()
    accelerator: str = Field("cpu", description="a name in config/accelerators.yaml")
    usd_per_hour: float = Field(0.0, ge=0, description="price while the machine is held")
    root: str = Field("gonogo", description="folder on the machine; relative to the login's home")
    device: Literal["auto", "accelerator", "cpu"] = Field(
        "auto",
        description="`auto`: the accelerator, unless it is known to be bad; `accelerator`: that one all the same; "
        "`cpu`: the processor, and no GPU is touched",
    )
    python: str = Field(
        "python3", description="interpreter on the machine; `this`: the one that runs gonogo (embedded only)"
    )
    environment: dict[str, str] = Field(
        default_factory=lambda: {"PYTHONUNBUFFERED": "1"}, description="variables for the training process"
    )
    secret_environment: list[str] = Field(
        default_factory=list,
        description="names of variables of this shell that the training process gets, too; values are not recorded",
    )
    max_hours: Positive = Field(24, description="the agent ends the run there; the checkpoint stays")
    lease_minutes: Positive = Field(60, description="the agent ends the run when nobody has looked for so long")
    min_free_gb: float = Field(10, ge=0, description="room that setup wants below `root` of a machine of one's own, GB")
    first_step_minutes: Positive = Field(30, description="grace for the first step; then the run counts as hung")
    stall_minutes: Positive = Field(
        30, description="without a step for so long it counts as hung, and is taken up again"
    )
    release: Annotated[Release, BeforeValidator(_how)] = Release()
    fetch_checkpoints_minutes: Positive = Field(
        10, description="newest and best are brought here so often, while it runs"
    )
    max_mbit_per_s: Positive | None = Field(None, description="transfers take no more of the network; null: all of it")


Architecture = Literal["cpu", "turing", "ampere", "ada", "hopper", "blackwell", "cdna3", "rdna1", "rdna3", "other"]


class Accelerator(Model):
    """What a card is, each figure with its source. `gonogo.memory.catalogue` refuses figures that cannot be true."""

    title: str = Field(description="name for people")
    architecture: Architecture = Field(
        "other", description="whose libraries take workspace beside the tensors; of `other` none is known"
    )
    visible_bytes: int | None = Field(gt=0, description="what the framework sees; null: the machine's RAM, measured")
    context_bytes: int = Field(0, ge=0, description="taken by driver and libraries before the first tensor")
    tflops_fp32: Positive | None = Field(None, description="dense peak, without tensor cores")
    tflops_tf32: Positive | None = Field(None, description="dense peak; null: the card has no such mode")
    tflops_fp16: Positive | None = Field(None, description="dense peak, as the card multiplies matrices")
    tflops_bf16: Positive | None = Field(None, description="dense peak; null: the card has no such mode")
    tflops_fp8: Positive | None = Field(None, description="dense peak; null: the card has no such mode")
    bandwidth_gb_s: Positive | None = Field(None, description="memory bandwidth, GB/s")
    usd_per_hour: tuple[float, float] | None = Field(None, description="lowest and highest price seen for one card")
    device_name: str = Field("", description="part of the name by which the framework calls it; empty: not checked")
    torch_index: str = Field("", description="package index of torch's build for it; empty: the default one's")
    environment: dict[str, str] = Field(default_factory=dict, description="variables that it needs")
    forbidden_environment: list[str] = Field(default_factory=list, description="variables that it must not have")
    known_faults: list[str] = Field(default_factory=list, description="what goes wrong on it, for people")
    cpu_unless_forced: bool = Field(
        False, description="so bad that the machine's processor trains, unless the target says `device: accelerator`"
    )
    is_this_machine: bool = Field(False, description="training runs on the processor that runs gonogo")
    source: str = Field(description="where the figures come from, with the date")
    sources: dict[str, str] = Field(
        default_factory=dict, description="key → source and date, of figures that come from elsewhere"
    )
    unverified: list[str] = Field(
        default_factory=list, description="keys whose figure nobody has confirmed on the card or in a data sheet"
    )


# --- the whole -------------------------------------------------------------------------------------------


def _names(value: Any) -> Any:
    """`a,b` as the command line gives it, or a list."""
    return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value


class Config(Model):
    """What to run. Each key can be given with `--config`."""

    experiments: Annotated[list[str], BeforeValidator(_names)] = Field(
        ["cvs"],
        min_length=1,
        description="names in config/experiments/; on the command line with commas: `a,b`",
    )
    mode: str = Field("validate", description="one of the experiment's `modes`")
    target: str = Field("local", description="a name in config/targets/")
    seed: int = Field(0, ge=0, description="of everything that is random")
    note: str = Field("", description="of this run, for people; `gonogo runs --note WORDS` finds it")
    results_dir: Path = Field(Path("results"), description="everything that a run makes; can be deleted and made again")
    archive_dir: Path = Field(
        Path("archive"), description="what came back from the machine; nothing is ever overwritten"
    )
    budget_usd: float = Field(20.0, ge=0, description="for one run of one experiment, buffer included")
    overrides: list[Override] = Field(default_factory=list, description="gates passed by decision of a named person")
    gates: Gates = Gates()


def training_for(experiment: ExperimentConfig, mode: str) -> Training:
    """The experiment's training keys with those of the mode laid over them."""
    return Training.model_validate({**experiment.training.model_dump(), **experiment.modes[mode].training})


def training_on_cpu(experiment: ExperimentConfig, training: Training) -> Training:
    """The same, retuned for a processor in an accelerator's place: full precision, and the experiment's `on_cpu`."""
    return Training.model_validate({**training.model_dump(), "precision": "32-true", **experiment.on_cpu})
