"""`gonogo.log`: the losses of a plain training script, for the run that started it. Standard library alone."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

FILE = "GONOGO_METRICS"
"""Variable of the environment that names the run's metrics.csv; without it nothing is written."""
HEADER = "step,train_loss,val_loss,seconds\n"

_steps = 0


def log(train_loss: Any = None, val_loss: Any = None, step: int | None = None) -> None:
    """Write a row of metrics.csv, if gonogo runs this script; in any other run, and in other ranks, do nothing.

    Args:
        train_loss, val_loss: numbers or tensors of one number.
        step: optimizer steps so far; nothing: the calls with `train_loss` are counted.
    """
    global _steps  # noqa: PLW0603  a script has one run
    file = os.environ.get(FILE)
    if not file or os.environ.get("RANK", "0") != "0":
        return
    _steps = step if step is not None else _steps + (train_loss is not None)
    cells = ["" if value is None else repr(float(value)) for value in (train_loss, val_loss)]
    path = Path(file)
    header = "" if path.exists() and path.stat().st_size else HEADER
    with path.open("a") as rows:
        rows.write(f"{header}{_steps},{cells[0]},{cells[1]},{time.monotonic()}\n")


def environment(metrics: Path) -> dict[str, str]:
    """What a script needs to be started with, so that it can import gonogo and its `log` writes to `metrics`."""
    package = Path(__file__).resolve().parents[2]
    found = {FILE: str(metrics)}
    if package.name not in ("site-packages", "dist-packages"):
        before = os.environ.get("PYTHONPATH")
        found["PYTHONPATH"] = os.pathsep.join([str(package), *([before] if before else [])])
    return found
