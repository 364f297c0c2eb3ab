"""The figures of a recording, whatever its layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gonogo.quality.series.inspector import SeriesFiles
from gonogo.quality.series.statistics import SeriesStatistics

from .recordings import clipped, eeg, save


@pytest.mark.parametrize("chunks", [None, (30, 1, 16), (1, 12, 256), (4, 3, 100)])
def test_figures_are_the_same_in_any_layout_of_the_file(tmp_path: Path, chunks: tuple[int, ...] | None) -> None:
    data = clipped(eeg(3), 2)
    data[2, 5, 7] = np.nan
    save(tmp_path / "r.h5", data, options={"chunks": chunks})
    found = SeriesFiles().statistics(tmp_path / "r.h5")
    assert np.allclose(found["channel_sigma"], np.nanstd(data.astype(float), axis=(0, 2)), rtol=1e-5)
    held = [(data == side) & ((np.roll(data, 1, -1) == side) | (np.roll(data, -1, -1) == side)) for side in (-9, 9)]
    assert np.allclose(found["channel_rail"][:2], np.max([h.mean(axis=(0, 2)) for h in held], axis=0)[:2], atol=2e-3)
    assert max(found["channel_rail"][2:]) < 1e-3
    assert found["nonfinite"] == 1


def test_moments_survive_an_offset_that_is_far_larger_than_the_signal() -> None:
    data = 1e8 + np.random.default_rng(0).normal(0, 1, (1, 2, 40_000))
    seen = SeriesStatistics((1, 2, 40_000), None)
    for start in range(0, 40_000, 1000):
        seen.add(0, 0, start, data[..., start : start + 1000])
    assert np.allclose(seen.result()["channel_sigma"], data.std(axis=(0, 2)), rtol=1e-4)


def test_only_samples_at_the_extreme_of_the_whole_recording_are_at_the_rail() -> None:
    """A short plateau at 5, overtaken by one at 9 in a later block."""
    seen = SeriesStatistics((1, 1, 200), None)
    data = np.random.default_rng(0).normal(0, 1, (1, 1, 200))
    data[..., 20:60], data[..., 150:153] = 5, 9
    seen.add(0, 0, 0, data[..., :100])
    seen.add(0, 0, 100, data[..., 100:])
    assert seen.result()["channel_rail"] == [3 / 200]
