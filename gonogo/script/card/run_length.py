"""How many optimizer steps the whole run makes, where the script's own names or its trainer say so."""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

# of the whole run, whatever else the script counts
WHOLE = (
    "max_steps", "max_iters", "max_iterations", "total_steps", "max_train_steps", "num_train_steps",
    "num_training_steps", "train_num_steps", "total_iters",
)  # fmt: skip
# of the run, or of an epoch, or of a sequence
UNCERTAIN = (
    "steps",
    "num_steps",
    "n_steps",
    "train_steps",
    "iterations",
    "num_iterations",
    "n_iters",
    "iters",
    "num_batches",
)
EPOCHS = ("epochs", "num_epochs", "n_epochs", "max_epochs", "num_train_epochs", "nepochs", "niter", "epoch_num")
HOLDERS = ("args", "opt", "opts", "config", "cfg", "hparams", "arguments", "self", "params", "settings")
MOST_FRAMES = 80


def run_length(
    named: Mapping[str, Any], batches: int | None, accumulation: float
) -> tuple[int | None, str]:  # fmt: skip
    """Steps, and what says so; (None, "") where nothing does, or where the names may mean something else.

    Args:
        named: the script's own arguments and variables; globals are looked up as well.
        batches: length of the loader that training reads.
        accumulation: backward passes of a step.
    """
    everywhere = [dict(named), dict(_globals())]
    steps, steps_name = _first(everywhere, WHOLE)
    if steps is not None:
        return steps, steps_name
    epochs, epochs_name = _first(everywhere, EPOCHS)
    steps, steps_name = _first(everywhere, UNCERTAIN)
    if epochs is None:
        return steps, steps_name
    if not batches:
        return None, ""
    found = epochs * epoch_steps(batches, accumulation)
    if steps is not None and steps > found:
        return steps, steps_name
    return found, f"{epochs_name} {epochs} × {batches} batches of its loader"


def epoch_steps(batches: int, accumulation: float) -> int:
    """Optimizer steps of an epoch."""
    return max(math.ceil(batches / max(accumulation, 1)), 1)


def names_on_stack(folder: Path) -> dict[str, Any]:
    """Whole numbers by their names, in the functions of the script that are running now, and in what they hold."""
    found: dict[str, Any] = {}
    frame: Any = sys._getframe(1)
    for _ in range(MOST_FRAMES):
        if frame is None:
            break
        if _is_own(frame.f_code, folder):
            variables = frame.f_locals
            for name, value in _counts(variables):
                found.setdefault(name, value)
            if isinstance(variables, dict):  # a copy, which would keep the values alive
                variables.clear()
            del variables
        frame = frame.f_back
    return found


def _is_own(code: Any, folder: Path) -> bool:
    """A function's code: variables of a module's are its globals."""
    file = code.co_filename
    inside = file.startswith(f"{folder}/") and "/site-packages/" not in file
    return inside and bool(code.co_flags & inspect.CO_OPTIMIZED)


def _first(everywhere: list[dict[str, Any]], names: tuple[str, ...]) -> tuple[int | None, str]:
    for values in everywhere:
        for name in names:
            if (count := _count(values.get(name))) is not None:
                return count, name
    return None, ""


def _count(value: Any) -> int | None:
    whole = isinstance(value, (int, float)) and not isinstance(value, bool)
    return int(value) if whole and 0 < value < 1e12 else None


def _globals() -> Iterator[tuple[str, Any]]:
    """Names of the script, and of the namespaces of arguments that it keeps."""
    main = sys.modules.get("__main__")
    yield from _counts(vars(main)) if main else ()


def _counts(variables: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in list(variables.items()):
        if _count(value) is not None:
            yield name.lower(), value
        elif name.lower() in HOLDERS:
            yield from _held(value)


def _held(value: Any, depth: int = 2) -> Iterator[tuple[str, Any]]:
    """Whole numbers of a namespace, a dictionary or a configuration, and of those in it."""
    try:
        items = list((value if isinstance(value, Mapping) else vars(value)).items())
    except Exception:  # an object without attributes, or a configuration that cannot resolve a value
        return
    for name, inner in items:
        if _count(inner) is not None:
            yield str(name).lower(), inner
        elif depth and not isinstance(inner, type) and (isinstance(inner, Mapping) or str(name).lower() in HOLDERS):
            yield from _held(inner, depth - 1)
