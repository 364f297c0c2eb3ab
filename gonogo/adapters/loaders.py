"""A project's loaders as they were given, or with batches of another size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from torch.utils.data import BatchSampler, DataLoader, IterableDataset

from gonogo.base.errors import UserError

MOST_HELD_OUT = 64  # batches of a validation loader without a length
WRITE = "loaders=(train, validation)"


def pair(given: Any) -> tuple[Any, Any]:
    """Training and validation loader of a pair, or of a dict with `train` and `val` or `validation`.

    Raises:
        UserError: it is neither.
    """
    if isinstance(given, Mapping):
        held_out = next((given[name] for name in ("val", "validation", "valid", "test") if name in given), None)
        given = (given.get("train"), held_out)
    if not isinstance(given, (list, tuple)) or len(given) != 2 or any(part is None for part in given):
        raise UserError(
            f"loaders: held-out items tell skill, so one for training and one for validation are needed: {WRITE}"
        )
    return given[0], given[1]


def opened(given: Any, size: int, what: str) -> Any:
    """A loader that can be gone through again and again, in batches of `size`; 0: of its own.

    Raises:
        UserError: it can be gone through once only, or its batches cannot be made of another size.
    """
    loader = given() if isinstance(given, Callable) and not isinstance(given, DataLoader) else given  # type: ignore[arg-type]
    if isinstance(loader, Iterator) or not isinstance(loader, Iterable):
        raise UserError(
            f"loaders: the {what} loader is a {type(loader).__name__}, which cannot be gone through twice: give a "
            "DataLoader, a list of batches, or a function that makes one"
        )
    if isinstance(loader, DataLoader) and size and loader.batch_size not in (size, None):
        return _of_size(loader, size)
    return loader if isinstance(loader, DataLoader) else BatchesAlone(loader)


def _of_size(loader: DataLoader[Any], size: int) -> DataLoader[Any]:
    """The same data in other batches."""
    if loader.batch_sampler is not None and type(loader.batch_sampler) is not BatchSampler:
        raise UserError(
            f"loaders: batches are made by {type(loader.batch_sampler).__name__}, so they cannot be made of {size} "
            "samples: set training.micro_batch_size to what it makes"
        )
    return _like(loader, size, loader.num_workers)


def without_workers(loader: Any) -> Any:
    """The same batches, loaded by this process: a few are read, and workers would take longer to start."""
    usual = isinstance(loader, DataLoader) and type(loader.batch_sampler) is BatchSampler and loader.num_workers
    return _like(loader, loader.batch_size, 0) if usual else loader


def _like(loader: DataLoader[Any], size: int | None, workers: int) -> DataLoader[Any]:
    own = loader.batch_sampler is None or isinstance(loader.dataset, IterableDataset)
    return DataLoader(
        loader.dataset,
        batch_size=size,
        sampler=None if own else loader.sampler,
        drop_last=loader.drop_last,
        collate_fn=loader.collate_fn,
        num_workers=workers,
        pin_memory=loader.pin_memory,
        worker_init_fn=loader.worker_init_fn,
        generator=loader.generator,
        persistent_workers=loader.persistent_workers and workers > 0,
    )


class BatchesAlone:
    """A loader's batches and its length, if it has one, and nothing of what else it is: a list is none to Lightning."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __iter__(self) -> Iterator[Any]:
        return iter(self._loader)

    def __len__(self) -> int:
        return len(self._loader)


class Ended:
    """A stream of validation batches without a length, cut."""

    def __init__(self, loader: Iterable[Any]) -> None:
        self._loader = loader

    def __iter__(self) -> Iterator[Any]:
        return islice(iter(self._loader), MOST_HELD_OUT)


def ending(loader: Any) -> Any:
    """The validation loader, cut where it does not say how long it is."""
    try:
        len(loader)
    except TypeError:
        return Ended(loader)
    return loader
