"""Is the answer given away: by the inputs, which hold the targets, or by the split, which cuts one recording twice?"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from gonogo.learning.features import SHORTEST

ASKED_SAMPLES = 32  # whose target values are looked for in their own input
MOST_VALUES = 1 << 21  # of an input, above which it is not searched
MOST_COLUMNS = 512  # of a table
FEWEST_ROWS = 32
RUN = 8  # values in a row that two windows share only where they overlap
MOST_SIGNAL = 8 << 20  # values of one side that are kept
DISTINCT = 16  # values of one target
WHOLE = 0.5  # share of whole numbers in the targets, above which they recur by chance: masks, classes, counts


@dataclass
class GivenAway:
    """What one side of the split shows of it, batch by batch."""

    # of each sample that was asked, the share of its target's runs of values that stand in its own input
    shares: list[float] = field(default_factory=list)
    # of targets with many values of their own, which no two samples share by chance
    target_hashes: list[bytes | None] = field(default_factory=list)
    _rows: list[Tensor] = field(default_factory=list)
    _answers: list[Tensor] = field(default_factory=list)
    _signals: list[np.ndarray] = field(default_factory=list)
    _kept: int = 0

    def add(self, inputs: Tensor, targets: Tensor, hashes: list[bytes]) -> None:
        """A batch: inputs (N, …), targets (N, …), and 16 bytes for each target."""
        x, y = inputs.detach().cpu(), targets.detach().cpu()
        if x.shape == y.shape and torch.equal(x, y):
            return  # an autoencoder
        self.target_hashes += [h if _own(values) else None for values, h in zip(y, hashes, strict=True)]
        for mine, answer in zip(x, y, strict=True):
            if len(self.shares) >= ASKED_SAMPLES or not _own(answer) or mine.numel() > MOST_VALUES:
                break
            self._look_for(answer, mine)
        wide = y.reshape(len(y), -1).shape[1] if y.ndim else 1
        if x.ndim == 2 and x.shape[1] <= MOST_COLUMNS and wide <= RUN and x.is_floating_point():
            self._rows.append(x.float())
            self._answers.append(y.reshape(len(y), -1).float())
        if x.ndim == 3 and x.shape[-1] >= SHORTEST and x.is_floating_point() and self._kept < MOST_SIGNAL:
            self._signals += list(x[:, 0].float().contiguous().numpy())
            self._kept += len(x) * x.shape[-1]

    def _look_for(self, answer: Tensor, mine: Tensor) -> None:
        """By runs of values, because in pictures of 8 bits each single value is in every other."""
        if min(answer.shape[-1:] or (0,)) < RUN or min(mine.shape[-1:] or (0,)) < RUN:
            return
        wanted, tells = _runs(answer.float().contiguous().numpy())
        if tells.any():
            there = _runs(mine.float().contiguous().numpy())[0]
            self.shares.append(float(np.isin(wanted[tells], there).mean()))

    @property
    def share(self) -> float | None:
        """Mean over samples; None: targets whose values recur by chance, or inputs that are too large."""
        return float(np.mean(self.shares)) if self.shares else None

    def column(self) -> tuple[int, float] | None:
        """The input's column that tells a column of the target best, and their correlation; None: no table."""
        if sum(map(len, self._rows)) < FEWEST_ROWS:
            return None
        x, y = torch.cat(self._rows).double(), torch.cat(self._answers).double()
        x, y = (part - part.mean(0) for part in (x, y))
        scale = x.norm(dim=0).unsqueeze(1) * y.norm(dim=0)
        found = torch.where(scale > 1e-9, (x.T @ y).abs() / scale.clamp_min(1e-9), torch.zeros_like(scale)).amax(1)
        found = torch.nan_to_num(found)
        best = int(found.argmax())
        return best, min(1.0, float(found[best]))

    def shares_recording_with(self, held_out: GivenAway) -> int | None:
        """How many held-out windows overlap a window of this side; None: no signals."""
        if not self._signals or not held_out._signals:
            return None
        known = np.concatenate([_runs(signal)[0] for signal in self._signals])
        count = 0
        for signal in held_out._signals:
            runs, tells = _runs(signal)
            asked = [place for place in (0, len(runs) // 2, len(runs) - 1) if tells[place]]
            count += bool(asked) and bool(np.isin(runs[asked], known).any())
        return count


def _own(values: Tensor) -> bool:
    """Whether these are so many numbers of their own that another's are the same only where they were copied."""
    if not values.is_floating_point() or values.numel() < DISTINCT:
        return False
    whole = float((values == values.round()).float().mean())
    return whole < WHOLE and len(torch.unique(values)) >= DISTINCT


def _runs(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A number for each run of RUN values along the last axis, and whether it tells: constant ones, and whole numbers,
    recur by chance.
    """
    windows = np.lib.stride_tricks.sliding_window_view(values, RUN, axis=-1)
    bits = np.lib.stride_tricks.sliding_window_view(values.view(np.uint32).astype(np.uint64), RUN, axis=-1)
    powers = np.array([pow(6364136223846793005, power, 1 << 64) for power in range(RUN)], np.uint64)
    with np.errstate(over="ignore"):
        runs = (bits * powers).sum(-1, dtype=np.uint64)
    tells = (windows != windows[..., :1]).any(-1) & (windows != windows.round()).any(-1)
    return runs.ravel(), tells.ravel()
