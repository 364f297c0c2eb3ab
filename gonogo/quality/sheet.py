"""The picture that a person looks at, for data of any kind: the worst items first, the reason under each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PIL import Image

from gonogo.base.files import replacing
from gonogo.quality.drawing import BOX, GAP, HEAD, LINE, PAPER, REASONS, cell, drawable, reasons, title
from gonogo.quality.items import MeasuredItem, status_of
from gonogo.quality.judgement import Judgement

COLUMNS = 8
MOST_LETTERS = 20  # of a name
ROW = BOX + (1 + REASONS) * LINE + GAP


def sheet(judgement: Judgement, item: str, picture_of: Callable[[MeasuredItem], Image.Image | None], out: Path) -> None:
    """Write a PNG of the judgement's worst items, in the order that it has them.

    A frame is red for a bad item, yellow for one that only warns, green for one without fault. Where there is no
    picture of an item, its cell is grey.

    Args:
        item: what one is called.
    """
    findings = judgement.worst
    width = GAP + COLUMNS * (BOX + GAP)
    page = Image.new("RGB", (width, HEAD + -(-len(findings) // COLUMNS) * ROW), PAPER)
    title(page, judgement, f"{item}s", len(findings))
    for index, finding in enumerate(findings):
        corner = (GAP + index % COLUMNS * (BOX + GAP), HEAD + index // COLUMNS * ROW)
        captions = [_end(drawable(finding.name)), *reasons([fault.reason for fault in finding.faults])]
        cell(page, corner, picture_of(finding.item), status_of(finding.faults).rgb, captions)
    with replacing(out) as temporary:
        page.save(temporary, compress_level=3)


def _end(name: str) -> str:
    """The file's own name, of a long one its end, where names of a set differ."""
    short = name.rsplit("/", 1)[-1]
    return short if len(short) <= MOST_LETTERS else f"…{short[1 - MOST_LETTERS :]}"
