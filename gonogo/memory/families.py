"""What a network is made of, and how far measured peaks lay from the estimates of its kind."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal, TypeAlias

Family: TypeAlias = Literal["convolutional", "transformer", "other"]

_CONVOLUTION = re.compile(r"convolution|conv[123]d")
_ATTENTION = re.compile(r"attention|_softmax")


def family_of(operations: Iterable[str]) -> Family:
    """By the operators that ran: one with attention is a transformer, though convolutions may stand before it."""
    names = list(operations)
    if any(_ATTENTION.search(name) and "log_softmax" not in name for name in names):
        return "transformer"
    return "convolutional" if any(_CONVOLUTION.search(name) for name in names) else "other"
