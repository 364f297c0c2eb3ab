"""Shares with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def share(rows: Sequence[dict[str, Any]], part: str, whole: str) -> dict[str, Any]:
    """Of sums over rows: `count`, `of`, `wilson_95`."""
    count, total = (sum(row[key] for row in rows) for key in (part, whole))
    return share_of(count, total)


def share_of(count: int, total: int) -> dict[str, Any]:
    low, high = wilson(count, total)
    return {"count": count, "of": total, "wilson_95": [round(low, 4), round(high, 4)]}


def show_shares(result: dict[str, Any]) -> None:
    """A line for each share that a result holds."""
    for name, found in result.items():
        if isinstance(found, dict) and "wilson_95" in found:
            low, high = found["wilson_95"]
            print(f"{name}: {found['count']} of {found['of']} ({low:.1%} - {high:.1%})")


def wilson(count: int, total: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson, JASA 22, 1927)."""
    if not total:
        return 0.0, 1.0
    z, part = 1.96, count / total
    middle, reach = (
        part + z * z / (2 * total),
        z * float(np.sqrt(part * (1 - part) / total + (z / (2 * total)) ** 2)),
    )
    scale = 1 + z * z / total
    return max((middle - reach) / scale, 0.0), min((middle + reach) / scale, 1.0)
