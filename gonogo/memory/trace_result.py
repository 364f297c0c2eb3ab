"""A traced training step, as one process hands it to another."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gonogo.memory.events import Events
from gonogo.memory.growth import Growth


@dataclass
class Traced:
    """What a trace found.

    Attributes:
        parameters: that are trained.
        operations: that ran, in all steps.
        events: allocations and releases; None if the step could not be traced.
        kinds: block → what it is, where its owner said so: "weights", "gradients", "optimizer state", …
        guesses: values that the step asked for and that a trace cannot know; any makes the result doubtful.
        batches: step → what its batch is, of those that are not the ordinary ones.
        missing: part of a run that was not traced → why.
        growth: what stays allocated from step to step; None: nothing.
        workspaces: (row of events, bytes) that the fastest algorithms of convolutions take there for themselves.
        compiled: how the step is compiled on the card, though it was traced as it stands; empty: it is not.
        checkpointed: calls of gradient checkpointing in a step.
        planned_steps, epoch_steps: optimizer steps of the whole run, and of an epoch; 0: not known.
        looked: what the shapes are from, and how much of the loaders was read for them.
        error: why there are no events.
        seconds: that the trace took.
    """

    micro_batch_size: int
    accumulate_grad_batches: int
    precision: str
    parameters: int = 0
    operations: int = 0
    events: Events | None = None
    kinds: dict[int, str] = field(default_factory=dict)
    guesses: list[str] = field(default_factory=list)
    batches: dict[int, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    growth: Growth | None = None
    workspaces: list[tuple[int, int]] = field(default_factory=list)
    compiled: str = ""
    checkpointed: int = 0
    planned_steps: int = 0
    epoch_steps: int = 0
    looked: list[str] = field(default_factory=list)
    error: str = ""
    seconds: float = 0.0

    def save(self, folder: Path) -> None:
        """Write `trace.json`, and `events.npz` if there are any."""
        facts: dict[str, Any] = {name: value for name, value in vars(self).items() if name != "events"}
        facts["growth"] = None if self.growth is None else self.growth.model_dump()
        (folder / "trace.json").write_text(json.dumps(facts))
        if self.events is not None:
            self.events.save(folder / "events.npz")

    @classmethod
    def load(cls, folder: Path) -> Traced:
        """Read what `save` wrote."""
        facts = json.loads((folder / "trace.json").read_text())
        for name in ("kinds", "batches"):
            facts[name] = {int(number): value for number, value in facts[name].items()}
        facts["growth"] = None if facts["growth"] is None else Growth.model_validate(facts["growth"])
        file = folder / "events.npz"
        return cls(**facts, events=Events.load(file) if file.is_file() else None)
