"""What the pass on a card that is not there saw. The events themselves lie beside it: `trace.json`, `events.npz`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from gonogo.config.accelerator import Architecture
from gonogo.forecast.step_work import ScriptRun, Work
from gonogo.script.facts import PassFacts

StageName = Literal["first step", "steady step", "validation", "checkpoint", "resume"]
STAGES: tuple[StageName, ...] = ("first step", "steady step", "validation", "checkpoint", "resume")


class Stage(BaseModel):
    """A part of a training run, and the memory in it. Bytes, without the context of driver and libraries."""

    name: StageName
    reached: bool = False
    live_bytes: int | None = Field(None, description="peak of what tensors ask for")
    reserved_bytes: int | None = Field(None, description="peak that the allocator takes from a card with enough memory")
    why_not: str = Field("", description="where it was not reached")


class CardFacts(PassFacts):
    """The fake pass over a script."""

    architecture: Architecture = "ampere"
    untraceable: str = Field("", description="why the pass had to stop, where the trace could not follow the script")
    stages: list[Stage] = Field(default_factory=list)
    parameters: int = Field(0, description="trained")
    operations: int = 0
    backward_passes: int = 0
    optimizers: list[str] = Field(default_factory=list, description="their classes")
    autocast: str = Field("", description="dtype of autocast in training; empty: not used")
    dtype: str = Field("", description="of most of the weights")
    batch_shapes: list[list[int]] = Field(default_factory=list, description="of the tensors that the model was given")
    work: Work | None = None
    hurried: int = Field(0, description="forward passes that were not traced again, after the steps asked for")
    total_steps: int | None = Field(None, description="optimizer steps of the whole run; null: not known")
    total_steps_from: str = Field("", description="how it is known")
    epoch_steps: int | None = Field(None, description="of an epoch; null: its loader has no length")

    def stage(self, name: StageName) -> Stage:
        """That stage, reached or not."""
        return next((stage for stage in self.stages if stage.name == name), Stage(name=name))

    @property
    def run(self) -> ScriptRun:
        """What a forecast needs."""
        return ScriptRun(
            work=self.work, total_steps=self.total_steps, total_steps_from=self.total_steps_from,
            epoch_steps=self.epoch_steps,
        )  # fmt: skip
