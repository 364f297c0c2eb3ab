"""What the tests of a script's judge share: what they are, and which scripts they are not for."""

from __future__ import annotations

from collections.abc import Callable

from gonogo.config.gate_thresholds import LearningGate
from gonogo.learning.findings import CheckAndCause
from gonogo.script.processor.facts import ProcessorFacts

Test = Callable[[ProcessorFacts, LearningGate], CheckAndCause | None]
"""None: the script gives no occasion to ask."""


def takes_turns(facts: ProcessorFacts) -> bool:
    """Several optimizers, as in a GAN: a loss need not fall, targets may be constant."""
    return sum(one.steps > 0 for one in facts.optimizers) > 1 or sum(bool(s.values) for s in facts.losses) > 1
