"""A small experiment with its recordings, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from experiments.eeg.experiment import EEG
from gonogo.base.mappings import deep_merged
from gonogo.config.load import load_experiment
from tests.conftest import ROOT

SMALL = {"data": {"channels": 4, "window_samples": 64, "windows": 4}, "model": {"kernel": 16, "late_kernel": 4}}


def experiment(settings: dict[str, Any] | None = None, name: str = "eeg") -> EEG:
    """The shipped experiment with small windows and these settings over them."""
    config = load_experiment(ROOT / "config" / "experiments", name)
    settings = deep_merged(deep_merged(config.settings, SMALL), settings or {})
    return EEG(name, config.model_copy(update={"settings": settings}), ROOT)


def generate(own: EEG, out: Path, items: int = 12, seed: int = 0) -> Path:
    own.generate(range(items), out, seed, lambda done, total: None)
    return out
