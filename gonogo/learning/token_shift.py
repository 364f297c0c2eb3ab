"""Token by token: is the target the token at its own place, or the next one?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

FEWEST_TOKENS = 3
FEWEST_TARGETS = 8


@dataclass
class TokenShift:
    """Least shares over the batches; None: these are no tokens, or too few targets count.

    Attributes:
        itself: of targets that are the token at their own place.
        following: that are the next token.
    """

    itself: float | None = None
    following: float | None = None

    def add(self, tokens: Tensor, targets: Tensor) -> None:
        """Tokens (N, T) of a batch, and targets of as many or one less a row, in any shape."""
        if tokens.ndim != 2 or tokens.shape[1] < FEWEST_TOKENS or targets.is_floating_point():
            return
        if tokens.is_floating_point() or tokens.dtype == torch.bool or not len(tokens):
            return
        width = targets.numel() // len(tokens)
        if targets.numel() != width * len(tokens) or width not in {tokens.shape[1], tokens.shape[1] - 1}:
            return
        rows = targets.reshape(len(tokens), width)
        known = rows >= 0
        if int(known.sum()) < FEWEST_TARGETS:
            return
        share = float(((rows == tokens[:, :width]) & known).sum() / known.sum())
        self.itself = share if self.itself is None else min(self.itself, share)
        inner = min(width, tokens.shape[1] - 1)
        following = (rows[:, :inner] == tokens[:, 1 : inner + 1]) & known[:, :inner]
        share = float(following.sum() / known[:, :inner].sum().clamp(min=1))
        self.following = share if self.following is None else min(self.following, share)
