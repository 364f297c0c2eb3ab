"""Data is loaded in the script's own process: what a worker process reads cannot be watched, and is slow to start."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from gonogo.base.replaced import Replaced


def load_here(held: Replaced, asked: Callable[[int], None]) -> None:
    """Every DataLoader makes its batches in this process, whatever its number of workers.

    Args:
        asked: called with the number of workers of a loader that wants some.
    """
    from torch.utils.data import DataLoader, IterableDataset, dataloader
    from torch.utils.data._utils import worker

    @contextmanager
    def as_worker(loader: Any) -> Iterator[None]:
        """`get_worker_info()` answers as in the only worker: data sets that are split over workers stay whole."""
        info: Any = worker.WorkerInfo
        worker._worker_info = info(id=0, num_workers=1, seed=0, dataset=loader.dataset)
        try:
            yield
        finally:
            worker._worker_info = None

    class InThisProcess(dataloader._SingleProcessDataLoaderIter):
        """What the worker would have done."""

        def __init__(self, loader: Any) -> None:
            super().__init__(loader)
            self.loader = loader
            self.is_stream = isinstance(loader.dataset, IterableDataset)

        def _next_data(self) -> Any:
            if not self.is_stream:
                return super()._next_data()
            with as_worker(self.loader):
                return super()._next_data()

    def get_iterator(loader: Any) -> Any:
        workers, timeout = loader.num_workers, loader.timeout
        if workers == 0:
            return dataloader._SingleProcessDataLoaderIter(loader)
        asked(workers)
        if loader.worker_init_fn is not None:
            with _same_random_numbers(), as_worker(loader):
                loader.worker_init_fn(0)
        loader.num_workers = loader.timeout = 0
        try:
            return InThisProcess(loader)
        finally:
            loader.num_workers, loader.timeout = workers, timeout

    held.set(DataLoader, "_get_iterator", get_iterator)


@contextmanager
def _same_random_numbers() -> Iterator[None]:
    """What a worker seeds, it seeds for itself."""
    import numpy as np
    import torch

    python, arrays, tensors = random.getstate(), np.random.get_state(), torch.random.get_rng_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(arrays)
        torch.random.set_rng_state(tensors)
