"""What to trace: a model or a function, and the training step's shape."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from gonogo.config.accelerator import Architecture
from gonogo.config.experiment import ExperimentConfig, Training


class ModelSource(BaseModel):
    """A library's model, and the step that is made of it."""

    name: str = Field(description="timm:NAME, torchvision:NAME, transformers:CONFIG.json or package.module:name")
    arguments: dict[str, Any] = Field(default_factory=dict)
    shape: tuple[int, ...] = Field(description="of one sample: an image's, or (length,) of a text")
    classes: int = 10
    optimizer: str = "AdamW"
    gradient_checkpointing: bool = False


class TraceRequest(BaseModel):
    """What to trace: an experiment, a library's model, or a step that a function returns."""

    experiment: str = ""
    experiment_config: ExperimentConfig | None = None
    model: ModelSource | None = None
    entry: str = Field("", description="package.module:function that returns a step")
    training: Training = Training()
    architecture: Architecture = "ampere"
    data: list[Path] = Field(default_factory=list, description="folders that the experiment's loaders read")
    seed: int = 0
