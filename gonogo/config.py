"""Every key that a user can set: its type, its default, its unit and where the default comes from.

`config/schema.json` is generated from these models (`make schema`), and `gonogo.configload` reads YAML into them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from gonogo.verdict import Override

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class Model(BaseModel):
    """Unknown keys are errors, so that a misspelt threshold is never silently the default."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, validate_default=True)


# --- gates: one block of thresholds each -----------------------------------------------------------------


class GeneratorGate(Model):
    """Is the generator good alone, before it makes any data?"""

    min_own_view_psnr_db: float = Field(
        18.0, description="held-out inputs rendered at their own pose, against the input"
    )
    min_rotated_coverage: Fraction = Field(0.5, description="share of pixels covered 15° off the input's pose, median")
    min_rotated_brightness: Fraction = Field(0.45, description="luminance 15° off against the input's, median")


class QualityGate(Model):
    """Is the data worth training on? Luma runs 0-255; X is the input, Y the target made from it.

    Source of the defaults: 1,200 photographs with 12 corruptions on fresh seeds, 0.7 % false alarms, 0.4 % misses.
    """

    max_bad_scenes: Fraction = Field(
        0.05, description="share of scenes allowed to be bad; a scene is one input with its views"
    )
    bad_views_per_scene: Fraction = Field(0.25, description="a scene is bad when more of its views are")
    min_brightness_ratio: Positive = Field(0.45, description="(mean Y + 1) / (mean X + 1); below: dark")
    dark_p99: float = Field(
        56, description="99th percentile of Y below this, or p95 below `dark_p95`: dark in absolute terms"
    )
    dark_p95: float = Field(25, description="95th percentile of Y")
    max_brightness_ratio: Positive = Field(2.2, description="above, with mean Y > 150: too bright")
    max_white_share: Fraction = Field(0.35, description="share of Y at 246 or more, and 0.25 more than X: overexposed")
    min_range: float = Field(40, description="p95 - p5 of Y, and below half of X's: washed out")
    min_sigma: float = Field(2, description="standard deviation of Y: below, constant")
    max_mode_share: Fraction = Field(0.98, description="share of the fullest luma bin: above, constant")
    min_autocorrelation: float = Field(0.55, description="lag-1, and 0.2 below X's: noise")
    min_autocorrelation_8: float = Field(0.12, description="lag-8, and 0.3 below X's: blotchy noise")
    max_noise_sigma: float = Field(20, description="Immerkær's σ̂, and above 3 σ̂(X) + 6: noisy")
    min_sharpness: float = Field(0.03, description="Laplacian variance / variance, and below 0.12 of X's: blurred")
    min_coverage_ratio: Fraction = Field(0.25, description="share of Y off its border colour, against X's")
    max_copy_bits: int = Field(
        2, description="dHash distance up to this with 32×32 difference < 4: a copy of the input"
    )
    min_view_variance_ratio: Fraction = Field(
        0.1, description="Σvar(Y thumbnails) / Σvar(X): below, every view is the same"
    )
    min_pairing_auc: Fraction = Field(0.8, description="own input nearer than other inputs: below, pairs are shuffled")
    side_angle_deg: float = Field(30, description="views further from the input's pose are judged apart as well")
    min_visible_points: Fraction = Field(
        0.25, description="share of the input's 3-D points that a camera sees: below, it misses"
    )


class LearningGate(Model):
    """Is the smoke run learning, and the right thing? Source: toy runs of every failure, docs/gates.md."""

    min_target_input_ratio: Fraction = Field(0.45, description="mean target / mean input: below, the DATA is dark")
    max_overfit_ratio: Positive = Field(
        0.6, description="one batch fitted alone: squared error / its variance; 1: nothing learned; above: WIRING"
    )
    min_skill: float = Field(0.1, description="1 - error / error of predicting the mean, held-out items")
    min_input_skill: float = Field(0.05, description="skill lost when the input is zeroed; less: INPUT IGNORED")
    output_mean_range: tuple[float, float] = Field((0.7, 1.4), description="mean of outputs / mean of targets")
    min_output_sigma_ratio: Fraction = Field(0.5, description="spread of outputs / spread of targets")


class MemoryGate(Model):
    """Does the planned step fit the card?"""

    caution_margin: Fraction = Field(0.10, description="of the card; less room (or less than 1 GB) is CAUTION")
    estimate_error: Fraction = Field(
        0.13, description="median error of live-bytes traces, on 16 published RTX 3060 peaks"
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


class Training(Model):
    """What Lightning's Trainer is given, and the batch plan that the memory gate judges."""

    epochs: Count = Field(10, description="passes over the training items")
    micro_batch_size: Count = Field(8, description="samples per forward pass")
    accumulate_grad_batches: Count = Field(1, description="forward passes per optimizer step")
    precision: Literal["32-true", "bf16-mixed", "16-mixed", "bf16-true"] = "32-true"
    learning_rate: Positive = Field(1e-4, description="peak of the schedule")
    weight_decay: float = Field(0.01, ge=0, description="of AdamW")
    warmup_epochs: float = Field(0.5, ge=0, description="learning rate rises linearly, then follows a cosine to zero")
    gradient_clip_val: float = Field(1.0, ge=0, description="L2 norm; 0: off")
    ema_decay: Fraction = Field(0.999, description="of the weights' moving average; 0: none is kept")
    ema_warmup: bool = Field(True, description="the n-th update's decay is min(ema_decay, (1 + n) / (10 + n))")
    checkpoint_every_epochs: Count = Field(20, description="besides best and last")
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


class Smoke(Model):
    """The local rehearsal, before money is spent."""

    steps: Count = Field(120, description="optimizer steps of the smoke run")
    overfit_steps: Count = Field(80, description="steps on one batch alone, to prove the wiring")
    max_minutes: Positive = Field(10, description="wall clock; the run is cut there and judged as it stands")


class Expected(Model):
    """What result is expected, written before the run; a paid launch is refused without a statement."""

    statement: str = Field("", description="in words, with the baseline that it should beat")
    metrics: dict[str, float] = Field(default_factory=dict, description="metric of the results stage → least value")


class ExperimentConfig(Model):
    """One experiment. A user adds a file of their own here, and a class that it names."""

    experiment_class: str = Field(
        alias="class", description="`package.module:Class` that fulfils gonogo.experiment.Experiment"
    )
    extends: str | None = Field(None, description="another experiment's name; this file is laid over it")
    hypothesis: str = Field("", description="what the experiment should show; quoted in its documents")
    expected: Expected = Expected()
    inputs: Path | None = Field(None, description="folder of inputs, from the repository's root")
    sample_items: Count = Field(10, description="items generated and judged before the rest")
    dataset_items: Count = Field(40, description="items of the whole set")
    shards: Count = Field(2, description="parts that the set is generated in, side by side")
    validation_share: Fraction = Field(0.15, description="of the items, whole items, held out")
    settings: dict[str, Any] = Field(
        default_factory=dict, description="the experiment's own keys, checked by its class"
    )
    training: Training = Training()
    modes: dict[str, ModeConfig] = Field(default_factory=lambda: {"validate": ModeConfig()})
    smoke: Smoke = Smoke()
    gates: dict[str, Any] = Field(default_factory=dict, description="laid over the thresholds of config.yaml")


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


class Accelerator(Model):
    """What a card is, each figure with its source."""

    title: str = Field(description="name for people")
    visible_bytes: int | None = Field(description="what the framework sees; null: the machine's RAM, measured")
    context_bytes: int = Field(0, description="taken by driver and libraries before the first tensor")
    tflops_fp32: float | None = Field(None, description="dense peak")
    tflops_bf16: float | None = Field(None, description="dense peak")
    bandwidth_gb_s: float | None = Field(None, description="memory bandwidth, GB/s")
    device_name: str = Field("", description="part of the name by which the framework calls it; empty: not checked")
    torch_index: str = Field("", description="package index of torch's build for it; empty: the default one's")
    environment: dict[str, str] = Field(default_factory=dict, description="variables that it needs")
    forbidden_environment: list[str] = Field(default_factory=list, description="variables that it must not have")
    is_this_machine: bool = Field(False, description="training runs on the processor that runs gonogo")
    source: str = Field(description="where the figures come from, with the date")
    verified: bool = Field(False, description="measured on the device itself")


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
