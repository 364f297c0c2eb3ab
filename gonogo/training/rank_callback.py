"""Goes along in every rank of a run on several cards."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback
from torch.utils._pytree import tree_leaves
from torch.utils.data import DistributedSampler

from gonogo.base.errors import UserError
from gonogo.training.spec import RunSpec, StoppedError


class Together(Callback):
    """Each rank draws its own random numbers, validation's metrics are those of all ranks, and all end at once.

    Raises:
        UserError: from `on_train_start`, the loader cannot be shared out among ranks.
        StoppedError: from the end of a batch or a validation, what the first rank's callbacks stopped for.
    """

    def __init__(self, spec: RunSpec) -> None:
        self._seed = spec.seed
        self._stop: tuple[Path, StoppedError] | None = None

    def stops(self, checkpoint: Path, error: StoppedError) -> None:
        self._stop = self._stop or (checkpoint, error)

    def on_fit_start(self, trainer: Any, module: Any) -> None:
        trainer.stops_together = self.stops
        _average_validation(trainer, module)
        if trainer.global_rank:  # the weights are made, and the first rank's are everyone's
            seed = self._seed + trainer.global_rank
            random.seed(seed)
            np.random.seed(seed)
            torch.manual_seed(seed)

    def on_train_start(self, trainer: Any, module: Any) -> None:
        for loader in tree_leaves(trainer.train_dataloader):
            samplers = (
                getattr(loader, "sampler", None),
                getattr(getattr(loader, "batch_sampler", None), "sampler", None),
            )
            if not any(isinstance(sampler, DistributedSampler) for sampler in samplers):
                raise UserError(
                    f"training.devices: {trainer.world_size}: the training loader is a stream or no DataLoader, which "
                    "cannot be shared out among cards: each would train on all of it; set devices: 1, or give a "
                    "DataLoader of a dataset with a length"
                )

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        self._end_together(trainer)

    def on_validation_end(self, trainer: Any, *_: Any) -> None:
        self._end_together(trainer)

    def _end_together(self, trainer: Any) -> None:
        if trainer.strategy.reduce_boolean_decision(self._stop is not None, all=False):
            mine = self._stop and (self._stop[0], type(self._stop[1]), self._stop[1].cause, str(self._stop[1]))
            checkpoint, kind, cause, message = trainer.strategy.broadcast(mine)
            trainer.save_checkpoint(checkpoint)
            raise kind(cause, message)


def _average_validation(trainer: Any, module: Any) -> None:
    """What a module logs in validation becomes the mean over ranks, as it would be of one that validates alone."""
    log = module.log

    def log_of_all(name: str, value: Any, *arguments: Any, **options: Any) -> None:
        if trainer.validating:
            options["sync_dist"] = True
        log(name, value, *arguments, **options)

    module.log = log_of_all
