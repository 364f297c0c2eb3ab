"""A traced training step, as one process hands it to another."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gonogo.memory.events import Events


@dataclass
class Traced:
    """What a trace found.

    Attributes:
        parameters: that are trained.
        operations: that ran, in all steps.
        events: allocations and releases; None if the step could not be traced.
        kinds: block → what it is, where its owner said so: "weights", "gradients", "optimizer state", …
        guesses: values that the step asked for and that a trace cannot know; any makes the result doubtful.
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
    error: str = ""
    seconds: float = 0.0

    def save(self, folder: Path) -> None:
        """Write `trace.json`, and `events.npz` if there are any."""
        facts: dict[str, Any] = {name: value for name, value in vars(self).items() if name != "events"}
        (folder / "trace.json").write_text(json.dumps(facts))
        if self.events is not None:
            self.events.save(folder / "events.npz")

    @classmethod
    def load(cls, folder: Path) -> Traced:
        """Read what `save` wrote."""
        facts = json.loads((folder / "trace.json").read_text())
        facts["kinds"] = {int(block): kind for block, kind in facts["kinds"].items()}
        file = folder / "events.npz"
        return cls(**facts, events=Events.load(file) if file.is_file() else None)
