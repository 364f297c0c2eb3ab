"""A traced training step, as one process hands it to another."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gonogo.memory.events import Events


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
    error: str = ""  # why there are no events
    seconds: float = 0.0  # that the trace took

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
