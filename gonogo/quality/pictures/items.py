"""One picture file, as it was measured."""

from __future__ import annotations

from pydantic import Field

from gonogo.quality.items import MeasuredItem
from gonogo.quality.pictures.measurements import ImageStatistics

DRAWN = 0.45  # of one luma bin: a drawing, a chart or a page; photographs that look alike have at most 0.05


class ImageItem(MeasuredItem, ImageStatistics):
    """One picture file. Its hash is `content`; why it cannot be read is a problem of the item."""

    detail: float = Field(default=0, description="Laplacian variance of the 32×32 thumbnail / variance, luma")
    sha256: str = Field(default="", exclude=True)
    problem: str = Field(default="", exclude=True)

    @property
    def drawn(self) -> bool:
        return self.pixels is not None and self.pixels.mode_share >= DRAWN
