"""What a run's steps were given and what they changed: facts that need no threshold."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from gonogo.base.models import ClosedModel
from gonogo.learning.optimizer_facts import OptimizerFacts


class StepFacts(ClosedModel):
    """Of a run: its batches, gradients, rates and weights."""

    model_config = ConfigDict(ser_json_inf_nan="constants")

    batches: int = Field(0, description="whose inputs the model's first layers were given, and that were compared")
    distinct_batches: int = 0
    optimizers: list[OptimizerFacts] = Field(default_factory=list)
    weights_left: float | None = Field(None, description="norm of the weights at the end / at the start, of a sample")
    items: int | None = Field(None, description="training samples, as the loader's data set counts them")
    batch_size: int | None = None
    drop_last: bool = False
