"""A change to a training step that needs less memory, as an experiment offers it."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from gonogo.base.models import Positive, StrictModel


class PlanOption(StrictModel):
    """One change, and what it costs; `Experiment.plan_options` returns those that there are."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="for people: `gradient checkpointing`")
    training: dict[str, Any] = Field(default_factory=dict, description="merged over the training keys")
    settings: dict[str, Any] = Field(default_factory=dict, description="merged over the experiment's `settings`")
    slowdown: Positive = Field(1.0, description="time of a step with it, over the time without")
    slowdown_source: str = Field(description="where that figure is from")
    exact: bool = Field(description="the same model comes out, but for rounding")
    lessens_weights: bool = Field(False, description="weights, gradients or optimizer state take less with it, too")


def gradient_checkpointing(part: str) -> PlanOption:
    """`settings.model.checkpointing` of an experiment whose model can let its parts, such as each block, run again."""
    return PlanOption(
        name="gradient checkpointing",
        settings={"model": {"checkpointing": True}},
        slowdown=1.33,
        slowdown_source=f"each {part}'s forward pass twice: 4 passes' arithmetic for 3",
        exact=True,
    )
