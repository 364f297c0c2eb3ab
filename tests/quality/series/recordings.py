"""Recordings that are good, how they are saved, and how a folder of them is judged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from gonogo.config.quality_thresholds import QualityGate, SeriesGate
from gonogo.quality.inspector import StatisticsCache
from gonogo.quality.items import Finding
from gonogo.quality.judge import judge
from gonogo.quality.measure import measure_part
from gonogo.quality.measured_set import MeasuredSet
from gonogo.quality.series.inspector import SeriesFiles
from gonogo.verdict import Check

WINDOWS, CHANNELS, SAMPLES, RATE = 30, 12, 256, 128.0
GZIP: dict[str, Any] = {"compression": "gzip", "compression_opts": 1, "chunks": (5, CHANNELS, SAMPLES)}


def eeg(seed: int = 0, shape: tuple[int, ...] = (WINDOWS, CHANNELS, SAMPLES)) -> np.ndarray:
    """Brown noise, about 20 µV."""
    noise = np.random.default_rng(seed).normal(0, 4, shape)
    return (noise + np.roll(noise, 1, -1) + np.roll(noise, 2, -1)).astype(np.float32)


def labels(count: int = WINDOWS) -> np.ndarray:
    return np.arange(count) % 3


def save(
    path: Path,
    data: np.ndarray,
    targets: np.ndarray | None = None,
    rate: float | None = RATE,
    options: dict[str, Any] = GZIP,
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.create_dataset("data", data=data, **options)
        if targets is not None:
            file["targets"] = targets
        if rate:
            file.attrs["sfreq"] = rate


class Judged:
    def __init__(self, folder: Path, known: StatisticsCache | None = None, **keys: object) -> None:
        out = folder.parent / "measured"
        gate = QualityGate(series=SeriesGate.model_validate(keys))
        self.part = measure_part(SeriesFiles().configured(gate), folder, out, cache=known)
        self.findings: dict[str, Finding] = {}
        self.judgement = judge(MeasuredSet.read(out), gate, each=self.keep)

    def keep(self, finding: Finding) -> None:
        self.findings[finding.name] = finding

    def check(self, id_: str) -> Check:
        return next(check for check in self.judgement.checks if check.id == id_)

    def told(self, name: str) -> dict[str, str]:
        return {fault.id: fault.reason for fault in self.findings[name].faults}


def targets(values: np.ndarray) -> Callable[[Path], None]:
    return lambda path: save(path, eeg(9), values)


def flat(data: np.ndarray, channels: int) -> np.ndarray:
    data[:, :channels] = 7.5
    return data


def clipped(data: np.ndarray, channels: int) -> np.ndarray:
    data[:, :channels] = data[:, :channels].clip(-9, 9)
    return data
