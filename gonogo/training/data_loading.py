"""What experiments load: batches of a dataset as the training keys ask for them, and weights of a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from gonogo.base.errors import UserError
from gonogo.config.experiment import Training

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
    try:
        module.load_state_dict(torch.load(checkpoint, map_location="cpu", weights_only=True)["state_dict"])
    except Exception as error:  # torch raises anything on damaged bytes
        problem = str(error).splitlines()[0]
        raise UserError(f"{checkpoint}: no checkpoint of this model can be read from it ({problem})") from None
    return module.eval()
