"""How many optimizer steps the whole run makes, where the script's own names or its trainer say so."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping
from typing import Any

STEPS = (
    "max_steps", "max_iters", "num_steps", "n_steps", "total_steps", "train_steps", "num_train_steps",
    "max_train_steps", "train_num_steps", "iterations", "num_iterations", "n_iters", "num_batches",
)  # fmt: skip
EPOCHS = ("epochs", "num_epochs", "n_epochs", "max_epochs", "num_train_epochs", "nepochs", "niter", "epoch_num")


def run_length(parsed: Mapping[str, Any], batches: int | None, accumulation: float) -> tuple[int | None, str]:
    """Steps, and what says so; (None, "") where nothing does.

    Args:
        parsed: the script's own arguments.
        batches: length of the loader that training reads.
        accumulation: backward passes of a step.
    """
    for names in (dict(parsed), dict(_globals())):
        for name in STEPS:
            if (count := _count(names.get(name))) is not None:
                return count, name
    for names in (dict(parsed), dict(_globals())):
        for name in EPOCHS:
            if (count := _count(names.get(name))) is not None and batches:
                steps = count * max(math.ceil(batches / max(accumulation, 1)), 1)
                return steps, f"{name} {count} × {batches} batches of its loader"
    return None, ""


def _count(value: Any) -> int | None:
    whole = isinstance(value, (int, float)) and not isinstance(value, bool)
    return int(value) if whole and 0 < value < 1e12 else None


def _globals() -> Iterator[tuple[str, Any]]:
    """Names of the script, and of the namespaces of arguments that it keeps."""
    main = sys.modules.get("__main__")
    for name, value in list(vars(main).items()) if main else ():
        yield name, value
        if name.lower() in ("args", "opt", "config", "cfg", "hparams", "arguments"):
            yield from (dict(value) if isinstance(value, dict) else getattr(value, "__dict__", {})).items()
