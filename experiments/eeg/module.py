"""EEGNeX as a LightningModule: a window in, the target out. Loss L1, Adamax, early stopping."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch import Callback, LightningModule
from lightning.pytorch.callbacks import EarlyStopping
from torch import Tensor

from experiments.eeg.data import Batch
from experiments.eeg.eegnex import EEGNeX
from experiments.eeg.settings import EEGSettings
from gonogo import Training


class EEGModule(LightningModule):
    def __init__(self, settings: EEGSettings, training: Training) -> None:
        super().__init__()
        self.settings, self.plan = settings.model, training
        self.network = EEGNeX(settings.model, settings.data.channels, settings.data.window_samples)

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """The loss of a batch; also works without a Trainer."""
        loss = F.l1_loss(self.network(batch["windows"]), batch["target"])
        if self._trainer:
            self.log("train_loss", loss, batch_size=len(batch["target"]))
        return loss

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_index: int) -> None:
        self.network.limit_weights()

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """Logs `val_loss`: mean absolute error of `predict_step`."""
        loss = F.l1_loss(self.predict_step(batch, batch_index), batch["target"])
        if self._trainer:
            self.log("val_loss", loss, batch_size=len(batch["target"]))

    def predict_step(self, batch: Batch, batch_index: int) -> Tensor:
        """Targets (B, 1), float32."""
        return self.network(batch["windows"]).float()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adamax(self.parameters(), lr=self.plan.learning_rate, weight_decay=self.plan.weight_decay)

    def configure_callbacks(self) -> list[Callback]:
        # a run of a few steps ends before its first validation
        return [EarlyStopping("val_loss", patience=self.settings.patience, check_finite=False, strict=False)]
