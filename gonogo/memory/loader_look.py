"""What an experiment's loaders really make: the longest training batch, and the batch of validation."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, IterableDataset

from gonogo.memory.torch_private import tree_flatten, tree_leaves, tree_unflatten

ALIKE_S, VARYING_S = 0.5, 5.0  # of reading items: while all have one shape, and once they differ
FEWEST = 8  # items that are read whatever the time
BATCHES = 32  # of a loader whose items cannot be read one by one
HIGH = 0.99  # quantile beside the longest
STRIDE = 7919  # items are read in steps of a prime, so that a part of them is spread over the whole


@dataclass
class Look:
    """What was seen of a loader.

    Attributes:
        batches: (what it is, the batch), beside the ordinary ones; the longest last. Empty: all have one shape.
        first: the loader's own first batch; None: not read.
        count: batches of an epoch; 0: not known.
        read: how much of it was read, in words.
        varies: batches differ in shape.
    """

    batches: list[tuple[str, Any]] = field(default_factory=list)
    first: Any = None
    count: int = 0
    read: str = ""
    varies: bool = False


def look(loader: Any, batch_size: int) -> Look:
    """Read items, or batches, for a few seconds at most; every one costs what the loader's own takes.

    Args:
        batch_size: samples of the batches to make of the longest items; 0: as many as the loader's.
    """
    dataset: Any = getattr(loader, "dataset", None)
    own_order = type(getattr(loader, "batch_sampler", None)) is not BatchSampler
    if not isinstance(loader, DataLoader) or isinstance(dataset, IterableDataset) or own_order or not _sized(dataset):
        return _of_batches(loader)
    sizes = dict(_items(dataset))
    found = Look(count=_length(loader), read=f"{len(sizes):,} of {len(dataset):,} items")
    by_size = sorted(sizes, key=lambda index: sizes[index])
    size = batch_size or loader.batch_size or 1
    collate = loader.collate_fn
    shortest, longest = (collate([dataset[index]] * size) for index in (by_size[0], by_size[-1]))
    found.first = collate([dataset[index % len(dataset)] for index in range(size)])
    if shapes(shortest) == shapes(longest):
        return found
    found.varies = True
    high = by_size[min(int(HIGH * len(by_size)), len(by_size) - 1)]
    if sizes[high] < sizes[by_size[-1]]:
        batch = collate([dataset[high]] * size)
        found.batches.append((f"{_longest_axis(batch, shortest)} (99 of 100 are no longer)", batch))
    found.batches.append((f"{_longest_axis(longest, shortest)} (the longest)", longest))
    return found


def _items(dataset: Any) -> Iterator[tuple[int, int]]:
    """Index and elements of items, spread over the whole set."""
    began, count, known = time.monotonic(), len(dataset), set()
    step = STRIDE if count % STRIDE else 1
    for number in range(count):
        index = number * step % count
        size = _elements(dataset[index])
        yield index, size
        known.add(size)
        limit_s = ALIKE_S if len(known) == 1 else VARYING_S
        if number >= FEWEST and time.monotonic() - began > limit_s:
            return


def _elements(item: Any) -> int:
    """Numbers in an item: of tensors, arrays and lists of numbers; a text counts its characters."""
    if isinstance(item, Tensor):
        return item.numel()
    if isinstance(item, Mapping):
        return sum(map(_elements, item.values()))
    if isinstance(item, str):
        return len(item)
    if hasattr(item, "size") and hasattr(item, "dtype"):
        return int(item.size)
    if isinstance(item, Sequence):
        return len(item) if item and isinstance(item[0], (int, float)) else sum(map(_elements, item))
    return 1


def _of_batches(loader: Any) -> Look:
    """Of a stream, or of batches that a sampler of the project's own puts together: the largest of the first ones."""
    found = Look(count=_length(loader))
    largest, seen, kinds = None, 0, set()
    for batch in islice(iter(loader), BATCHES):
        seen += 1
        found.first = batch if found.first is None else found.first
        kinds.add(tuple(shapes(batch)))
        if largest is None or _elements_of(batch) > _elements_of(largest):
            largest = batch
    found.read = f"the first {seen} of {found.count or 'an unknown number of'} batches"
    found.varies = len(kinds) > 1
    if found.varies and largest is not None:
        found.batches = [(f"{_longest_axis(largest, found.first)} (the longest of {seen} batches)", largest)]
    return found


def shapes(batch: Any) -> list[tuple[int, ...]]:
    """Of each tensor without its first axis, which counts samples."""
    return [tuple(leaf.shape[1:]) for leaf in tree_leaves(batch) if isinstance(leaf, Tensor)]


def _elements_of(batch: Any) -> int:
    return sum(leaf.numel() for leaf in tree_leaves(batch) if isinstance(leaf, Tensor))


def _longest_axis(batch: Any, other: Any) -> str:
    """What its shape differs by: `8,192 tokens`, or a shape."""
    for leaf, shape in zip(
        (leaf for leaf in tree_leaves(batch) if isinstance(leaf, Tensor)), shapes(other), strict=False
    ):
        if tuple(leaf.shape[1:]) != shape:
            whole = not leaf.dtype.is_floating_point and leaf.dim() == 2
            return f"{leaf.shape[1]:,} tokens" if whole else "×".join(map(str, leaf.shape[1:]))
    return f"{_elements_of(batch):,} numbers"


def samples(batch: Any) -> int:
    """Length of the first axis of its first tensor; 0: it has none."""
    return next((len(leaf) for leaf in tree_leaves(batch) if isinstance(leaf, Tensor) and leaf.dim()), 0)


def resized(batch: Any, have: int, want: int) -> Any:
    """The batch with `want` for `have` samples: tensors of that length are cut, or repeated."""
    if not have or have == want:
        return batch
    leaves, spec = tree_flatten(batch)
    places = torch.arange(want) % have
    changed = [
        leaf[places] if isinstance(leaf, Tensor) and leaf.dim() and len(leaf) == have else leaf for leaf in leaves
    ]
    return tree_unflatten(changed, spec)


def _sized(dataset: Any) -> bool:
    return hasattr(dataset, "__getitem__") and _length(dataset) > 0


def _length(of: Any) -> int:
    try:
        return len(of)
    except (TypeError, NotImplementedError):
        return 0
