"""What experiments load: batches of a dataset as the training keys ask for them, and weights of a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from gonogo.config.experiment import Training
from gonogo.experiment.weights import load_weights

M = TypeVar("M", bound=nn.Module)


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


def trained(module: M, checkpoint: Path) -> M:
    """The module with the weights of Lightning's checkpoint, on the CPU, ready to predict.

    Raises:
        UserError: the file cannot be read, or is of another model.
    """
    load_weights(module, checkpoint)
    return module.eval()
