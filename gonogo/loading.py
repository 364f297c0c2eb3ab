"""Batches of a dataset as the training keys ask for them."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from gonogo.config import Training


def loader(
    dataset: Dataset[Any], training: Training, shuffle_seed: int | None = None, *, drop_last: bool = False
) -> DataLoader[Any]:
    """Micro-batches of `dataset`, for training or, without a seed to shuffle with, for validation.

    Args:
        shuffle_seed: the same gives the same orders, epoch by epoch; None: the dataset's own order.
        drop_last: leave out a last batch that is not full.
    """
    workers = training.num_workers
    return DataLoader(
        dataset,
        batch_size=training.micro_batch_size,
        shuffle=shuffle_seed is not None,
        drop_last=drop_last,
        generator=None if shuffle_seed is None else torch.Generator().manual_seed(shuffle_seed),
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=torch.cuda.is_available(),
    )
