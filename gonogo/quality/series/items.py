"""A recording as it was measured, and what is usual in its set."""

from __future__ import annotations

import base64
from array import array
from collections import Counter
from itertools import combinations

import numpy as np
from pydantic import Field

from gonogo.quality.file_kind import Overview
from gonogo.quality.items import MeasuredItem


class SeriesItem(MeasuredItem):
    """One recording, of one or many windows."""

    dataset: str = Field(default="", description="in the file, that was judged; empty: the file is one array")
    dtype: str = Field(default="", description="as stored")
    windows: int = Field(default=0, description="0: one stretch, (channels, samples)")
    channels: int = 0
    samples: int = Field(default=0, description="of the recording, or of each window")
    rate_hz: float | None = Field(default=None, description="sampling rate; null: the file does not say")
    unit: str = Field(default="", description="as the file says; empty: it does not")
    transposed: bool = Field(default=False, description="read as (samples, channels), the longer axis being time")
    left_out_channels: list[str] = Field(default_factory=list, description="of another rate or kind than the rest")
    unwritten: str = Field(default="", description="what of the data was never written; nothing else is measured then")
    checksum: bool | None = Field(default=None, description="a changed byte would be noticed; null: not HDF5")
    nonfinite: int = Field(default=0, description="samples NaN or infinite")
    zero_tail: float = Field(default=0, description="share of samples at the end that are zero in all channels")
    held_share: float = Field(default=0, description="of a stretch's length in which no channel moves, amid it too")
    held_zero: bool = Field(default=False, description="the channels are 0 there")
    held_from: float = Field(default=0, description="share of the length at which the first such stretch begins")
    window_hashes: str = Field(default="", description="base64 of 64 bits each, the least ones; empty: one window")
    empty_windows: int = Field(default=0, description="without a signal in any channel")
    repeated_windows: int = Field(default=0, description="with the samples of an earlier one")
    autocorrelation: float | None = Field(
        default=None, description="lag 1, of the median channel with a signal; null: too short"
    )
    copied_channels: int = Field(default=0, description="that are another one, shifted and scaled or not")
    hum_share: float | None = Field(default=None, description="of the median channel's power, at 50 or 60 Hz ± 1")
    targets: str = Field(default="", description="data set of the targets; empty: none")
    targets_shape: list[int] = Field(default_factory=list)
    targets_unwritten: str = ""
    targets_constant: bool = False
    targets_nonfinite: int = 0
    channel_sigma: list[float] = Field(default_factory=list, description="standard deviation; 0: one value")
    channel_rail: list[float] = Field(default_factory=list, description="share of samples that stay at an extreme")

    @property
    def sigma(self) -> float:
        """Of the median channel, of those that have a signal; 0 for none."""
        alive = [sigma for sigma in self.channel_sigma if sigma > 0]
        return float(np.median(alive)) if alive else 0.0


class SeriesOverview(Overview):
    """The commonest rate, channel count and window length; medians of amplitude and of length."""

    def __init__(self) -> None:
        super().__init__()
        self._rates: Counter[float] = Counter()
        self._channels: Counter[int] = Counter()
        self._window_samples: Counter[int] = Counter()
        self._sigma, self._samples = array("d"), array("d")
        self._transposed = 0
        self._ratios: dict[int, array[float]] = {}  # channel → its σ / the recording's
        self._windows = WindowSplits()
        self.rate_hz = self.channels = self.window_samples = self.sigma = self.samples = 0.0

    def add(self, item: MeasuredItem) -> None:
        super().add(item)
        assert isinstance(item, SeriesItem)
        if item.problems:
            return
        self._channels[item.channels] += 1
        if item.rate_hz:
            self._rates[item.rate_hz] += 1
        if item.windows:
            self._window_samples[item.samples] += 1
        else:
            self._samples.append(item.samples)
        self._transposed += 1 if item.transposed else -1
        self._windows.add(item)
        if item.sigma:
            self._sigma.append(item.sigma)
            for channel, sigma in enumerate(item.channel_sigma):
                self._ratios.setdefault(channel, array("f")).append(sigma / item.sigma)

    def close(self) -> None:
        super().close()
        self.rate_hz, self.channels = _commonest(self._rates), _commonest(self._channels)
        self.window_samples = _commonest(self._window_samples)
        self.sigma = float(np.median(self._sigma)) if self._sigma else 0.0
        self.samples = float(np.median(self._samples)) if self._samples else 0.0
        self.transposed = self._transposed > 0
        self.channel_ratios = {channel: float(np.median(ratios)) for channel, ratios in self._ratios.items()}
        self.leaking_windows, self.window_splits = self._windows.leaking(), self._windows.count


class WindowSplits:
    """Windows that are in more than one split; 8 bytes a window."""

    def __init__(self) -> None:
        self._hashes: dict[str, list[np.ndarray]] = {}
        self._first: dict[str, list[str]] = {}

    def add(self, item: SeriesItem) -> None:
        if item.split and item.window_hashes:
            held = np.frombuffer(base64.b64decode(item.window_hashes), np.uint64)
            self._hashes.setdefault(item.split, []).append(held)
            self._first.setdefault(item.split, []).append(item.path)

    @property
    def count(self) -> int:
        return len(self._hashes)

    def leaking(self) -> tuple[int, list[str]]:
        """How many, and two files that share one."""
        shared: np.ndarray = np.zeros(0, np.uint64)
        files: list[str] = []
        whole = {split: np.unique(np.concatenate(parts)) for split, parts in self._hashes.items()}
        for one, other in combinations(sorted(whole), 2):
            both = np.intersect1d(whole[one], whole[other])
            if len(both) and not files:
                files = [self._file_with(both[0], one), self._file_with(both[0], other)]
            shared = np.union1d(shared, both)
        return len(shared), files

    def _file_with(self, hashed: np.uint64, split: str) -> str:
        return next(path for path, held in zip(self._first[split], self._hashes[split], strict=True) if hashed in held)


def _commonest(counted: Counter[float] | Counter[int]) -> float:
    return counted.most_common(1)[0][0] if counted else 0
