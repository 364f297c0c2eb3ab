"""Quick adjustments: what to change in the configuration for a symptom, as a patch to paste."""

from __future__ import annotations

from typing import Any

import yaml
from pydantic import BaseModel, Field

from gonogo.config.accelerator import Accelerator
from gonogo.config.experiment import Training

SLOWER, TIGHTER = 0.5, 0.5  # of the learning rate, and of the gradients' norm


class Adjustment(BaseModel):
    """A symptom, and the training keys that answer it."""

    symptom: str
    training: dict[str, Any] = Field(description="merged over the experiment's `training`")
    why: str

    @property
    def patch(self) -> str:
        """For the experiment's YAML, on one line."""
        return yaml.safe_dump({"training": self.training}, default_flow_style=True, sort_keys=False, width=1000).strip()


def adjustments(training: Training, accelerator: Accelerator) -> list[Adjustment]:
    """What can be changed in this plan; a symptom for which no key helps is left out."""
    changes = [_memory(training), _slow(training, accelerator), _not_learning(training)]
    return [change for change in changes if change is not None]


def _memory(training: Training) -> Adjustment | None:
    """The same effective batch in smaller parts."""
    size = training.micro_batch_size
    if size == 1:
        return None
    part = next(part for part in range(size // 2, 0, -1) if training.card_batch_size % part == 0)
    keys = {"micro_batch_size": part, "accumulate_grad_batches": training.card_batch_size // part}
    return Adjustment(
        symptom="out of memory", training=keys,
        why="the same effective batch in smaller parts; the memory gate's plan.md lists smaller plans",
    )  # fmt: skip


def _slow(training: Training, accelerator: Accelerator) -> Adjustment | None:
    keys: dict[str, Any] = {}
    if training.precision == "32-true" and not accelerator.is_this_machine:
        if accelerator.tflops_bf16:
            keys["precision"] = "bf16-mixed"
        elif accelerator.tflops_fp16:
            keys["precision"] = "16-mixed"
    if not accelerator.is_this_machine:
        keys["num_workers"] = max(8, 2 * training.num_workers)
    if not keys:
        return None
    return Adjustment(
        symptom="too slow", training=keys, why="half precision if the card supports it; batches loaded in advance"
    )


def _not_learning(training: Training) -> Adjustment:
    keys: dict[str, Any] = {"learning_rate": SLOWER * training.learning_rate}
    keys["gradient_clip_val"] = TIGHTER * training.gradient_clip_val if training.gradient_clip_val else 1.0
    return Adjustment(
        symptom="loss not decreasing", training=keys,
        why="half the learning rate and tighter gradient clipping; first check which cause the learning gate names",
    )  # fmt: skip
