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
TWINS_WITHIN, MOST_TWINS = 4.0, 9  # of a copy's distance from its original: other copies of it lie there, up to so many
FEWEST_ALONE = 2  # one alone may be chance
TWICE_AS_NEAR = 0.5  # or nearer, than to any other sample
SMALL = 16  # a sample of no more numbers, all of them whole, can recur by chance


@dataclass
class Side:
    """One side of the split, as far as it was read; a list entry or row for each sample."""

    hashes: list[bytes] = field(default_factory=list)
    vectors: list[np.ndarray] = field(default_factory=list)
    turned: list[list[np.ndarray]] = field(default_factory=list)  # the same of pictures, turned or mirrored; by way
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
    mine, theirs = (_evened(np.stack(side.vectors), train, units) for side in (train, held_out))
    my_places = np.flatnonzero(np.isfinite(mine).all(1))
    their_places = np.flatnonzero(np.isfinite(theirs).all(1) & compared)
    if not len(their_places) or len(my_places) < FEWEST:
        return []
    middle, turn = _whitening(mine[my_places])
    mine = _along(mine[my_places], middle, turn)
    theirs = _along(theirs[their_places], middle, turn)
    distances = _distances(theirs, mine)
    close = (distances.min(1).values < near_radius(mine, len(theirs))) | _isolated(distances, mine)
    which = distances.argmin(1)
    for rows in held_out.turned:
        way = _distances(_along(_evened(np.stack(rows), train, units)[their_places], middle, turn), mine)
        found = (way.min(1).values < near_radius(mine, len(theirs) * len(held_out.turned))) & ~close
        which, close = torch.where(found, way.argmin(1), which), close | found
    return [
        (int(their_places[index]), int(my_places[which[index]])) for index in torch.nonzero(close).flatten().tolist()
    ]


def _isolated(distances: torch.Tensor, train: np.ndarray) -> torch.Tensor:
    """Whether a held-out sample and its nearest training sample lie far closer to each other than to any other.

    Of n independent samples in d dimensions, the nearest is nearer than r times the next with a chance of r^d. That
    holds for copies with noise, which are no nearer than pictures of one scene may be. The training sample's own
    copies, a few of which an augmented set has, are no other samples.
    """
    nearest, which = distances.min(1)
    between = _distances(train[which.numpy()], train)
    twins = between <= TWINS_WITHIN * nearest[:, None]
    others = distances.masked_fill(twins, math.inf).min(1).values
    dimension, half = _dimension(train, FAR_BELOW * CLUMPED)[::2]
    most = min(TWICE_AS_NEAR, (CHANCE / len(distances)) ** (1 / dimension))
    alone = (nearest < most * others) & (twins.sum(1) <= MOST_TWINS) & (nearest < FAR_BELOW * CLUMPED * half)
    return alone & (alone.sum() >= FEWEST_ALONE)


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


def _evened(rows: np.ndarray, side: Side, units: np.ndarray) -> np.ndarray:
    """Vectors in which each picture has the same brightness and contrast: a dull one is near to every other."""
    rows = rows / units
    for is_grid, columns in zip(side.grids, _parts(side), strict=True):
        if is_grid:
            part = rows[:, columns]
            spread = part.std(1, keepdims=True)
            rows[:, columns] = (part - part.mean(1, keepdims=True)) / (spread + 0.1 * spread.mean() + 1e-12)
    return rows


def _whitening(train: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The training samples' mean, and their principal axes, each over its own spread."""
    middle = train.mean(0)
    _, strength, axes = np.linalg.svd(train - middle, full_matrices=False)
    count = int((strength > 1e-3 * strength[0] + 1e-12).sum()) if len(strength) else 0
    count = max(1, min(AXES, count, len(train) // 4))
    return middle, axes[:count].T / (strength[:count] / len(train) ** 0.5 + 1e-12)


def _along(rows: np.ndarray, middle: np.ndarray, turn: np.ndarray) -> np.ndarray:
    return ((rows - middle) @ turn).astype(np.float32)


def _distances(one: np.ndarray, other: np.ndarray) -> torch.Tensor:
    """All with all; the faster way rounds small distances to nothing."""
    exactly = "donot_use_mm_for_euclid_dist"
    return torch.cdist(torch.from_numpy(one), torch.from_numpy(other), compute_mode=exactly)


def near_radius(train: np.ndarray, compared: int) -> float:
    """Distance below which fewer than `CHANCE` of all pairs of `compared` and training samples fall by chance.

    The number of pairs within r grows as r^d, with d the correlation dimension (Grassberger and Procaccia 1983),
    estimated from the training samples' own distances; samples of few dimensions are close by chance, pictures are not.
    """
    dimension, few, half = _dimension(train)
    by_chance = CHANCE / (0.05 * compared * len(train))
    return CLUMPED * min(few * min(1.0, by_chance) ** (1 / dimension), FAR_BELOW * half)


def _dimension(train: np.ndarray, beyond: float = 1e-6) -> tuple[float, float, float]:
    """Correlation dimension, and the distances that 5 % and half of all pairs fall below.

    Args:
        beyond: pairs that lie nearer than this share of the typical distance are left out.
    """
    sample = torch.from_numpy(train[np.random.default_rng(0).permutation(len(train))[:PAIRS_FROM]])
    distances = np.sort(torch.pdist(sample).numpy())
    distances = distances[distances > beyond * np.median(distances)]
    if not len(distances):
        return 1.0, 0.0, 0.0
    low, few, half = (float(np.quantile(distances, share)) for share in (0.005, 0.05, 0.5))
    fine, coarse = (math.log(10) / math.log(max(ratio, 1.0001)) for ratio in (few / low, half / few))
    return min(fine, coarse), few, half
