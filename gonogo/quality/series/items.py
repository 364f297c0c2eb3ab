"""A recording as it was measured, and what is usual in its set."""

from __future__ import annotations

from array import array
from collections import Counter

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
    unwritten: str = Field(default="", description="what of the data was never written; nothing else is measured then")
    checksum: bool | None = Field(default=None, description="a changed byte would be noticed; null: not HDF5")
    nonfinite: int = Field(default=0, description="samples NaN or infinite")
    zero_tail: float = Field(default=0, description="share of samples at the end that are zero in all channels")
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
        if item.sigma:
            self._sigma.append(item.sigma)

    def close(self) -> None:
        super().close()
        self.rate_hz, self.channels = _commonest(self._rates), _commonest(self._channels)
        self.window_samples = _commonest(self._window_samples)
        self.sigma = float(np.median(self._sigma)) if self._sigma else 0.0
        self.samples = float(np.median(self._samples)) if self._samples else 0.0


def _commonest(counted: Counter[float] | Counter[int]) -> float:
    return counted.most_common(1)[0][0] if counted else 0
