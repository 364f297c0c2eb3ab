"""What stands in place of a contact sheet where predictions are no pictures: the figures alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from gonogo.base.files import replacing

WIDTH, LINE, SIZE = 640, 34, 20


def answers_page(metrics: Mapping[str, float], out: Path) -> None:
    """A PNG with one line for each metric."""
    lines = [
        "Predictions are no items of the data's kind.",
        *(f"{name}: {value:.4g}" for name, value in metrics.items()),
    ]
    page = Image.new("RGB", (WIDTH, LINE * (len(lines) + 1)), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(SIZE)
    for row, line in enumerate(lines):
        draw.text((LINE // 2, LINE // 2 + LINE * row), line, fill="black", font=font)
    with replacing(out) as temporary:
        page.save(temporary, format="PNG")
