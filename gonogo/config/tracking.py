"""Where a run's metrics go besides its CSV file, and the package that each of these needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

Tracker = Literal["csv", "tensorboard", "wandb", "mlflow", "trackio"]
FOLDER = "tracking"  # in a run's `out/`: a folder for each tracker


@dataclass(frozen=True)
class Package:
    """What a tracker is written with."""

    module: str
    requirement: str  # for pip


PACKAGES: dict[Tracker, Package] = {
    "tensorboard": Package("tensorboard", "tensorboard>=2.17"),
    "wandb": Package("wandb", "wandb>=0.18"),
    "mlflow": Package("mlflow", "mlflow-skinny>=2.16"),
    "trackio": Package("trackio", "trackio>=0.5"),
}


def missing(trackers: Sequence[Tracker]) -> str:
    """One sentence about the first tracker whose package cannot be imported here; empty: all can be."""
    for tracker in trackers:
        package = PACKAGES.get(tracker)
        if package is not None and find_spec(package.module) is None:
            return (
                f"tracking: {tracker}: its package is not installed here: pip install '{package.requirement}', or "
                "remove it from `tracking`"
            )
    return ""


def requirements(trackers: Sequence[Tracker]) -> list[str]:
    """Lines for pip on the machine that trains."""
    return [PACKAGES[tracker].requirement for tracker in trackers if tracker in PACKAGES]
