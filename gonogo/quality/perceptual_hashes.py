"""Pictures that look the same: a hash that survives another encoding, and the search for hashes that are near.

A hash holds 128 comparisons of neighbouring cells of an 8×8 grid, across and down (Krawetz, Kind of Like That, 2013,
in both directions), and the colours of the four quarters. Comparisons alone take one clear sky for another: 1 in 10⁷
pairs of crops of different photographs is within `TOLERANCE`, and all of those differ in their colours.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import cv2
import numpy as np

TOLERANCE = 6  # of 128 comparisons; re-encoded at quality 60: 97 % of copies are within, halved in size: 99 %
STEP = 1  # levels by which neighbouring cells must differ, so that noise on flat ground turns no comparison
TELLING_STEP, TELLING = 2, 24  # a picture is described by its hash where so many comparisons are beyond so many levels
COLOUR_TOLERANCE = 14  # Σ over 12 colours of the distance, its median taken off, in 1/16 of the range
HASH_DIGITS, DIGITS = 32, 44  # hex: of the comparisons, and with the colours that follow

BANDS = TOLERANCE + 2  # two hashes within the tolerance are equal in at least two of so many bands
CROWDED = 400  # hashes with two equal bands that each is held against, at most
SAMPLE = 10_000  # hashes by which bits are dealt to bands
BATCH = 100_000  # pairs that are handed on together


def _cells(count: int) -> np.ndarray:
    """(count, 32): weights by which 32 values become the means of `count` cells of equal width."""
    edges = np.linspace(0, 32, count + 1)
    overlap = np.minimum(edges[1:, None], np.arange(1, 33)) - np.maximum(edges[:-1, None], np.arange(32))
    return (overlap.clip(0) * count / 32).astype(np.float32)


# of rows or columns, and neighbours' differences; all are whole multiples of 1/32, so that sums over levels are exact
EIGHTHS, NINTHS = _cells(8), _cells(9)
NINTHS_APART = np.diff(NINTHS, axis=0)
_ODD = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F], np.uint64)


def near_hashes(thumbnails: np.ndarray) -> list[str]:
    """Hex digits that differ in few bits for pictures that look the same; empty for one with too little in it.

    Args:
        thumbnails: (N, 32, 32, 3) BGR, levels 0-255.
    """
    greys = grey_thumbnails(thumbnails).astype(np.float32)
    steps = np.concatenate([EIGHTHS @ (greys @ NINTHS_APART.T), NINTHS_APART @ (greys @ EIGHTHS.T)], axis=1)
    telling = np.count_nonzero(np.abs(steps) > TELLING_STEP, axis=(1, 2)) >= TELLING
    comparisons = np.packbits((steps > STEP).reshape(len(steps), -1), axis=1)
    quarters = cv2.resize(thumbnails.reshape(-1, 32, 3), (2, 2 * len(steps)), interpolation=cv2.INTER_AREA)
    colours = quarters.reshape(len(steps), -1)
    return [
        bits.tobytes().hex() + colour.tobytes().hex()[::2] if tells else ""
        for bits, colour, tells in zip(comparisons, colours, telling.tolist(), strict=True)
    ]


def near_hash(thumbnail: np.ndarray) -> str:
    """`near_hashes` of one (32, 32, 3)."""
    return near_hashes(thumbnail[None])[0]


def difference_hashes(thumbnails: np.ndarray) -> list[str]:
    """64-bit difference hashes in hex: which of 9×8 cells are brighter than those to their left.

    Args:
        thumbnails: as of `near_hashes`.
    """
    cells = np.rint(EIGHTHS @ (grey_thumbnails(thumbnails).astype(np.float32) @ NINTHS.T))
    return [bits.tobytes().hex() for bits in np.packbits((cells[..., 1:] > cells[..., :-1]).reshape(-1, 64), axis=1)]


def grey_thumbnails(thumbnails: np.ndarray) -> np.ndarray:
    """(N, 32, 32) uint8 luma of (N, 32, 32, 3) BGR."""
    return cv2.cvtColor(thumbnails.reshape(-1, 32, 3), cv2.COLOR_BGR2GRAY).reshape(-1, 32, 32)


def as_numbers(near: str) -> tuple[int, int, int]:
    """A hash as three numbers below 2⁶⁴: two of comparisons, one of colours; what else it holds is left out."""
    digits = near[:DIGITS].ljust(DIGITS, "0")
    return int(digits[:16], 16), int(digits[16:HASH_DIGITS], 16), int(digits[HASH_DIGITS:], 16)


def near_pairs(hashes: np.ndarray, colours: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Every pair of hashes within the tolerance, once, many together, as arrays of their two indices.

    Exact, but where more than `CROWDED` hashes are equal in two bands, as in a film of a scene that stands still: of
    those each is held against as many.

    Args:
        hashes: (N, 2) uint64, no two alike together with their colours.
        colours: (N,) uint64.
    """
    if len(hashes) < 2:
        return
    waiting: list[tuple[np.ndarray, np.ndarray]] = []
    for first, second in _within(hashes):
        alike = _same_colours(colours[first], colours[second])
        if alike.any():
            waiting.append((first[alike], second[alike]))
        if sum(len(first) for first, _ in waiting) > BATCH:
            yield _joined(waiting)
            waiting = []
    if waiting:
        yield _joined(waiting)


def _joined(pairs: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    return np.concatenate([first for first, _ in pairs]), np.concatenate([second for _, second in pairs])


def _within(hashes: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs of hashes that differ in at most `TOLERANCE` bits, each once.

    Bits are dealt to bands so that all bands tell about as much. By the pigeonhole principle two hashes with at most
    k differing bits are equal in at least two of k + 2 bands: only hashes that are need to be compared.
    """
    bands = _bands(hashes)
    for one, other in combinations(range(BANDS), 2):
        for first, second in _equal_in(hashes, bands[one] | bands[other]):
            differing = hashes[first] ^ hashes[second]
            seen = np.zeros(len(first), bool)  # the pair belongs to the first two bands in which it is equal
            for band in range(other):
                if band != one:
                    seen |= ~(differing & bands[band]).any(axis=1)
            yield first[~seen], second[~seen]


def _bands(hashes: np.ndarray) -> np.ndarray:
    """(BANDS, 2) masks; each bit is in one of them, and those that vary most are spread over all."""
    sample = np.unpackbits(hashes[:: len(hashes) // SAMPLE + 1].view(np.uint8).reshape(-1, 16), axis=1)
    order = np.argsort(np.abs(sample.mean(axis=0) - 0.5), kind="stable")
    masks = np.zeros((BANDS, 128), np.uint8)
    masks[np.arange(128) % BANDS, order] = 1
    return np.packbits(masks, axis=1).view(np.uint64)


def _equal_in(hashes: np.ndarray, mask: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs within the tolerance, of the hashes that are equal under the mask (2,)."""
    keys = (hashes[:, 0] & mask[0]) * _ODD[0] ^ (hashes[:, 1] & mask[1]) * _ODD[1]
    members = np.argsort(keys, kind="stable")
    keys = keys[members]
    again = np.flatnonzero(keys[1:] == keys[:-1])
    if not len(again):
        return
    # runs of equal keys, as positions [start, end) in the sorted order
    starts = again[np.r_[True, np.diff(again) > 1]]
    ends = again[np.r_[np.diff(again) > 1, True]] + 2
    lengths = ends - starts
    end_of = np.repeat(ends, lengths)
    position = np.arange(len(end_of)) + np.repeat(starts - np.r_[0, np.cumsum(lengths)[:-1]], lengths)
    for step in range(1, min(int(lengths.max()), CROWDED + 1)):
        within = position + step < end_of
        position, end_of = position[within], end_of[within]
        first, second = members[position], members[position + step]
        near = np.bitwise_count(hashes[first] ^ hashes[second]).sum(axis=1) <= TOLERANCE
        if near.any():
            yield first[near], second[near]


def _same_colours(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Whether the quarters' colours differ by little but one shift of brightness."""
    shifts = np.arange(0, 48, 4, dtype=np.uint64)
    mine, theirs = ((side[:, None] >> shifts & np.uint64(15)).astype(np.int8) for side in (one, other))
    apart = mine - theirs
    return np.abs(apart - np.median(apart, axis=1, keepdims=True)).sum(axis=1) <= COLOUR_TOLERANCE
