"""Consistency view synthesis as a LightningModule: a picture and a pose in, the view from there out."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
import torch.nn.functional as F
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from experiments.cvs.data import Batch
from experiments.cvs.diffusion import CosineSchedule
from experiments.cvs.ema import ema_useful, moving_average
from experiments.cvs.losses import Perceptual, consistency_weight, masked_l1
from experiments.cvs.settings import CVSSettings
from experiments.cvs.unet import PATCH_PX, UNet
from gonogo.config import Training
from gonogo.errors import UserError

PREDICTION_SEED = 0


class CVSModule(LightningModule):
    """Loss = L1 off depth edges + perceptual + w · L1 to what the weights' moving average sees one noise level lower.

    Pictures are [0, 1] in batches and predictions, [-1, 1] within.

    Raises:
        UserError: the pictures' size does not fit the network's levels.
    """

    def __init__(self, settings: CVSSettings, training: Training) -> None:
        super().__init__()
        self.settings, self.training_config = settings.model, training
        _check_size(settings)
        self.network = UNet(settings.model)
        self.average = moving_average(self.network, training.ema_decay)
        self.schedule = CosineSchedule(settings.model.diffusion_steps)
        self.perceptual = Perceptual()
        self._averaged_step = 0

    @property
    def perceptual_name(self) -> str:
        """Which perceptual loss is used: `lpips-alex` or `ms-ssim`."""
        return self.perceptual.name

    @property
    def progress(self) -> float:
        """How much of the training is done, 0-1; 0 without a Trainer."""
        return self.global_step / self.trainer.estimated_stepping_batches if self._trainer else 0.0

    # --- training ---

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """The loss of a batch; works without a Trainer too."""
        target = to_signed(batch["target"])
        noise = torch.randn_like(target)
        step = self.schedule.training_steps(len(target), target.device)
        estimate = self.estimate(self.network, batch, self.schedule.q_sample(target, noise, step), step)
        with torch.no_grad():
            nearby = self.schedule.neighbour(step)
            teacher = self.estimate(self.average.module, batch, self.schedule.q_sample(target, noise, nearby), nearby)
        l1 = masked_l1(estimate, target, batch["edge_weight"]) / 2
        perceptual = self.perceptual(to_unit(estimate), batch["target"])
        consistency = F.l1_loss(estimate, teacher) / 2
        weight = consistency_weight(self.progress, self.settings.consistency_weights)
        loss = l1 + self.settings.perceptual_weight * perceptual + weight * consistency
        if self._trainer:
            terms = {
                "train_loss": loss,
                "train_l1": l1,
                "train_perceptual": perceptual,
                "train_consistency": consistency,
            }
            self.log_dict(terms, batch_size=len(target))
        return loss

    def estimate(self, network: nn.Module, batch: Batch, noisy: Tensor, step: Tensor) -> Tensor:
        """The clean target (B, 3, H, W), in [-1, 1] but for errors, from a noisy one at steps (B,)."""
        time = step / (self.schedule.steps - 1)
        return network(noisy, to_signed(batch["input"]), time, batch["pose"], batch.get("tokens"))

    def on_fit_start(self) -> None:
        print(f"perceptual loss: {self.perceptual_name}", flush=True)

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_index: int) -> None:
        """Move the average after each optimizer step; batches that only accumulate gradients leave the weights alone."""
        if self._trainer and self.global_step == self._averaged_step:
            return
        self._averaged_step = self.global_step if self._trainer else 0
        self.average.update_parameters(self.network)

    def configure_optimizers(self) -> Any:
        config = self.training_config
        optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        if not self._trainer:
            return optimizer
        total = int(self.trainer.estimated_stepping_batches)
        self.trainer.fit_loop.setup_data()  # an epoch's length is not known before, where only max_steps is given
        epoch = self.trainer.num_training_batches / self.trainer.accumulate_grad_batches
        warmup = min(round(config.warmup_epochs * epoch), total // 2)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: learning_rate_factor(step, warmup, total))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    # --- prediction ---

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        loss = F.l1_loss(self.predict_step(batch, batch_index), batch["target"])
        if self._trainer:
            self.log("val_loss", loss, batch_size=len(batch["target"]))

    def predict_step(self, batch: Batch, batch_index: int, evaluations: int = 1) -> Tensor:
        """The views (B, 3, H, W) in [0, 1]; the same for the same input, pose and weights, whatever the batch."""
        network = self.average.module if self.weights_in_use == "average" else self.network
        generator = torch.Generator().manual_seed(PREDICTION_SEED)
        picture = batch["input"]
        noise = torch.randn(1, *picture.shape[1:], generator=generator).to(picture).expand_as(picture)
        clean = self.schedule.sample(lambda x, step: self.estimate(network, batch, x, step), noise, evaluations)
        return to_unit(clean).clamp(0, 1)

    @property
    def weights_in_use(self) -> Literal["average", "raw"]:
        """Whose predictions are shown: the average's once it has forgotten where it began."""
        updates = int(self.average.n_averaged)
        return "average" if ema_useful(self.training_config.ema_decay, updates, warmup=True) else "raw"


def learning_rate_factor(step: int, warmup: int, total: int) -> float:
    """Linear from 0 to 1 over `warmup` steps, then half a cosine to 0 at `total`."""
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1, total - warmup))))


def to_signed(picture: Tensor) -> Tensor:
    return 2 * picture - 1


def to_unit(picture: Tensor) -> Tensor:
    return (picture + 1) / 2


def _check_size(settings: CVSSettings) -> None:
    size, levels = settings.data.image_size, len(settings.model.channel_multipliers)
    multiple = max(2 ** (levels - 1), PATCH_PX if settings.model.image_tokens == "patches" else 1)
    if size % multiple:
        raise UserError(
            f"settings.data.image_size: {size} does not divide into the network's {levels} levels and patches; "
            f"take a multiple of {multiple}"
        )
