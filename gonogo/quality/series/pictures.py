"""A recording for the eye: some of its channels as lines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from gonogo.quality.series.files import open_recording, time_last
from gonogo.quality.series.items import SeriesItem

SIZE = (512, 320)
CHANNELS = 8
SAMPLES = 2048


def lines(path: Path, item: SeriesItem) -> Image.Image:
    """Evenly chosen channels of the middle of the recording, or of its middle window; each to its own height."""
    start = max(0, (item.samples - SAMPLES) // 2)
    picture = Image.new("RGB", SIZE, "white")
    draw = ImageDraw.Draw(picture)
    shown = np.unique(np.linspace(0, item.channels - 1, min(CHANNELS, item.channels)).astype(int))
    height = SIZE[1] / len(shown)
    with open_recording(path, item.dataset) as recording:
        array, _ = time_last(recording.arrays[recording.data])
        for row, channel in enumerate(shown.tolist()):
            where = (channel, slice(start, start + SAMPLES))
            values = np.asarray(array[(item.windows // 2, *where)] if item.windows else array[where], dtype=float)
            values = np.nan_to_num(values, nan=0, posinf=0, neginf=0)
            span = max(float(np.ptp(values)), 1e-30)
            y = height * (row + 0.9 - 0.8 * (values - values.min()) / span)
            x = np.linspace(0, SIZE[0] - 1, len(values))
            draw.line(list(zip(x.tolist(), y.tolist(), strict=True)), fill=(30, 60, 110))
    return picture
