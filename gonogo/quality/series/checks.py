"""What is wrong with a recording: alone, and beside the others of its set."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.config.quality_thresholds import SeriesGate
from gonogo.quality.items import Fault
from gonogo.quality.series.items import SeriesItem, SeriesOverview
from gonogo.quality.wording import listed, number, percent

SHORT = 0.1  # of the set's median length is odd
NAMED_CHANNELS = 6


def recording_faults(item: SeriesItem, overview: SeriesOverview, gate: SeriesGate) -> Iterator[Fault]:
    """The checks that fire for one recording, against the thresholds and the set."""
    if item.unwritten:
        yield Fault("incomplete", f"{item.unwritten}: an interrupted write")
    if item.checksum is False:
        yield Fault("no_checksum", "neither checksum nor gzip: a changed byte would go unnoticed", warns=True)
    yield from _layout(item, overview)
    yield from _rate(item, overview)
    if item.channel_sigma:
        yield from _samples(item, gate)
        yield from _windows(item, gate)
        yield from _channels(item, gate)
        yield from _amplitude(item, overview, gate)
    yield from _targets(item)


def _layout(item: SeriesItem, overview: SeriesOverview) -> Iterator[Fault]:
    if item.channels > item.samples:
        yield Fault("swapped", f"{item.channels} channels of {item.samples} samples: axes swapped?")
        return
    if item.channels != overview.channels:
        yield Fault("channel_count", f"{item.channels} channels; the set has {overview.channels:.0f}")
    if item.windows and item.samples != overview.window_samples:
        yield Fault("window_length", f"windows of {item.samples} samples; the set's have {overview.window_samples:.0f}")
    if not item.windows and item.samples < SHORT * overview.samples:
        yield Fault("short", f"{item.samples} samples; the set's median {overview.samples:.0f}", warns=True)


def _rate(item: SeriesItem, overview: SeriesOverview) -> Iterator[Fault]:
    if item.rate_hz is None:
        yield Fault("no_rate", "no sampling rate in the file", warns=True)
    elif item.rate_hz != overview.rate_hz:
        yield Fault("rate", f"{number(item.rate_hz)} Hz; the set has {number(overview.rate_hz)} Hz")


def _samples(item: SeriesItem, gate: SeriesGate) -> Iterator[Fault]:
    if item.nonfinite:
        total = max(item.windows, 1) * item.channels * item.samples
        yield Fault("nonfinite", f"{percent(item.nonfinite / total)} of samples NaN or infinite")
    if item.zero_tail > gate.max_zero_tail:
        yield Fault("zero_tail", f"all channels are 0 from {percent(1 - item.zero_tail)} of the length on")


def _windows(item: SeriesItem, gate: SeriesGate) -> Iterator[Fault]:
    most = gate.max_spoilt_windows * item.windows
    if item.repeated_windows > most:
        yield Fault("repeated", f"{item.repeated_windows} of {item.windows} windows repeat another")
    if item.empty_windows > most:
        yield Fault("empty", f"{item.empty_windows} of {item.windows} windows hold no signal")


def _channels(item: SeriesItem, gate: SeriesGate) -> Iterator[Fault]:
    of, most = f"of {item.channels} channels", gate.max_bad_channels * item.channels
    flat = [at for at, sigma in enumerate(item.channel_sigma) if sigma <= gate.min_channel_sigma_ratio * item.sigma]
    rail = [at for at, share in enumerate(item.channel_rail) if share > gate.max_rail_share and at not in set(flat)]
    few = len(flat) + len(rail) <= most
    if flat:
        yield Fault("flat", f"{len(flat)} {of} flat: {listed(flat, most=NAMED_CHANNELS)}", warns=few)
    if rail:
        share, names = percent(max(item.channel_rail[at] for at in rail)), listed(rail, most=NAMED_CHANNELS)
        yield Fault("rail", f"{len(rail)} {of} at the rail, up to {share} of samples: {names}", warns=few)
    if item.copied_channels:
        few = item.copied_channels <= most
        yield Fault("copies", f"{item.copied_channels} {of} are copies of another", warns=few)
    if item.autocorrelation is not None and abs(item.autocorrelation) < gate.min_autocorrelation:
        yield Fault("white", f"white noise: neighbouring samples correlate by {item.autocorrelation:.3f}")


def _amplitude(item: SeriesItem, overview: SeriesOverview, gate: SeriesGate) -> Iterator[Fault]:
    usual = overview.sigma
    if item.sigma and not 1 / gate.max_scale_ratio <= item.sigma / usual <= gate.max_scale_ratio:
        yield Fault("scale", f"amplitude {item.sigma:.2g}; the set's median {usual:.2g}: another unit?", warns=True)
    if (item.hum_share or 0) > gate.max_hum_share:
        yield Fault("hum", f"{percent(item.hum_share or 0)} of the power is mains hum", warns=True)


def _targets(item: SeriesItem) -> Iterator[Fault]:
    if not item.targets:
        return
    if item.targets_unwritten:
        yield Fault("targets_incomplete", f"{item.targets}: {item.targets_unwritten}: an interrupted write")
        return
    if (length := _wrong_target_length(item)) is not None:
        expected = f"{item.windows} windows" if item.windows else f"{item.samples} samples"
        yield Fault("target_count", f"{length} {item.targets} for {expected}")
    if item.targets_nonfinite:
        yield Fault("targets_nonfinite", f"{item.targets_nonfinite} {item.targets} NaN or infinite")
    if item.targets_constant:
        yield Fault("targets_constant", f"all {item.targets} are the same")


def _wrong_target_length(item: SeriesItem) -> int | None:
    """How many targets there are where that is wrong; one for a whole recording is right."""
    shape = item.targets_shape
    if item.windows:
        length = shape[0] if shape else 1
        return None if length == item.windows else length
    return None if not shape or shape == [1] or item.samples in shape else max(shape)
