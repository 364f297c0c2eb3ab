"""Batches of any shape that an experiment gives: which of them are evaluated, and parts of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from lightning.fabric.utilities import move_data_to_device
from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor

if TYPE_CHECKING:
    from gonogo.experiment.lightning import LightningExperiment

KEPT_BYTES = 256e6  # of the batches that are held to be evaluated again


def spread_out(loader: Any, samples: int, size: int) -> Iterator[bool]:
    """For each batch of the loader, whether it is among evenly spaced ones that hold about `samples` samples."""
    try:
        count = len(loader)
    except TypeError:  # an iterable of unknown length
        count = 0
    wanted = max(1, samples // max(size, 1))
    every = max(1, count // wanted)
    index = 0
    while True:
        yield index % every == 0
        index += 1


def bytes_of(batch: Any) -> int:
    return sum(leaf.nbytes for leaf in leaves(batch))


def leaves(batch: Any) -> list[Tensor]:
    """The tensors of a batch, in its order."""
    found: list[Tensor] = []
    apply_to_collection(batch, Tensor, found.append)
    return found


def first(batch: Any, count: int, size: int) -> Any:
    """The first `count` samples of a batch of `size`."""
    if count >= size:
        return batch

    def cut(leaf: Tensor) -> Tensor:
        return leaf[:count] if leaf.ndim and len(leaf) == size else leaf

    return apply_to_collection(batch, Tensor, cut)


def at_most(experiment: LightningExperiment, batches: Iterable[Any], samples: int) -> list[Any]:
    """Evenly spaced batches of these, cut so that they hold no more than `samples` samples."""
    batches = list(batches)
    sizes = [len(experiment.targets(batch)) for batch in batches]
    wanted = max(1, samples // max(max(sizes, default=1), 1))
    every = max(1, len(batches) // wanted)
    kept: list[Any] = []
    for batch, size in list(zip(batches, sizes, strict=True))[::every]:
        if samples <= 0:
            break
        kept.append(first(batch, samples, size))
        samples -= size
    return kept


def with_inputs_of(experiment: LightningExperiment, batch: Any, other: Any) -> Any | None:
    """The batch with what the model reads taken from another batch; None where that is not known.

    What the model reads is what `without_input` changes.
    """
    read = [
        not torch.equal(mine, zeroed)
        for mine, zeroed in zip(leaves(batch), leaves(experiment.without_input(batch)), strict=False)
    ]
    theirs = leaves(other)
    if not any(read) or len(read) != len(theirs):
        return None
    position = iter(range(len(read)))

    def replaced(leaf: Tensor) -> Tensor:
        index = next(position)
        if not read[index] or not leaf.ndim or leaf.shape[1:] != theirs[index].shape[1:]:
            return leaf
        rows = (torch.arange(len(leaf)) + len(leaf) // 2) % len(theirs[index])
        return theirs[index][rows]

    return apply_to_collection(batch, Tensor, replaced)


def with_leaf(batch: Any, old: Tensor, new: Tensor) -> Any | None:
    """The batch with that very tensor exchanged; None: it does not hold it."""
    if not any(leaf is old for leaf in leaves(batch)):
        return None
    return apply_to_collection(batch, Tensor, lambda leaf: new if leaf is old else leaf)


def on(device: torch.device, batch: Any) -> Any:
    return move_data_to_device(batch, device)


@contextlib.contextmanager
def same_chance(device: torch.device, seed: int = 0) -> Iterator[None]:
    """Randomness that starts the same each time, and leaves that of the training untouched."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
