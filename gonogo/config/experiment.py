"""One experiment: each key of config/experiments/NAME.yaml, with its type, default and unit."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from gonogo.base.models import Count, Fraction, Positive, StrictModel
from gonogo.base.os_paths import LocalPath
from gonogo.config.command import Command, placeholders
from gonogo.config.expected import GAUGES, Expected, Indicator
from gonogo.config.issues import Claim, Issue
from gonogo.config.sweep import Sweep


def _not_tf32(value: Any) -> Any:
    if "tf32" in str(value).lower():
        raise ValueError("TF32 is how some cards multiply at 32-true; 16-mixed is fp16, which overflows earlier")
    return value


class Training(StrictModel):
    """The settings of Lightning's Trainer, and the batch plan that the memory gate judges."""

    epochs: Count = Field(10, description="passes over the training items")
    micro_batch_size: Count = Field(8, description="samples per forward pass")
    accumulate_grad_batches: Count = Field(1, description="forward passes per optimizer step")
    devices: Count = Field(
        1,
        description="with `class`: cards of the machine, or processes on a CPU, that train together; smoke run: one",
    )
    num_nodes: Count = Field(
        1,
        description="machines with `devices` each, for a run that is started by hand; the workflow starts one on one",
    )
    strategy: Literal["ddp", "ddp_find_unused_parameters_true", "fsdp"] = Field(
        "ddp",
        description="how several `devices` share the work; the second where a step leaves out some of the parameters; "
        "`fsdp`: each keeps a part of weights, gradients and optimizer state (FSDP2)",
    )
    precision: Annotated[
        Literal["32-true", "bf16-mixed", "16-mixed", "bf16-true", "16-true"], BeforeValidator(_not_tf32)
    ] = Field(
        "32-true",
        description="or `bf16-mixed`, `16-mixed`, `bf16-true`, `16-true`; with `-true` the weights have it too, and "
        "AdamW can then divide by zero in fp16",
    )
    learning_rate: Positive = Field(1e-4, description="peak of the schedule")
    weight_decay: float = Field(0.01, ge=0, description="of AdamW")
    warmup_epochs: float = Field(0.5, ge=0, description="linear rise of the learning rate, then a cosine to zero")
    gradient_clip_val: float = Field(1.0, ge=0, description="maximum L2 norm of the gradients; 0: no clipping")
    ema_decay: Fraction = Field(0.999, description="decay of the weights' moving average; 0: no average")
    ema_warmup: bool = Field(True, description="the decay of update n is min(ema_decay, (1 + n) / (10 + n))")
    checkpoint_every_epochs: Count = Field(20, description="periodic checkpoints, in addition to the best and the last")
    checkpoint_every_steps: int = Field(
        0, ge=0, description="the same by optimizer steps, for long epochs: the newest one is kept; 0: none"
    )
    log_every_steps: Count = Field(10, description="optimizer steps between two rows of metrics")
    keep_best: int = Field(0, ge=0, description="best checkpoints to keep in `top/`, by `best_by`; 0: only `best.ckpt`")
    best_by: str = Field(
        "-val_loss", pattern=r"^[+-]\w+$", description="logged metric; `+`: higher is better, `-`: lower"
    )
    validations_per_epoch: Count = Field(1, description="evenly spaced; the last one at the epoch's end")
    sample_every_epochs: Count = Field(10, description="interval of validation pictures")
    num_workers: int = Field(0, ge=0, description="processes that load batches; 0: the training process loads them")
    threads: Count = Field(1, description="torch threads; on shared cores, one was 8 times faster than two")

    @property
    def card_batch_size(self) -> int:
        """Samples per optimizer step of each card."""
        return self.micro_batch_size * self.accumulate_grad_batches

    @property
    def effective_batch_size(self) -> int:
        return self.card_batch_size * self.cards

    @property
    def cards(self) -> int:
        """That train together, on all machines."""
        return self.devices * self.num_nodes

    @property
    def shards_weights(self) -> bool:
        return self.strategy == "fsdp" and self.cards > 1

    @property
    def impossible(self) -> str:
        """Keys that do not go together, with what to do; empty: all do. Not of a smoke run, which has one card."""
        if self.strategy == "fsdp" and self.cards == 1:
            return (
                "strategy: fsdp shares the weights out among cards, and devices is 1: set devices: 2 or more, or "
                "strategy: ddp"
            )
        if self.strategy == "fsdp" and self.precision == "16-mixed":
            return "precision: 16-mixed: not with strategy: fsdp; set precision: bf16-mixed, or strategy: ddp"
        return ""


class ModeConfig(StrictModel):
    """One length of the paid run: the training keys that it sets, and when to choose it."""

    when: str = Field("", description="when to choose this mode")
    recommended: bool = Field(False, description="marked in the preflight checklist; one mode at most")
    training: dict[str, Any] = Field(default_factory=dict, description="merged over the experiment's `training`")
    result: bool = Field(
        True,
        description="false: a test run of the whole chain; its figures are compared with nothing and are no result",
    )


class Smoke(StrictModel):
    """The short local training run, before money is spent."""

    settings: dict[str, Any] = Field(
        default_factory=dict,
        description="merged over the experiment's `settings`: a smaller model, where the full one does not run here",
    )
    training: dict[str, Any] = Field(default_factory=dict, description="merged over the experiment's `training`")
    arguments: str = Field(
        "", description="of a command that is watched: words that it gets as well, for a smaller model or less data"
    )

    steps: Count = Field(120, description="optimizer steps of the smoke run")
    max_extension: float = Field(
        3.0,
        ge=1,
        description="if UNDERTRAINED, train on up to this many times `steps` before NO-GO; 1: never train on",
    )
    overfit_steps: Count = Field(200, description="maximum number of steps on a single batch, to prove the wiring")
    max_minutes: Positive = Field(
        10, description="wall-clock limit, extension included; the run is then judged as it is"
    )


class StartFile(StrictModel):
    """A checkpoint from elsewhere."""

    checkpoint: LocalPath = Field(description="file that training begins with, from the repository's root")


class ExperimentConfig(StrictModel):
    """One experiment: a file of yours, and the class that it names or the commands that it runs."""

    experiment_class: str = Field(
        "",
        alias="class",
        description="`package.module:Class`, or a function there that returns gonogo.torch(…) and the like",
    )
    command: Command | None = Field(None, description="in place of a class: the command lines of your own scripts")
    kind: str = Field(
        "", description="with `command` or a function: kind of the data, which says how it is judged; a class says it"
    )
    memory: str = Field(
        "",
        description="with `command`: `module:function` that takes micro_batch_size and returns (model, optimizer, step "
        "callable, batch) or a gonogo.Step, for the memory gate",
    )
    code: list[Path] = Field(
        default_factory=list,
        description="with `command` or a function: files and folders of its code, from the repository's root; those "
        "that the function's file imports need not be named; empty with `command`: what git tracks, or all but data "
        "and results where there is no git",
    )
    requirements: LocalPath | None = Field(
        None,
        description="with `command`: requirements.txt, pyproject.toml, uv.lock or environment.yml, from the "
        "repository's root; the machine installs it in place of gonogo's own lock, with the torch of its card",
    )
    extends: str | None = Field(None, description="name of another experiment, over which this file is merged")
    sweep: Sweep | None = Field(
        None,
        description="variants of this experiment, each with the whole chain and data shared where they are the same; "
        "not taken over by `extends`",
    )
    hypothesis: str = Field("", description="what the experiment should show; quoted in documents")
    expected: Expected = Expected()
    issues: list[Issue] = Field(default_factory=list, description="known problems, each with severity and status")
    research: list[Claim] = Field(default_factory=list, description="claims that the plan relies on, with sources")
    starts_from: str | StartFile | None = Field(
        None,
        description="an earlier experiment, which is run first and from whose last checkpoint training starts; or "
        "`{checkpoint: FILE}`",
    )
    dummy_data: bool = Field(
        False,
        description="the class makes its own, synthetic data in place of `inputs`, which is not read; or `data` stands "
        "in for the real one. Every verdict and the archive's name say so",
    )
    data_ready: dt.datetime | None = Field(
        None, description="when the data is expected; `gonogo schedule` plans no run before"
    )
    inputs: LocalPath | None = Field(
        None, description="folder of input files that the class reads, from the repository's root"
    )
    data: LocalPath | None = Field(
        None,
        description="folder of data that exists, from the repository's root, in place of generating any; it is read "
        "where it lies",
    )
    sample_items: Count = Field(10, description="items that are generated, or drawn from `data`, and judged first")
    dataset_items: Count = Field(40, description="items of the full dataset; with `data` they are counted")
    shards: Count = Field(2, description="parts in which the dataset is generated, in parallel; of `data` there is one")
    validation_share: Fraction = Field(0.15, description="share of the items that is held out")
    settings: dict[str, Any] = Field(default_factory=dict, description="its own keys, checked by its class")
    training: Training = Training()
    on_cpu: dict[str, Any] = Field(
        default_factory=dict, description="training keys for a CPU in place of an accelerator"
    )
    modes: dict[str, ModeConfig] = Field(default_factory=lambda: {"validate": ModeConfig()})
    smoke: Smoke = Smoke()
    watch: dict[str, Indicator] = Field(
        default_factory=dict,
        description="logged metric → value to reach, and by which epoch; or gauge → bounds of its median over a "
        f"minute: {', '.join(f'`{gauge}`' for gauge in GAUGES)}",
    )
    gates: dict[str, Any] = Field(default_factory=dict, description="merged over the thresholds of config.yaml")

    @property
    def data_in_repository(self) -> Path | None:
        """Where `data` lies, from the repository's root; None where it lies outside, in a hidden folder, or nowhere."""
        if self.data is None or self.data.is_absolute() or any(part.startswith((".", "~")) for part in self.data.parts):
            return None
        return self.data if self.data.parts else None

    @model_validator(mode="before")
    @classmethod
    def _existing_data_is_one_part(cls, values: Any) -> Any:
        return {"shards": 1, **values} if isinstance(values, dict) and values.get("data") else values

    @model_validator(mode="after")
    def _data_or_generate(self) -> ExperimentConfig:
        if self.data and self.shards != 1:
            raise ValueError("shards: only for data that is generated; `data` is read where it lies, remove the key")
        if self.command and self.inputs:
            raise ValueError(
                "inputs: only a class reads it; with `command`, name the folder in command.generate, or, where it is "
                "the data itself, write `data:` in place of `inputs:`"
            )
        if self.command and self.data and self.command.generate:
            raise ValueError(
                "`data` and command.generate are both given: data exists or is generated; remove one of them"
            )
        if self.command and not self.data and not self.command.generate:
            raise ValueError("give `data` (a folder of data that exists) or command.generate")
        if self.command and "data" not in placeholders(self.command.train):
            if not self.data:
                raise ValueError("command.train: {data} missing: the command could not know where the data is made")
            if self.data_in_repository is None:
                raise ValueError(
                    f"command.train: {{data}} missing: {self.data} lies outside the repository, and the machine has it "
                    "elsewhere"
                )
        return self

    @model_validator(mode="after")
    def _class_or_command(self) -> ExperimentConfig:
        if self.experiment_class and self.command:
            raise ValueError("`class` and `command` are both given; an experiment is one or the other")
        if not self.experiment_class and not self.command:
            raise ValueError("give `class` (package.module:Class) or `command` (its `train`, at least)")
        if self.command and not self.kind:
            raise ValueError("`command` needs `kind`: views, images, volumes, series, points, text or files")
        if extra := [key for key in ("memory", "requirements") if not self.command and getattr(self, key)]:
            raise ValueError(f"{', '.join(extra)}: only with `command`; a class defines it in code")
        if self.command and (metrics := [name for name in self.watch if name not in GAUGES]):
            raise ValueError(
                f"watch: {metrics[0]}: a metric, only with `class`: a command is not evaluated while it trains; of a "
                f"command the gauges are watched: {', '.join(GAUGES)}"
            )
        if self.command and self.starts_from:
            raise ValueError("starts_from: only with `class`; a command's own script reads its starting checkpoint")
        if outside := [str(path) for path in self.code if path.is_absolute() or ".." in path.parts]:
            raise ValueError(f"code: {outside[0]} must lie in the repository, and be given relative to its root")
        return self


def training_for(experiment: ExperimentConfig, mode: str) -> Training:
    """The experiment's training keys, with those of the mode merged over them."""
    return Training.model_validate({**experiment.training.model_dump(), **experiment.modes[mode].training})


def training_on_cpu(experiment: ExperimentConfig, training: Training) -> Training:
    """The same for a CPU in place of an accelerator: full precision, and the experiment's `on_cpu`."""
    return Training.model_validate({**training.model_dump(), "precision": "32-true", **experiment.on_cpu})
