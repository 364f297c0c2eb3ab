"""Figures and lists of names, as checks and the reasons under pictures say them."""

from __future__ import annotations

from collections.abc import Sequence

NAMED = 10  # files or items that a check names


def times(sizes: Sequence[float]) -> str:
    """`512×512×604`, `0.7×0.7×1.25`."""
    return "×".join(number(size) for size in sizes)


def number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"


def percent(share: float) -> str:
    """`12 %`; small ones with digits."""
    return f"{100 * share:.3g} %" if share < 0.1 else f"{100 * share:.0f} %"


def listed(names: Sequence[object], total: int | None = None, most: int = NAMED) -> str:
    """The first few names, and how many more there are."""
    more = (len(names) if total is None else total) - len(names[:most])
    return ", ".join(map(str, names[:most])) + (f" and {more} more" if more > 0 else "")
