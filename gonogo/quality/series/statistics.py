"""What is measured of a recording's samples, block by block, each channel by itself."""

from __future__ import annotations

import base64
import hashlib
from array import array as numbers
from typing import Any

import numpy as np

MAINS_HZ = (50.0, 60.0)
HUM_WIDTH_HZ = 1.0
SEGMENT = 4096  # samples of each block and channel that spectra are taken of, at most
FEWEST_STEPS = 1000  # of a channel; with fewer its autocorrelation says nothing
DIGITS = 6  # significant digits of what is kept for each channel
STRETCHES, SHORTEST = 512, 16  # pieces that a recording is divided into, at most; their samples, at least
WINDOW_HASHES = 20_000  # of a recording's windows that are kept: those with the least hashes


class SeriesStatistics:
    """Fed with blocks in any division of the recording, all channels of a window in ascending order of samples.

    Args:
        shape: (windows, channels, samples).
    """

    def __init__(self, shape: tuple[int, int, int], rate_hz: float | None) -> None:
        self._shape, self._rate = shape, rate_hz
        channels = shape[1]
        self._count, self._mean, self._squares = (np.zeros(channels) for _ in range(3))
        self._low, self._high = np.full(channels, np.inf), np.full(channels, -np.inf)
        self._at_low, self._at_high = np.zeros(channels), np.zeros(channels)
        self._steps, self._step_count = np.zeros(channels), np.zeros(channels)  # squares of x' - x
        self._nonfinite = 0
        self._last = -1  # sample that is not zero in some channel, counted over all windows
        self._power, self._hum = np.zeros(channels), np.zeros((len(MAINS_HZ), channels))
        self._hashes, self._empty_windows = numbers("Q"), 0
        self._stretch = max(-(-shape[2] // STRETCHES), SHORTEST)
        stretches = -(-shape[2] // self._stretch) if shape[0] == 1 else 0
        self._floor, self._ceiling = (np.full((channels, stretches), bound) for bound in (np.inf, -np.inf))

    def add(self, window: int, channel: int, sample: int, stored: np.ndarray) -> None:
        """One block (windows, channels, samples) and where it begins."""
        values = stored.astype(np.float64)
        at = slice(channel, channel + values.shape[1])
        self._compare_windows(stored, values)
        self._add_stretches(at, sample, values)
        self._find_last(window, sample, values)
        finite = np.isfinite(values)
        counts = finite.sum(axis=(0, 2))
        self._nonfinite += values.size - int(counts.sum())
        self._add_steps(at, values, finite)
        values[~finite] = 0
        self._add_moments(at, values, finite, counts)
        self._low[at], self._at_low[at] = self._extreme(values, finite, self._low[at], self._at_low[at], 1)
        self._high[at], self._at_high[at] = self._extreme(values, finite, self._high[at], self._at_high[at], -1)
        self._add_spectrum(at, values)

    def _add_moments(self, at: slice, values: np.ndarray, finite: np.ndarray, counts: np.ndarray) -> None:
        """Chan, Golub & LeVeque, The American Statistician 37 (1983): means and squares of two parts joined."""
        some = np.maximum(counts, 1)
        mean = values.sum(axis=(0, 2)) / some
        squares = np.square(values - mean[:, None], where=finite, out=np.zeros_like(values)).sum(axis=(0, 2))
        before, total = self._count[at], np.maximum(self._count[at] + counts, 1)
        apart = mean - self._mean[at]
        self._squares[at] += squares + apart**2 * before * counts / total
        self._mean[at] += apart * counts / total
        self._count[at] = before + counts

    def _add_steps(self, at: slice, values: np.ndarray, finite: np.ndarray) -> None:
        both = finite[..., 1:] & finite[..., :-1]
        steps = np.subtract(values[..., 1:], values[..., :-1], where=both, out=np.zeros(both.shape))
        self._steps[at] += np.square(steps).sum(axis=(0, 2))
        self._step_count[at] += both.sum(axis=(0, 2))

    @staticmethod
    def _extreme(
        values: np.ndarray, finite: np.ndarray, before: np.ndarray, held: np.ndarray, sign: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Least (greatest: sign -1) value of each channel, and its samples there that have a neighbour there."""
        of_block = sign * np.where(finite, sign * values, np.inf).min(axis=(0, 2))
        extreme = sign * np.minimum(sign * before, sign * of_block)
        equal = (values == extreme[:, None]) & finite
        beside = np.zeros_like(equal)
        beside[..., 1:] |= equal[..., :-1]
        beside[..., :-1] |= equal[..., 1:]
        return extreme, np.where(extreme == before, held, 0) + (equal & beside).sum(axis=(0, 2))

    def _add_stretches(self, at: slice, sample: int, values: np.ndarray) -> None:
        """Least and greatest value of every channel in each stretch of a recording that is one window."""
        if not self._floor.shape[1]:
            return
        length = values.shape[2]
        first = sample // self._stretch
        starts = np.maximum(np.arange(first, (sample + length - 1) // self._stretch + 1) * self._stretch - sample, 0)
        where = slice(first, first + len(starts))
        for bound, reduce in ((self._floor, np.minimum), (self._ceiling, np.maximum)):
            bound[at, where] = reduce(bound[at, where], reduce.reduceat(values[0], starts, axis=1))

    def _compare_windows(self, stored: np.ndarray, values: np.ndarray) -> None:
        if self._shape[0] == 1 or stored.shape[1:] != self._shape[1:]:
            return
        flat = (stored == stored[..., :1]).all(axis=(1, 2))
        self._empty_windows += int(flat.sum())
        for window in values[~flat]:  # whatever type they are stored in
            hashed = hashlib.blake2b(window.tobytes(), digest_size=8)
            self._hashes.append(int.from_bytes(hashed.digest()))

    def _find_last(self, window: int, sample: int, values: np.ndarray) -> None:
        nonzero = np.argwhere((values != 0).any(axis=1))
        if len(nonzero):
            at = (window + nonzero[-1][0]) * self._shape[2] + sample + nonzero[-1][1]
            self._last = max(self._last, int(at))

    def _add_spectrum(self, at: slice, values: np.ndarray) -> None:
        length = min(values.shape[2], SEGMENT)
        if not self._rate or self._rate < 2 * (MAINS_HZ[0] + HUM_WIDTH_HZ) or length < self._rate:
            return
        start = (values.shape[2] - length) // 2
        segment = values[values.shape[0] // 2, :, start : start + length]
        power = np.abs(np.fft.rfft((segment - segment.mean(axis=1, keepdims=True)) * np.hanning(length))) ** 2
        frequency = np.fft.rfftfreq(length, 1 / self._rate)
        self._power[at] += power[:, frequency > HUM_WIDTH_HZ].sum(axis=1)
        for hum, mains in zip(self._hum, MAINS_HZ, strict=True):
            hum[at] += power[:, np.abs(frequency - mains) <= HUM_WIDTH_HZ].sum(axis=1)

    def result(self) -> dict[str, Any]:
        """Fields of SeriesItem."""
        windows, _, samples = self._shape
        distinct = np.unique(np.asarray(self._hashes, np.uint64))
        sigma = np.sqrt(self._squares / np.maximum(self._count, 1))
        rail = np.maximum(self._at_low, self._at_high) / np.maximum(self._count, 1)
        heard = self._power > 0
        shares = (self._hum[:, heard] / self._power[heard]).max(axis=0) if heard.any() else None
        return {
            "near": self._hash(sigma),
            "nonfinite": self._nonfinite,
            "channel_sigma": _rounded(np.where(self._low == self._high, 0, sigma)),
            "channel_rail": _rounded(rail),
            "autocorrelation": self._autocorrelation(sigma),
            "copied_channels": self._copied_channels(sigma),
            "zero_tail": 1 - (self._last + 1) / (windows * samples),
            "hum_share": None if shares is None else float(np.median(shares)),
            "empty_windows": self._empty_windows,
            "repeated_windows": len(self._hashes) - len(distinct),
            "window_hashes": base64.b64encode(distinct[:WINDOW_HASHES].tobytes()).decode(),
            **self._held(),
        }

    def _held(self) -> dict[str, Any]:
        """Stretches in which no channel moves although it does elsewhere, and where the first of them begins."""
        moves = self._low < self._high
        if not self._floor.shape[1] or not moves.any():
            return {}
        held = (self._floor[moves] == self._ceiling[moves]).all(axis=0)
        zero = held & (self._floor[moves] == 0).all(axis=0)
        if not held.any():
            return {}
        return {
            "held_share": float(held.mean()),
            "held_zero": bool(zero.sum() * 2 > held.sum()),
            "held_from": float(np.argmax(held) / len(held)),
        }

    def _autocorrelation(self, sigma: np.ndarray) -> float | None:
        """Of the median channel, of those with a signal: 1 - E[Δ²] / 2σ²."""
        alive = (sigma > 0) & (self._step_count > FEWEST_STEPS)
        if not alive.any():
            return None
        return float(np.median(1 - self._steps[alive] / self._step_count[alive] / (2 * sigma[alive] ** 2)))

    def _copied_channels(self, sigma: np.ndarray) -> int:
        """Channels with the extremes of another, in their own mean and σ: its copy, shifted and scaled or not."""
        alive = sigma > 0
        standard = np.stack([self._low - self._mean, self._high - self._mean])[:, alive] / sigma[alive]
        return int(alive.sum()) - len({tuple(_rounded(column)) for column in standard.T})

    def _hash(self, sigma: np.ndarray) -> str:
        """Of what is the same in any layout of the file; other recordings share none of it."""
        extremes = np.stack([self._low, self._high]).tolist()
        return hashlib.blake2b(
            repr((self._shape, extremes, _rounded(self._mean), _rounded(sigma))).encode(), digest_size=16
        ).hexdigest()


def _rounded(values: np.ndarray) -> list[float]:
    return [float(f"{value:.{DIGITS}g}") for value in values]


class TargetStatistics:
    """Whether targets vary, and are numbers."""

    def __init__(self) -> None:
        self._low, self._high, self._nonfinite = np.inf, -np.inf, 0

    def add(self, values: np.ndarray) -> None:
        finite = values[np.isfinite(values)]
        self._nonfinite += values.size - finite.size
        if finite.size:
            self._low, self._high = min(self._low, finite.min()), max(self._high, finite.max())

    def result(self) -> dict[str, Any]:
        return {"targets_constant": bool(self._low == self._high), "targets_nonfinite": self._nonfinite}
