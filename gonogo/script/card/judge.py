"""Does the script's step fit the card?"""

from __future__ import annotations

from pathlib import Path

from gonogo.config.accelerator import Accelerator
from gonogo.config.experiment import Training
from gonogo.config.gate_thresholds import MemoryGate
from gonogo.memory.check import verdict_of
from gonogo.memory.estimate import estimate
from gonogo.memory.trace_result import Traced
from gonogo.script.card.facts import CardFacts
from gonogo.verdict import Check, Status


def judge(facts: CardFacts, folder: Path, accelerator: Accelerator, gate: MemoryGate | None = None) -> list[Check]:
    """The memory gate's checks of the whole trace, its stages apart.

    Args:
        folder: where the pass saved its trace.
    """
    if not (folder / "trace.json").is_file() or facts.untraceable or not facts.steps:
        why = facts.untraceable or "no training step was reached on the card"
        if facts.error is not None:
            why = f"the script ended with {facts.error.name}: {facts.error.message}"
        return [Check(id="peak_memory", title=f"Peak on {accelerator.title}", status=Status.UNKNOWN, why=why)]
    traced = Traced.load(folder)
    training = Training.model_validate({"micro_batch_size": traced.micro_batch_size, "gradient_clip_val": 0})
    return verdict_of(estimate(traced, training, accelerator), training, accelerator, "script", gate).checks
