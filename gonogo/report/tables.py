"""Rows as a person, a spreadsheet or a program reads them: aligned text, CSV, JSON. Names are text in each."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.cells import cell_len

from gonogo.base.text import clean

FORMULA = ("=", "+", "-", "@")  # first characters by which a spreadsheet takes a text for a formula


def aligned(heads: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()) -> str:
    """Columns side by side, a line for each row; those without a value in any row are left out.

    Args:
        right: heads of the columns that end at their right edge.
    """
    cleaned = [[clean(cell) for cell in row] for row in rows]
    used = [index for index in range(len(heads)) if any(row[index] for row in cleaned)]
    lines = [[heads[index] for index in used], *([row[index] for index in used] for row in cleaned)]
    widths = [max(cell_len(line[column]) for line in lines) for column in range(len(used))]
    to_right = [heads[index] in right for index in used]
    return "\n".join(
        "  ".join(map(_padded, line, widths, to_right)).rstrip() for line in lines
    )  # fmt: skip


def _padded(cell: str, width: int, right: bool) -> str:
    room = " " * (width - cell_len(cell))
    return room + cell if right else cell + room


def to_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """With every key of any row as a column; a text that a spreadsheet would take for a formula has a `'` before it."""
    heads = list(dict.fromkeys(key for row in rows for key in row))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([_cell(head) for head in heads])
    writer.writerows([_cell(row.get(head)) for head in heads] for row in rows)
    return out.getvalue()


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    text = clean(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def to_json(value: Any) -> str:
    """Indented; control characters are escaped."""
    return json.dumps(value, indent=1)
