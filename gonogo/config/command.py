"""Scripts that know nothing of gonogo, given by their command lines."""

from __future__ import annotations

from pydantic import Field, ValidationInfo, field_validator

from gonogo.base.models import Count, StrictModel
from gonogo.config.command_line import check_line

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


class Command(StrictModel):
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
