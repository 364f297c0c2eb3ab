"""One picture file, as it was measured."""

from __future__ import annotations

from pydantic import Field

from gonogo.quality.items import MeasuredItem
from gonogo.quality.pictures.measurements import ImageStatistics


class ImageItem(MeasuredItem, ImageStatistics):
    """One picture file. Its hash is `content`; why it cannot be read is a problem of the item."""

    detail: float = Field(default=0, description="Laplacian variance of the 32×32 thumbnail / variance, luma")
    sha256: str = Field(default="", exclude=True)
    problem: str = Field(default="", exclude=True)
