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
    """What a trace found."""

    micro_batch_size: int
    accumulate_grad_batches: int
    precision: str
    parameters: int = 0  # that are trained
    operations: int = 0  # that ran, in all steps
    events: Events | None = None  # allocations and releases; None if the step could not be traced
    # block → what it is, where its owner said so: "weights", "gradients", "optimizer state", …
    kinds: dict[int, str] = field(default_factory=dict)
    # values that the step asked for and that a trace cannot know; any makes the result doubtful
    guesses: list[str] = field(default_factory=list)
    batches: dict[int, str] = field(default_factory=dict)  # step → what its batch is, of the ones that are not ordinary
    missing: dict[str, str] = field(default_factory=dict)  # part of a run that was not traced → why
    growth: Growth | None = None  # what stays allocated from step to step; None: nothing
    # (row of events, bytes) that the fastest algorithms of convolutions take there for themselves
    workspaces: list[tuple[int, int]] = field(default_factory=list)
    compiled: str = ""  # how it is compiled on the card, though it was traced as it stands; empty: it is not
    loading_bytes: int = 0  # of weights that are packed into few bits on the card, before they are; 0: none are
    checkpointed: int = 0  # calls of gradient checkpointing
    planned_steps: int = 0  # optimizer steps of the whole run; 0: not known
    epoch_steps: int = 0  # and of an epoch
    looked: list[str] = field(default_factory=list)  # what the shapes are from, and how much of the loaders was read
    error: str = ""  # why there are no events
    seconds: float = 0.0  # that the trace took

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
