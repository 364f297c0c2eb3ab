"""Simulated EEG looks like EEG, and shows the factor."""

from __future__ import annotations

import numpy as np

from experiments.eeg.settings import DataSettings
from experiments.eeg.subjects import electrodes, recording, subject

SETTINGS = DataSettings(channels=16, windows=8, artefact_rate=0)


def power(signal: np.ndarray, low_hz: float, high_hz: float) -> np.ndarray:
    """Mean power in a band, over channels; one for each window."""
    spectrum = np.square(np.abs(np.fft.rfft(signal * np.hanning(signal.shape[-1]))))
    frequency = np.fft.rfftfreq(signal.shape[-1], 1 / SETTINGS.sample_rate_hz)
    return spectrum[..., (frequency >= low_hz) & (frequency <= high_hz)].mean(axis=(1, 2))


def test_an_index_and_a_seed_give_the_same_recording() -> None:
    first, again, other = recording(3, SETTINGS, 7), recording(3, SETTINGS, 7), recording(3, SETTINGS, 8)
    assert np.array_equal(first[0], again[0]) and np.array_equal(first[1], again[1])
    assert not np.array_equal(first[0], other[0])


def test_recordings_of_one_subject_share_the_factor_and_no_samples() -> None:
    (one, targets), (two, more) = recording(0, SETTINGS, 0), recording(1, SETTINGS, 0)
    factor = subject(0, SETTINGS, 0).factor
    assert abs(targets.mean() - factor) < 0.5 and abs(more.mean() - factor) < 0.5
    assert not np.isin(one[:, 0, 0], two[:, 0, 0]).any()


def test_amplitudes_are_those_of_eeg_and_power_falls_with_frequency() -> None:
    signal = np.concatenate([recording(item, SETTINGS, 0)[0] for item in range(20)])
    assert 5 < np.median(signal.std(axis=-1)) < 50  # µV
    assert power(signal, 1, 3).mean() > 5 * power(signal, 15, 20).mean() > 10 * power(signal, 40, 45).mean()


def test_alpha_is_posterior() -> None:
    signal = np.concatenate([recording(item, SETTINGS, 0)[0] for item in range(20)])
    back = electrodes(16)[:, 1] < -0.3
    front = electrodes(16)[:, 1] > 0.3
    assert power(signal[:, back], 9, 11).mean() > 1.5 * power(signal[:, front], 9, 11).mean()


def test_theta_rises_and_alpha_falls_with_the_target() -> None:
    found = [recording(item, SETTINGS, 0) for item in range(60)]
    signal, targets = np.concatenate([f[0] for f in found]), np.concatenate([f[1] for f in found])
    balance = np.log(power(signal, 4, 7) / power(signal, 9, 11))
    assert np.corrcoef(balance, targets)[0, 1] > 0.6
    none = SETTINGS.model_copy(update={"factor_effect": 0})
    signal = np.concatenate([recording(item, none, 0)[0] for item in range(60)])
    assert abs(np.corrcoef(np.log(power(signal, 4, 7) / power(signal, 9, 11)), targets)[0, 1]) < 0.25


def test_blinks_are_large_and_in_front() -> None:
    blinking = SETTINGS.model_copy(update={"artefact_rate": 1.0})
    signal = np.concatenate([recording(item, blinking, 0)[0] for item in range(5)])
    front = electrodes(16)[:, 1].argmax()
    back = electrodes(16)[:, 1].argmin()
    assert np.median(np.ptp(signal[:, front], axis=-1)) > 1.5 * np.median(np.ptp(signal[:, back], axis=-1))


def test_faults_are_what_they_are_called() -> None:
    def with_fault(**fault: float) -> np.ndarray:
        return recording(0, SETTINGS.model_copy(update=fault), 0)[0]

    assert np.abs(with_fault(range_uv=25.0)).max() == 25.0
    assert (with_fault(loose_channels=0.25).std(axis=(0, 2)) == 0).sum() == 4
    assert np.isnan(with_fault(gap_windows=0.25)).any(axis=(1, 2)).sum() == 2
