"""What a Lightning module asks its Trainer for, where there is none: one batch is fitted, or a step is traced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from gonogo.base.errors import UserError

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule

STEPS = 1000  # that a schedule is planned for


class NoTrainer:
    """Answers as Lightning's Trainer would at the first step of a run of one process."""

    current_epoch = global_step = global_rank = local_rank = node_rank = 0
    world_size = num_devices = num_nodes = accumulate_grad_batches = max_epochs = 1
    max_steps = estimated_stepping_batches = num_training_batches = STEPS
    training, is_global_zero, is_last_batch = True, True, False
    validating = testing = predicting = sanity_checking = fast_dev_run = barebones = False
    logger = progress_bar_callback = checkpoint_callback = None

    def __init__(self, module: LightningModule, datamodule: Any = None) -> None:
        self.model = self.lightning_module = module
        self.datamodule = datamodule
        self.loggers: list[Any] = []
        self.callbacks: list[Any] = []
        self.optimizers: list[Any] = []
        self.lr_scheduler_configs: list[Any] = []
        self.callback_metrics: dict[str, Any] = {}
        self.logged_metrics: dict[str, Any] = {}
        self.progress_bar_metrics: dict[str, Any] = {}

    @property
    def strategy(self) -> Any:
        return self

    @property
    def root_device(self) -> torch.device:
        return self.model.device

    def __getattr__(self, name: str) -> Any:
        raise UserError(
            f"{type(self.model).__name__} asks its Trainer for `{name}` in a step or in configure_optimizers, "
            "which only a whole run knows: read it where `self._trainer` is a Trainer, or use what the module has"
        )
