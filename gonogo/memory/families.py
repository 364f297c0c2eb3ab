"""What a network is made of, and how far measured peaks lay from the estimates of its kind."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal, TypeAlias

Family: TypeAlias = Literal["convolutional", "transformer", "other"]

# of the published peaks in benchmarks/memory.json: how many, and the measured peak about the estimate in per cent, of
# 19 in 20 (below, above) and of the farthest
MEASURED: dict[Family, tuple[int, float, float, float]] = {
    "convolutional": (44, -4.1, 4.8, 20.3),
    "transformer": (33, -2.7, 10.3, 16.0),
}

_CONVOLUTION = re.compile(r"convolution|conv[123]d")
_ATTENTION = re.compile(r"attention|_softmax")


def farthest_bytes(family: Family, needed_bytes: int) -> int:
    """What a run would need whose peak lies above its estimate as far as the farthest measured one of its family did.

    Of a family of which none was measured, the farthest of all.
    """
    above = MEASURED[family][3] if family in MEASURED else max(found[3] for found in MEASURED.values())
    return int(needed_bytes * (1 + max(above, 0.0) / 100))


def stated(family: Family) -> str:
    """The range of a family's measured peaks about their estimates, in words."""
    if family not in MEASURED:
        return "no measured peak is of a network of this kind"
    count, below, above, farthest = MEASURED[family]
    return (
        f"{count} {family} networks were measured: 19 in 20 at {_signed(below)} to {_signed(above)} % of the estimate, "
        f"the farthest at {_signed(farthest)} %"
    )


def _signed(per_cent: float) -> str:
    return f"{per_cent:+.0f}".replace("-", "−")


def family_of(operations: Iterable[str]) -> Family:
    """By the operators that ran: one with attention is a transformer, though convolutions may stand before it."""
    names = list(operations)
    if any(_ATTENTION.search(name) and "log_softmax" not in name for name in names):
        return "transformer"
    return "convolutional" if any(_CONVOLUTION.search(name) for name in names) else "other"
