"""Simulated people: each with a scalp, a latent factor, and EEG that shows it.

The factor raises frontal theta (4-7 Hz) and lowers posterior alpha (8-12 Hz). Theta has been reported to
grow with factors such as attention problems (Arns, Conners and Kraemer, J. Atten. Disord. 17, 2013); the effect sizes
here are invented.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from experiments.eeg.settings import DataSettings

BACKGROUND_UV = 12.0  # standard deviation of the background
THETA_UV, ALPHA_UV = 6.0, 10.0  # amplitude of the rhythms at the factor's mean
BLINK_UV, BLINK_S = 110.0, 0.3
MUSCLE_UV = 18.0
SENSOR_UV = 1.0
FORGETTING_S = 0.5  # time over which a rhythm's amplitude changes


@dataclass(frozen=True)
class Subject:
    """
    Attributes:
        factor: standard normal over people; the quantity to predict.
        exponent: of the power of the background, 1/f^exponent.
        theta_hz, alpha_hz: where the rhythms peak.
        gain: of the whole recording, because skulls differ.
        sources: (channels, sources), how strongly each background source reaches the electrodes.
    """

    factor: float
    exponent: float
    theta_hz: float
    alpha_hz: float
    gain: float
    sources: np.ndarray


def electrodes(count: int) -> np.ndarray:
    """(count, 3) positions on the unit sphere, even over its upper two thirds: x to the right, y to the front, z up."""
    index = np.arange(count)
    height = 1 - (index + 0.5) / count * 4 / 3
    around = index * np.pi * (3 - 5**0.5)  # golden angle
    radius = np.sqrt(1 - height**2)
    return np.stack([radius * np.cos(around), radius * np.sin(around), height], axis=1)


def pattern(places: np.ndarray, centre: tuple[float, float, float], width: float = 0.7) -> np.ndarray:
    """(channels,) how strongly a source at `centre` appears at each electrode, at most 1."""
    toward = np.asarray(centre) / np.linalg.norm(centre)
    return np.exp(-np.square(places - toward).sum(axis=1) / (2 * width**2))


def subject(number: int, settings: DataSettings, seed: int) -> Subject:
    """The same number and seed give the same person."""
    rng = np.random.default_rng([seed, number, 0])
    places = electrodes(settings.channels)
    centres = rng.normal(size=(12, 3))
    sources = np.stack([pattern(places, tuple(centre)) for centre in centres], axis=1)
    return Subject(
        factor=float(rng.normal()),
        exponent=float(rng.uniform(0.8, 1.4)),
        theta_hz=float(rng.uniform(4.5, 6.5)),
        alpha_hz=float(rng.uniform(9.0, 11.0)),
        gain=float(np.exp(rng.normal(0, 0.15))),
        sources=sources / np.linalg.norm(sources, axis=1, keepdims=True),
    )


def recording(item: int, settings: DataSettings, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The windows of one recording (windows, channels, samples) in µV, float32, and the target of each, float32.

    A target is the subject's factor plus their momentary state; both affect the signal in the same way.
    """
    number = item // settings.recordings_per_subject
    who, rng = subject(number, settings, seed), np.random.default_rng([seed, item, 1])
    targets = who.factor + settings.state_sigma * rng.normal(size=settings.windows)
    signal = np.stack([_window(who, target, settings, rng) for target in targets])
    loose = rng.permutation(settings.channels)[: round(settings.loose_channels * settings.channels)]
    signal[:, loose] = 0
    signal = np.clip(signal, -settings.range_uv, settings.range_uv)
    for window in rng.permutation(settings.windows)[: round(settings.gap_windows * settings.windows)]:
        start = rng.integers(0, settings.window_samples // 2)
        signal[window, :, start : start + settings.window_samples // 4] = np.nan
    return signal.astype(np.float32), targets.astype(np.float32)


def _window(who: Subject, target: float, settings: DataSettings, rng: np.random.Generator) -> np.ndarray:
    places, samples, rate = electrodes(settings.channels), settings.window_samples, settings.sample_rate_hz
    strength = settings.factor_effect * target
    background = who.sources @ _coloured(len(who.sources.T), samples, who.exponent, rng)
    theta = THETA_UV * np.exp(strength) * _rhythm(who.theta_hz, samples, rate, rng)
    alpha = ALPHA_UV * np.exp(-strength) * _rhythm(who.alpha_hz, samples, rate, rng)
    signal = BACKGROUND_UV * background
    signal += np.outer(pattern(places, (0, 0.7, 0.7)), theta) + np.outer(pattern(places, (0, -0.9, 0.4)), alpha)
    signal += SENSOR_UV * rng.normal(size=signal.shape)
    return who.gain * signal + _artefacts(places, samples, rate, settings.artefact_rate, rng)


def _coloured(count: int, samples: int, exponent: float, rng: np.random.Generator) -> np.ndarray:
    """(count, samples) noise of unit variance with power 1/f^exponent, none at 0 Hz."""
    frequency = np.arange(samples // 2 + 1)
    spectrum = rng.normal(size=(count, len(frequency))) + 1j * rng.normal(size=(count, len(frequency)))
    spectrum *= np.where(frequency > 0, np.maximum(frequency, 1) ** (-exponent / 2), 0)
    noise = np.fft.irfft(spectrum, samples)
    return noise / noise.std(axis=1, keepdims=True)


def _rhythm(frequency_hz: float, samples: int, rate_hz: float, rng: np.random.Generator) -> np.ndarray:
    """(samples,) an oscillation of mean amplitude 1 that grows and fades."""
    times = np.arange(samples) / rate_hz
    knots = np.arange(-1, samples / rate_hz / FORGETTING_S + 2)
    envelope = np.interp(times / FORGETTING_S, knots, rng.uniform(0.6, 1.4, len(knots)))
    return envelope * np.sin(2 * np.pi * (frequency_hz * times + rng.uniform()))


def _artefacts(places: np.ndarray, samples: int, rate_hz: float, share: float, rng: np.random.Generator) -> np.ndarray:
    """(channels, samples): in some windows a blink, at the front, or muscle noise, at one temple."""
    found = np.zeros((len(places), samples))
    if rng.uniform() < share:
        times = (np.arange(samples) - rng.integers(samples)) / rate_hz
        found += np.outer(pattern(places, (0, 1, 0), 0.5), BLINK_UV * np.exp(-np.square(times / BLINK_S * 2)))
    if rng.uniform() < share / 2:
        noise = np.diff(rng.normal(size=samples + 1)) * np.hanning(samples)
        found += np.outer(pattern(places, (rng.choice([-1, 1]), 0.2, 0), 0.4), MUSCLE_UV * noise)
    return found
