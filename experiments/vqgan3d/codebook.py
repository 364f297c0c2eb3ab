"""Vector quantisation with a codebook that follows moving averages (van den Oord et al. 2017, appendix A.1)."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from experiments.vqgan3d.settings import CodebookSettings

ROWS = 65536  # tokens whose distances to all entries exist at a time
SMOOTHING = 1e-5
JITTER = 0.01  # of the tokens' spread: entries reset to the same token must differ


class Quantised(NamedTuple):
    values: Tensor  # like z, gradients passed straight through
    commitment: Tensor  # scalar: how far z is from its entries, squared
    indices: Tensor  # (B, X, Y, Z) int64


class Codebook(nn.Module):
    """Entries start at tokens of the first training batch, follow their tokens by moving averages, and are reset to
    tokens when they fall out of use.

    Attributes:
        entries: (codes, width) float32.
        uses: (codes,) tokens of a batch that chose each entry, moving average.
    """

    entries: Tensor
    uses: Tensor
    sums: Tensor

    def __init__(self, settings: CodebookSettings) -> None:
        super().__init__()
        self.settings = settings
        self.register_buffer("entries", torch.randn(settings.codes, settings.width))
        self.register_buffer("uses", torch.zeros(settings.codes))
        self.register_buffer("sums", torch.zeros(settings.codes, settings.width))
        self.initialised = False

    def forward(self, z: Tensor) -> Quantised:
        """z: (B, width, X, Y, Z) of any dtype."""
        tokens = z.detach().float().movedim(1, -1).flatten(0, -2)
        with torch.no_grad(), torch.autocast(z.device.type, enabled=False):
            if self.training and not self.initialised:
                self._initialise(tokens)
            indices = self._nearest(tokens)
            chosen = F.embedding(indices, self.entries)
            if self.training:
                self._follow(tokens, indices)
        quantised = chosen.view(z.shape[0], *z.shape[2:], z.shape[1]).movedim(-1, 1)
        commitment = F.mse_loss(z.float(), quantised)
        values = z + (quantised - z).detach()
        return Quantised(values, commitment, indices.view(z.shape[0], *z.shape[2:]))

    def _nearest(self, tokens: Tensor) -> Tensor:
        norms = self.entries.square().sum(1)
        found = [(norms - 2 * rows @ self.entries.T).argmin(1) for rows in tokens.split(ROWS)]
        return torch.cat(found)

    def _initialise(self, tokens: Tensor) -> None:
        self.entries.copy_(self._some(tokens))
        self.sums.copy_(self.entries)
        self.uses.fill_(1.0)
        self.initialised = True

    def _follow(self, tokens: Tensor, indices: Tensor) -> None:
        decay, codes = self.settings.decay, self.settings.codes
        counts = torch.zeros_like(self.uses).index_add_(0, indices, torch.ones_like(tokens[:, 0]))
        sums = torch.zeros_like(self.sums).index_add_(0, indices, tokens)
        self.uses.mul_(decay).add_(counts, alpha=1 - decay)
        self.sums.mul_(decay).add_(sums, alpha=1 - decay)
        total = self.uses.sum()
        smoothed = (self.uses + SMOOTHING) / (total + codes * SMOOTHING) * total
        self.entries.copy_(self.sums / smoothed[:, None])
        self._restart(tokens)

    def _restart(self, tokens: Tensor) -> None:
        """Reset rarely used entries to tokens of this batch, as if they had been used just often enough."""
        least = self.settings.restart_below
        dead = self.uses < least
        self.entries.copy_(torch.where(dead[:, None], self._some(tokens), self.entries))
        self.uses.copy_(torch.where(dead, torch.full_like(self.uses, least), self.uses))
        self.sums.copy_(torch.where(dead[:, None], self.entries * least, self.sums))

    def _some(self, tokens: Tensor) -> Tensor:
        """A random token for each entry, slightly displaced."""
        chosen = tokens[torch.randint(len(tokens), (self.settings.codes,), device=tokens.device)]
        return chosen + JITTER * tokens.std() * torch.randn_like(chosen)

    def get_extra_state(self) -> dict[str, Any]:
        return {"initialised": self.initialised}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.initialised = state["initialised"]


def usage(counts: Tensor) -> Tensor:
    """Share 0-1 of entries chosen by any token; counts: (codes,)."""
    return (counts > 0).float().mean()


def perplexity(counts: Tensor) -> Tensor:
    """exp of the entropy of the choices: the number of entries, if all are used equally."""
    share = counts.float() / counts.sum().clamp(min=1)
    return (-(share * share.clamp(min=1e-12).log()).sum()).exp()
