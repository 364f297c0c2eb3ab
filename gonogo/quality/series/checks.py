"""What is wrong with a recording: alone, and beside the others of its set."""

from __future__ import annotations

from collections.abc import Sequence

from gonogo.config.quality_thresholds import SeriesGate
from gonogo.quality.items import Fault
from gonogo.quality.series.items import SeriesItem, SeriesOverview
from gonogo.quality.wording import number, percent

SHORT = 0.1  # of the set's median length is odd
NAMED_CHANNELS = 6


class SeriesFaults:
    """The checks of one recording against the thresholds and the set."""

    def __init__(self, item: SeriesItem, overview: SeriesOverview, gate: SeriesGate) -> None:
        self._item, self._overview, self._gate = item, overview, gate

    def all(self) -> list[Fault]:
        item = self._item
        found = [*self._integrity(), *self._layout(), *self._rate()]
        if item.channel_sigma:
            found += [*self._samples(), *self._windows(), *self._channels(), *self._amplitude()]
        return [*found, *self._targets()]

    def _integrity(self) -> list[Fault]:
        item, found = self._item, []
        if item.unwritten:
            found.append(Fault("incomplete", f"{item.unwritten}: an interrupted write"))
        if item.checksum is False:
            found.append(Fault("no_checksum", "neither checksum nor gzip: a changed byte would go unseen", warns=True))
        return found

    def _layout(self) -> list[Fault]:
        item, overview = self._item, self._overview
        if item.channels > item.samples:
            why = f"{item.channels} channels of {item.samples} samples: axes swapped?"
            return [Fault("swapped", why)]
        found = []
        if item.channels != overview.channels:
            found.append(Fault("channel_count", f"{item.channels} channels; the set has {overview.channels:.0f}"))
        if item.windows and item.samples != overview.window_samples:
            why = f"windows of {item.samples} samples; the set's have {overview.window_samples:.0f}"
            found.append(Fault("window_length", why))
        if not item.windows and item.samples < SHORT * overview.samples:
            why = f"{item.samples} samples; the set's median {overview.samples:.0f}"
            found.append(Fault("short", why, warns=True))
        return found

    def _rate(self) -> list[Fault]:
        own, usual = self._item.rate_hz, self._overview.rate_hz
        if own is None:
            return [Fault("no_rate", "no sampling rate in the file", warns=True)]
        return [] if own == usual else [Fault("rate", f"{number(own)} Hz; the set has {number(usual)} Hz")]

    def _samples(self) -> list[Fault]:
        item, found = self._item, []
        if item.nonfinite:
            total = max(item.windows, 1) * item.channels * item.samples
            found.append(Fault("nonfinite", f"{percent(item.nonfinite / total)} of samples NaN or infinite"))
        if item.zero_tail > self._gate.max_zero_tail:
            why = f"all channels are 0 from {percent(1 - item.zero_tail)} of the length on"
            found.append(Fault("zero_tail", why))
        return found

    def _windows(self) -> list[Fault]:
        item, most = self._item, self._gate.max_spoilt_windows * self._item.windows
        found = []
        if item.repeated_windows > most:
            found.append(Fault("repeated", f"{item.repeated_windows} of {item.windows} windows repeat another"))
        if item.empty_windows > most:
            found.append(Fault("empty", f"{item.empty_windows} of {item.windows} windows hold no signal"))
        return found

    def _channels(self) -> list[Fault]:
        item, gate = self._item, self._gate
        flat = [at for at, sigma in enumerate(item.channel_sigma) if sigma <= gate.min_channel_sigma_ratio * item.sigma]
        rail = [at for at, share in enumerate(item.channel_rail) if share > gate.max_rail_share and at not in set(flat)]
        few = len(flat) + len(rail) <= gate.max_bad_channels * item.channels
        found = []
        if flat:
            found.append(Fault("flat", f"{len(flat)} of {item.channels} channels flat: {_listed(flat)}", warns=few))
        if rail:
            share = percent(max(item.channel_rail[at] for at in rail))
            why = f"{len(rail)} of {item.channels} channels at the rail, up to {share} of samples: {_listed(rail)}"
            found.append(Fault("rail", why, warns=few))
        if copied := item.copied_channels:
            few = copied <= gate.max_bad_channels * item.channels
            found.append(Fault("copies", f"{copied} of {item.channels} channels are copies of another", warns=few))
        if item.autocorrelation is not None and abs(item.autocorrelation) < gate.min_autocorrelation:
            found.append(Fault("white", f"white noise: neighbouring samples correlate by {item.autocorrelation:.3f}"))
        return found

    def _amplitude(self) -> list[Fault]:
        item, usual, found = self._item, self._overview.sigma, []
        if item.sigma and not 1 / self._gate.max_scale_ratio <= item.sigma / usual <= self._gate.max_scale_ratio:
            why = f"amplitude {item.sigma:.2g}; the set's median {usual:.2g}: another unit?"
            found.append(Fault("scale", why, warns=True))
        if (item.hum_share or 0) > self._gate.max_hum_share:
            found.append(Fault("hum", f"{percent(item.hum_share or 0)} of the power is mains hum", warns=True))
        return found

    def _targets(self) -> list[Fault]:
        item = self._item
        if not item.targets:
            return []
        if item.targets_unwritten:
            return [Fault("targets_incomplete", f"{item.targets}: {item.targets_unwritten}: an interrupted write")]
        found = []
        if (length := self._target_length()) is not None:
            wanted = f"{item.windows} windows" if item.windows else f"{item.samples} samples"
            found.append(Fault("target_count", f"{length} {item.targets} for {wanted}"))
        if item.targets_nonfinite:
            found.append(Fault("targets_nonfinite", f"{item.targets_nonfinite} {item.targets} NaN or infinite"))
        if item.targets_constant:
            found.append(Fault("targets_constant", f"all {item.targets} are the same"))
        return found

    def _target_length(self) -> int | None:
        """How many targets there are where that is wrong; one for a whole recording is right."""
        item, shape = self._item, self._item.targets_shape
        if item.windows:
            length = shape[0] if shape else 1
            return None if length == item.windows else length
        return None if not shape or shape == [1] or item.samples in shape else max(shape)


def _listed(channels: Sequence[int]) -> str:
    more = len(channels) - NAMED_CHANNELS
    return ", ".join(map(str, channels[:NAMED_CHANNELS])) + (f" and {more} more" if more > 0 else "")
