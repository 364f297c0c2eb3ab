"""What a training run is made of, and what it measured about itself."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field

from gonogo.base.bounded_json import JsonBounds, parsed
from gonogo.base.models import ClosedModel
from gonogo.base.text import clean
from gonogo.config.experiment import ExperimentConfig, Training
from gonogo.config.gate_thresholds import LearningGate
from gonogo.config.tracking import Tracker

PHASE = "canary phase: "  # begins the line that says what a canary does next; the last one names where it crashed
BOUNDS = JsonBounds(size_bytes=40 << 20, values=2_400_000)  # of training.json: 1.2 million steps


class Limit(ClosedModel):
    """How long the run may take, by its budget and its target."""

    seconds: float = Field(gt=0)
    words: str = Field(description="the key that says so, with its value")
    usd_per_hour: float = Field(0.0, ge=0)
    stops: bool = Field(description="once it is foreseen that the run goes beyond; false: it is only said")
    steps: int | None = Field(None, description="that a command is forecast to take; a class knows its own")


class RunSpec(ClosedModel):
    """Everything that a run is made of, so that the same file gives the same run on any machine."""

    experiment: str
    experiment_config: ExperimentConfig
    training: Training
    data: list[Path]
    seed: int
    assets: Path | None = Field(None, description="what `prepare` made, for experiments that train with it")
    starts_from: Path | None = Field(None, description="checkpoint of an earlier experiment that training begins with")
    max_steps: int | None = None
    max_minutes: float | None = None
    one_of_each: bool = Field(
        False, description="a canary: after its steps one validation, one checkpoint that is read back, one prediction"
    )
    gate: LearningGate | None = Field(
        None, description="thresholds by which a hopeless run is stopped; null: it is never stopped"
    )
    tracking: list[Tracker] = Field(default_factory=list, description="where metrics go besides the CSV file")
    limit: Limit | None = Field(None, description="by which the run is estimated again; null: it is not")

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """What a tracker lists with the run."""
        settings = self.experiment_config.settings
        return {"seed": self.seed, "training": self.training.model_dump(mode="json"), "settings": settings}

    @property
    def watched(self) -> bool:
        """Whether it is long enough for `watch` and `limit`: a canary's few steps, and a smoke run's, are not."""
        return self.max_steps is None


TEXT_CHARACTERS, LISTED = 1000, 100
# it may come from another machine: numbers that Python can divide, texts and lists that a page can show
Size = Annotated[int, Field(ge=0, lt=1 << 62)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Words = Annotated[str, AfterValidator(lambda text: clean(text[:TEXT_CHARACTERS]))]


class TrainingResult(ClosedModel):
    """What a run measured about itself."""

    model_config = ConfigDict(ser_json_inf_nan="constants")

    steps: Size
    epochs: Size
    parameters: Size
    train_loss: list[float]
    train_steps: list[int] = Field(default_factory=list, description="of `train_loss`; empty: each, from the first")
    val_steps: list[int]
    val_loss: list[float]
    step_s: list[Seconds]
    wall_s: Seconds
    peak_memory_bytes: Size
    phase_peaks_bytes: Annotated[dict[Words, Size], Field(max_length=LISTED)] = Field(
        default_factory=dict, description="of a canary: phase → the highest use of memory up to its end"
    )
    device: Words
    finite: bool
    stopped: Words = ""
    cause: Words = Field("", description="why it was stopped: the learning gate's word, or WATCH or BUDGET")
    alerts: Annotated[list[Words], AfterValidator(lambda alerts: alerts[:LISTED])] = Field(
        default_factory=list, description="success indicators (`watch`) that were missed"
    )
    bad_batch: Words = Field("", description="`inputs` or `targets` that held NaN where the loss was not finite")

    @classmethod
    def parsed(cls, text: bytes) -> TrainingResult:
        """Raises ValueError where it is not what training writes; it may come from another machine."""
        return cls.model_validate(parsed(text, BOUNDS, "utf-8"))  # an error of model_validate_json copies all of it

    @classmethod
    def read(cls, path: Path) -> TrainingResult:
        """`parsed`, of a file of any size."""
        with path.open("rb") as file:
            return cls.parsed(file.read(BOUNDS.size_bytes + 1))

    @property
    def median_step_s(self) -> float:
        """Of the steps after the first few, which warm caches up."""
        return statistics.median(self.step_s[3:] or self.step_s or [0.0])


WATCH, BUDGET = "WATCH", "BUDGET"  # causes: a bound of `watch` whose miss stops, a limit that would be passed


class StoppedError(RuntimeError):
    """The run was stopped on purpose, with its checkpoint kept."""

    def __init__(self, cause: str, message: str) -> None:
        super().__init__(message)
        self.cause = cause  # one word for why


class StoppedByGateError(StoppedError):
    """The learning gate stopped the run: the rest of it would achieve nothing."""
