"""What is wrong with a recording: alone, and beside the others of its set."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.config.quality_thresholds import SeriesGate
from gonogo.quality.items import Fault
from gonogo.quality.series.items import SeriesItem, SeriesOverview
from gonogo.quality.wording import listed, number, percent
from gonogo.verdict import Check, Status, not_measured

SHORT = 0.1  # of the set's median length is odd
NAMED_CHANNELS = 6
SOUND_HZ = 8000  # from this rate on it is sound, in which digital silence is no fault
WEAK = 0.005  # of the recording's median channel: weak in all recordings of a set, too
VOLTS = {"v": 1.0, "mv": 1e-3, "uv": 1e-6, "nv": 1e-9, "volt": 1.0, "volts": 1.0, "microvolt": 1e-6, "microvolts": 1e-6}
# standard deviation of a channel: below is an amplifier's noise divided by ten, above nothing that a body makes
PLAUSIBLE_V = (2e-8, 0.1)


def recording_faults(item: SeriesItem, overview: SeriesOverview, gate: SeriesGate) -> Iterator[Fault]:
    """The checks that fire for one recording, against the thresholds and the set."""
    if item.unwritten:
        yield Fault("incomplete", f"{item.unwritten}: an interrupted write")
    if item.checksum is False:
        yield Fault("no_checksum", "neither checksum nor gzip: a changed byte would not be noticed", warns=True)
    yield from _layout(item, overview)
    yield from _rate(item, overview)
    if item.channel_sigma:
        yield from _samples(item, gate)
        yield from _windows(item, gate)
        yield from _channels(item, overview, gate)
        yield from _amplitude(item, overview, gate)
    yield from _targets(item)


def _layout(item: SeriesItem, overview: SeriesOverview) -> Iterator[Fault]:
    if item.transposed != overview.transposed:
        others = "(samples, channels)" if overview.transposed else "(channels, samples)"
        yield Fault("swapped", f"axes swapped: the set's others are {others}")
        return
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
        why = f"all channels are 0 from {percent(1 - item.zero_tail)} of the length on"
        padded = (item.rate_hz or 0) >= SOUND_HZ or (item.channels == 1 and item.rate_hz is None)
        yield Fault("zero_tail", why, warns=padded)  # sound is padded to one length
    elif item.held_share > gate.max_held:
        what = "are 0" if item.held_zero else "stay at one value"
        why = f"all channels {what} for {percent(item.held_share)} of the length, from {percent(item.held_from)} on"
        yield Fault("held", why, warns=item.channels == 1 or (item.rate_hz or 0) >= SOUND_HZ)


def _windows(item: SeriesItem, gate: SeriesGate) -> Iterator[Fault]:
    most = gate.max_spoilt_windows * item.windows
    if item.repeated_windows > most:
        yield Fault("repeated", f"{item.repeated_windows} of {item.windows} windows repeat another")
    if item.empty_windows > most:
        yield Fault("empty", f"{item.empty_windows} of {item.windows} windows hold no signal")


def _channels(item: SeriesItem, overview: SeriesOverview, gate: SeriesGate) -> Iterator[Fault]:
    of, most = f"of {item.channels} channels", gate.max_bad_channels * item.channels
    flat = [at for at, sigma in enumerate(item.channel_sigma) if sigma <= gate.min_channel_sigma_ratio * item.sigma]
    alive = [at for at in range(len(item.channel_sigma)) if at not in set(flat)]
    off = [at for at in alive if _is_off(at, item, overview, gate)]
    if off:
        why = f"{len(off)} {of} under {percent(gate.min_usual_sigma_ratio)} of what they have in the set"
        yield Fault(
            "weak", f"{why} (electrode off?): {listed(off, most=NAMED_CHANNELS)}", warns=len(flat + off) <= most
        )
    elif weak := [at for at in alive if item.channel_sigma[at] < WEAK * item.sigma]:
        why = f"{len(weak)} {of} under {percent(WEAK)} of the others, as in the whole set"
        yield Fault("weak", f"{why}: {listed(weak, most=NAMED_CHANNELS)}", warns=True)
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


def _is_off(at: int, item: SeriesItem, overview: SeriesOverview, gate: SeriesGate) -> bool:
    """Whether a channel is far weaker, beside the others of its recording, than it is in the set's median."""
    usual = overview.channel_ratios.get(at, 0.0)
    return item.channel_sigma[at] < gate.min_usual_sigma_ratio * min(usual, 1.0) * item.sigma


def _unit_fault(item: SeriesItem, gate: SeriesGate) -> Fault | None:
    """An amplitude that no recorder of voltages gives in the unit that is named."""
    unit = (item.unit or gate.unit).strip()
    volts = VOLTS.get(unit.replace("μ", "u").replace("µ", "u").lower() if unit != "MV" else "")
    if volts is None or not item.sigma:
        return None
    low, high = PLAUSIBLE_V
    if low <= item.sigma * volts <= high:
        return None
    named = "the file says" if item.unit else "gates.quality.series.unit says"
    fits = [name for name in ("V", "mV", "uV") if low <= item.sigma * VOLTS[name.lower()] <= high]
    why = f"amplitude {item.sigma:.2g}, and {named} {unit}"
    return Fault("unit", f"{why}: {' or '.join(fits)} would fit" if fits else f"{why}: fits no unit of voltage")


def _amplitude(item: SeriesItem, overview: SeriesOverview, gate: SeriesGate) -> Iterator[Fault]:
    usual = overview.sigma
    if fault := _unit_fault(item, gate):
        yield fault
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


def window_leakage(overview: SeriesOverview) -> Check:
    """Windows that stand bit for bit in two splits, whatever files they are in."""
    count, files = overview.leaking_windows
    id_, title, threshold = (
        "window_leakage", "Windows that are in one split", "none with the samples of one in another split"
    )  # fmt: skip
    if overview.window_splits < 2:
        return not_measured(id_, title, "no two splits are cut into windows", threshold=threshold)
    return Check(
        id=id_, title=title, value=count, unit="windows", threshold=threshold,
        status=Status.NO_GO if count else Status.GO,
        why=f"{count} windows are in two splits: {' and '.join(files)}" if count else "",
        hint="Split by recording before it is cut into windows." if count else "", evidence=files,
    )  # fmt: skip
