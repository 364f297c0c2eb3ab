"""Are held-out samples also trained on? Same bytes, near copies, shared groups."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import torch

CHANCE = 0.01  # near copies expected by chance among all that are compared, at the distance that counts as one
FAR_BELOW = 0.1  # a near copy is nearer than this share of the typical distance between two training samples
CLUMPED = 0.5  # of that distance: data comes in clumps, such as crops of one photograph, which are nearer than chance
PAIRS_FROM = 512  # training samples whose distances to each other are computed
AXES = 32  # principal axes along which samples are compared
FEWEST = 8  # training samples
SHOWN = 2  # examples
ALIKE = 1e-6  # spread of a column over its values, below which it says nothing
SMALL = 16  # a sample of no more numbers, all of them whole, can recur by chance


@dataclass
class Side:
    """One side of the split, as far as it was read; a list entry or row for each sample."""

    hashes: list[bytes] = field(default_factory=list)
    vectors: list[np.ndarray] = field(default_factory=list)
    input_columns: int = 0  # of a vector; the target's follow
    grids: tuple[bool, bool] = (False, False)  # whether inputs and targets are pictures or signals
    groups: set[str] = field(default_factory=set)
    whole_numbers: bool = True
    numbers: int = 0  # of one sample
    complete: bool = True

    def __len__(self) -> int:
        return len(self.hashes)

    def recurring(self) -> float | None:
        """Share of the samples that have a twin; None of what cannot recur by chance: pictures, other numbers."""
        if not self.whole_numbers or any(self.grids) or not self.hashes:
            return None
        counts = Counter(self.hashes)
        return sum(counts[found] > 1 for found in self.hashes) / len(self.hashes)


@dataclass(frozen=True)
class Shared:
    """Held-out samples that are also on the training side.

    Attributes:
        exact, near: counts of held-out samples; None: copies can arise by chance, so that they prove nothing.
        groups: names on both sides.
        pairs: of the first few, the place of the held-out sample and that of the training sample, as they were read.
    """

    exact: int | None
    near: int | None
    groups: list[str]
    pairs: list[tuple[int, int]] = field(default_factory=list)


def shared(train: Side, held_out: Side) -> Shared:
    """Counts what both sides share: bytes of (input, target), near copies of it, and group names."""
    groups = sorted(train.groups & held_out.groups)
    if not len(train) or not len(held_out):
        return Shared(None, None, groups)
    if train.whole_numbers and train.numbers <= SMALL:
        return Shared(None, None, groups)
    known = {found: index for index, found in enumerate(train.hashes)}
    copies = np.array([found in known for found in held_out.hashes])
    pairs = [(int(place), known[held_out.hashes[place]]) for place in np.flatnonzero(copies)[:SHOWN]]
    near = _near(train, held_out, ~copies)
    return Shared(int(copies.sum()), len(near), groups, (pairs + near)[:SHOWN])


def _near(train: Side, held_out: Side, compared: np.ndarray) -> list[tuple[int, int]]:
    """Held-out samples, of those in question, that lie nearer to a training sample than chance explains; places."""
    units = _units(train)
    mine, theirs = _evened(train, units), _evened(held_out, units)
    my_places = np.flatnonzero(np.isfinite(mine).all(1))
    their_places = np.flatnonzero(np.isfinite(theirs).all(1) & compared)
    mine, theirs = mine[my_places], theirs[their_places]
    if not len(theirs) or len(mine) < FEWEST:
        return []
    mine, theirs = _whitened(mine, theirs)
    radius = near_radius(mine, len(theirs))
    nearest, which = _distances(theirs, mine).min(1)
    close = torch.nonzero(nearest < radius).flatten().tolist()
    return [(int(their_places[index]), int(my_places[which[index]])) for index in close]


def _units(train: Side) -> np.ndarray:
    """What each column is divided by: the spread of a table's, whatever its unit; pictures keep theirs."""
    rows = np.stack(train.vectors)
    spread = np.nan_to_num(np.nanstd(np.where(np.isfinite(rows), rows, np.nan), 0))
    spread[spread <= ALIKE * np.abs(rows).max(0, initial=0)] = 1
    for is_grid, columns in zip(train.grids, _parts(train), strict=True):
        if is_grid:
            spread[columns] = 1
    return spread


def _parts(side: Side) -> tuple[slice, slice]:
    """Columns of the inputs, and of the targets."""
    return slice(side.input_columns), slice(side.input_columns, None)


def _evened(side: Side, units: np.ndarray) -> np.ndarray:
    """Vectors in which each picture has the same brightness and contrast: a dull one is near to every other."""
    rows = np.stack(side.vectors) / units
    for is_grid, columns in zip(side.grids, _parts(side), strict=True):
        if is_grid:
            part = rows[:, columns]
            spread = part.std(1, keepdims=True)
            rows[:, columns] = (part - part.mean(1, keepdims=True)) / (spread + 0.1 * spread.mean() + 1e-12)
    return rows


def _whitened(train: np.ndarray, held_out: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both along the training samples' principal axes, each axis in its own spread; float32."""
    middle = train.mean(0)
    _, strength, axes = np.linalg.svd(train - middle, full_matrices=False)
    count = int((strength > 1e-3 * strength[0] + 1e-12).sum()) if len(strength) else 0
    count = max(1, min(AXES, count, len(train) // 4))
    turn = axes[:count].T / (strength[:count] / len(train) ** 0.5 + 1e-12)
    return ((train - middle) @ turn).astype(np.float32), ((held_out - middle) @ turn).astype(np.float32)


def _distances(one: np.ndarray, other: np.ndarray) -> torch.Tensor:
    """All with all; the faster way rounds small distances to nothing."""
    exactly = "donot_use_mm_for_euclid_dist"
    return torch.cdist(torch.from_numpy(one), torch.from_numpy(other), compute_mode=exactly)


def near_radius(train: np.ndarray, compared: int) -> float:
    """Distance below which fewer than `CHANCE` of all pairs of `compared` and training samples fall by chance.

    The number of pairs within r grows as r^d, with d the correlation dimension (Grassberger and Procaccia 1983),
    estimated from the training samples' own distances; samples of few dimensions are close by chance, pictures are not.
    """
    sample = torch.from_numpy(train[np.random.default_rng(0).permutation(len(train))[:PAIRS_FROM]])
    distances = np.sort(torch.pdist(sample).numpy())
    distances = distances[distances > 1e-6 * np.median(distances)]
    if not len(distances):
        return 0.0
    low, few, half = (float(np.quantile(distances, share)) for share in (0.005, 0.05, 0.5))
    dimension = min(math.log(10) / math.log(max(few / low, 1.0001)), math.log(10) / math.log(max(half / few, 1.0001)))
    by_chance = CHANCE / (0.05 * compared * len(train))
    return CLUMPED * min(few * min(1.0, by_chance) ** (1 / dimension), FAR_BELOW * half)
