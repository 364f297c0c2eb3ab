"""The picture that a person looks at, for data of any kind: the worst items first, the reason under each."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from gonogo.base.files import replacing
from gonogo.quality.drawing import BOX, GAP, HEAD, LINE, PAPER, REASONS, cell, reasons, title
from gonogo.quality.inspector import Inspector, Judgement, status_of

COLUMNS = 8
MOST_LETTERS = 20  # of a name
ROW = BOX + (1 + REASONS) * LINE + GAP


def sheet(judgement: Judgement, kind: Inspector, out: Path, limit: int = 60) -> None:
    """Write a PNG of at most `limit` of the judgement's worst items, in the order that it has them.

    A frame is red for a bad item, yellow for one that only warns, green for one without fault. Where the kind has no
    picture of an item, its cell is grey.
    """
    findings = judgement.worst[:limit]
    width = GAP + COLUMNS * (BOX + GAP)
    page = Image.new("RGB", (width, HEAD + -(-len(findings) // COLUMNS) * ROW), PAPER)
    title(page, judgement, f"{kind.item}s", len(findings))
    for index, finding in enumerate(findings):
        corner = (GAP + index % COLUMNS * (BOX + GAP), HEAD + index // COLUMNS * ROW)
        captions = [_end(finding.name), *reasons([fault.reason for fault in finding.faults])]
        cell(page, corner, kind.picture(finding.item), status_of(finding.faults).rgb, captions)
    with replacing(out) as temporary:
        page.save(temporary, compress_level=3)


def _end(name: str) -> str:
    """The file's own name, of a long one its end, where names of a set differ."""
    short = name.rsplit("/", 1)[-1]
    return short if len(short) <= MOST_LETTERS else f"…{short[1 - MOST_LETTERS :]}"
