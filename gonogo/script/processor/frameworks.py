"""Trainers of frameworks, told that it is time to validate, save and end: found on the stack of the step itself."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

VALIDATION_BATCHES = 8


def take_to_the_end() -> str:
    """Ask the trainer whose step is running to validate, save and stop.

    Returns:
        Which one it was; empty where no known one is running.
    """
    for owner in _owners():
        names = {f"{kind.__module__.partition('.')[0]}.{kind.__name__}" for kind in type(owner).__mro__}
        if names & {"lightning.Trainer", "pytorch_lightning.Trainer"}:
            _lightning(owner)
            return "Lightning"
        if names & {"transformers.Trainer"}:
            _hugging_face(owner)
            return "Hugging Face"
    return ""


def _owners() -> list[Any]:
    found: list[Any] = []
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        owner = frame.f_locals.get("self")
        if owner is not None:
            found += [owner, *([owner.trainer] if "trainer" in getattr(owner, "__dict__", {}) else [])]
        frame = frame.f_back
    return found


def _lightning(trainer: Any) -> None:
    loop = getattr(getattr(trainer.fit_loop, "epoch_loop", None), "val_loop", None)
    batches = getattr(loop, "_max_batches", None)
    if isinstance(batches, list):
        loop._max_batches = [min(VALIDATION_BATCHES, batch) for batch in batches]  # type: ignore[union-attr]
    trainer.limit_val_batches = _fewer(trainer.limit_val_batches)
    trainer.should_stop = True


def _fewer(limit: Any) -> Any:
    """Whole batches are a limit, a share is not."""
    return min(limit, VALIDATION_BATCHES) if isinstance(limit, int) else VALIDATION_BATCHES


def _hugging_face(trainer: Any) -> None:
    from transformers import TrainerCallback  # type: ignore[import-not-found, unused-ignore]

    class Early(TrainerCallback):
        """Validate and save after this step, stop after the next."""

        steps = 0

        def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            self.steps += 1
            if self.steps == 1:
                control.should_evaluate = str(getattr(args.eval_strategy, "value", args.eval_strategy)) != "no"
                control.should_save = str(getattr(args.save_strategy, "value", args.save_strategy)) != "no"
            else:
                control.should_training_stop = True

    trainer.add_callback(Early())
