"""Every key that a user can set: its type, its default, its unit and where the default comes from.

`config/schema.json` is generated from these models (`make schema`), and `gonogo.config.load` reads YAML into them.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from gonogo.base.models import Count, Fraction, Positive, StrictModel
from gonogo.base.os_paths import LocalPath
from gonogo.config.command import Command
from gonogo.config.issues import Claim, Issue


def _not_tf32(value: Any) -> Any:
    if "tf32" in str(value).lower():
        raise ValueError("TF32 is how some cards multiply at 32-true; 16-mixed is fp16, which overflows sooner")
    return value


class Training(StrictModel):
    """What Lightning's Trainer is given, and the batch plan that the memory gate judges."""

    epochs: Count = Field(10, description="passes over the training items")
    micro_batch_size: Count = Field(8, description="samples per forward pass")
    accumulate_grad_batches: Count = Field(1, description="forward passes per optimizer step")
    precision: Annotated[
        Literal["32-true", "bf16-mixed", "16-mixed", "bf16-true", "16-true"], BeforeValidator(_not_tf32)
    ] = Field(
        "32-true",
        description="or `bf16-mixed`, `16-mixed`, `bf16-true`, `16-true`; `-true`: the weights too, and AdamW can then "
        "divide by zero in fp16",
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


class ModeConfig(StrictModel):
    """One length of the paid run: the training keys that it sets, and when a person would choose it."""

    when: str = Field("", description="when to use it")
    recommended: bool = Field(False, description="marked in the preflight checklist; one mode of each experiment")
    training: dict[str, Any] = Field(default_factory=dict, description="laid over the experiment's `training`")
    result: bool = Field(
        True, description="false: a run of the machinery, whose figures are held against nothing and are no result"
    )


class Smoke(StrictModel):
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


class Timeline(StrictModel):
    """Times that a plan names: a number, or the lowest and the highest. The launch gate holds them together."""

    step_s: Span | None = Field(None, description="seconds of an optimizer step on the target")
    epoch_minutes: Span | None = Field(None, description="minutes of an epoch")
    hours: Span | None = Field(None, description="hours of the whole run")


class Indicator(StrictModel):
    """Where a metric should have come by some epoch; a miss is CAUTION."""

    by_epoch: Count = Field(description="from the end of this epoch on, at each validation")
    at_least: float | None = None
    at_most: float | None = None


class Expected(StrictModel):
    """What result is expected, written before the run; a paid launch is refused without a statement."""

    statement: str = Field("", description="in words, with the baseline that it should beat")
    metrics: dict[str, float] = Field(default_factory=dict, description="metric of the results stage → least value")
    baselines: dict[str, float] = Field(
        default_factory=dict, description="metric → what it should beat, shown beside it in the report"
    )
    timeline: Timeline = Field(Timeline(), description="times that were named beforehand")


class StartFile(StrictModel):
    """A checkpoint from elsewhere."""

    checkpoint: LocalPath = Field(description="that training begins with, from the repository's root")


class ExperimentConfig(StrictModel):
    """One experiment. A user adds a file of their own here, and a class that it names or the commands that it runs."""

    experiment_class: str = Field(
        "", alias="class", description="`package.module:Class` that fulfils gonogo.experiment.contract.Experiment"
    )
    command: Command | None = Field(None, description="in place of a class: scripts of any make")
    kind: str = Field("", description="with `command`: which inspector reads the data")
    memory: str = Field(
        "",
        description="with `command`: `module:function` that takes micro_batch_size and returns (model, optimizer, step "
        "callable, batch) or a gonogo.Step, for the memory gate",
    )
    code: list[Path] = Field(
        default_factory=list,
        description="with `command`: files and folders of its code, from the repository's root; they are sent along",
    )
    extends: str | None = Field(None, description="another experiment's name; this file is laid over it")
    hypothesis: str = Field("", description="what the experiment should show; quoted in its documents")
    expected: Expected = Expected()
    issues: list[Issue] = Field(
        default_factory=list, description="what was found wrong, kept with its severity and status"
    )
    research: list[Claim] = Field(default_factory=list, description="what the plan relies on, each with its source")
    starts_from: str | StartFile | None = Field(
        None,
        description="an earlier experiment, which is run first and whose final checkpoint training begins with; or "
        "`{checkpoint: FILE}`",
    )
    dummy_data: bool = Field(
        False, description="its data only stands in for the real one: every verdict and the archive's name say so"
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


def training_for(experiment: ExperimentConfig, mode: str) -> Training:
    """The experiment's training keys with those of the mode laid over them."""
    return Training.model_validate({**experiment.training.model_dump(), **experiment.modes[mode].training})


def training_on_cpu(experiment: ExperimentConfig, training: Training) -> Training:
    """The same, retuned for a processor in an accelerator's place: full precision, and the experiment's `on_cpu`."""
    return Training.model_validate({**training.model_dump(), "precision": "32-true", **experiment.on_cpu})
