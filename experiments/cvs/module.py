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
from experiments.cvs.ema import MovingAverage
from experiments.cvs.losses import Perceptual, consistency_weight, weighted_l1
from experiments.cvs.settings import CVSSettings
from experiments.cvs.unet import UNet, size_multiple
from gonogo import Training, UserError, ema_is_useful

PREDICTION_SEED = 0


class CVSModule(LightningModule):
    """Loss: L1 off depth edges + perceptual + w · L1 to the moving average's prediction one noise level lower.

    Pictures are in [0, 1] in batches, losses and predictions, in [-1, 1] for the network.

    Raises:
        UserError: the picture size is not divisible by the network's downsampling.
    """

    def __init__(self, settings: CVSSettings, training: Training) -> None:
        super().__init__()
        self.settings, self.plan = settings.model, training
        size, multiple = settings.data.image_size, size_multiple(settings.model)
        if size % multiple:
            raise UserError(f"settings.data.image_size: {size} does not fit: this U-Net needs a multiple of {multiple}")
        self.network = UNet(settings.model)
        self.average = MovingAverage(self.network, training.ema_decay, training.ema_warmup)
        self.schedule = CosineSchedule(settings.model.diffusion_steps)
        self.perceptual = Perceptual()
        self._averaged_step = 0

    @property
    def perceptual_name(self) -> str:
        """Which perceptual loss is used: `lpips-alex` or `ms-ssim`."""
        return self.perceptual.name

    @property
    def progress(self) -> float:
        """Progress of training, 0-1; 0 without a Trainer."""
        return self.global_step / self.trainer.estimated_stepping_batches if self._trainer else 0.0

    # --- training ---

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """The loss of a batch; also works without a Trainer."""
        target = batch["target"].float()
        noise = torch.randn_like(target)
        step = self.schedule.training_steps(len(target), target.device)
        estimate = self._from_noise(self.network, batch, noise, step)
        with torch.no_grad():
            teacher = self._from_noise(self.average.module, batch, noise, self.schedule.neighbour(step))
        l1 = weighted_l1(estimate, target, batch["edge_weight"])
        perceptual = self.perceptual(estimate, target)
        consistency = F.l1_loss(estimate, teacher)
        weight = consistency_weight(self.progress, self.settings.consistency_weights)
        loss = l1 + self.settings.perceptual_weight * perceptual + weight * consistency
        if self._trainer:
            terms = {"l1": l1, "perceptual": perceptual, "consistency": consistency}
            self.log_dict({"train_loss": loss, **{f"train_{name}": term for name, term in terms.items()}})
        return loss

    def _from_noise(self, network: nn.Module, batch: Batch, noise: Tensor, step: Tensor) -> Tensor:
        """The target (B, 3, H, W) in [0, 1], estimated from itself with the noise of steps (B,) added."""
        noisy = self.schedule.q_sample(_signed(batch["target"].float()), noise, step)
        return _unsigned(self._estimate(network, batch, noisy, step))

    def _estimate(self, network: nn.Module, batch: Batch, noisy: Tensor, step: Tensor) -> Tensor:
        """The network's clean target in [-1, 1], float32, whatever the network's precision."""
        dtype = next(network.parameters()).dtype
        picture, pose, tokens = _signed(batch["input"]), batch["pose"], batch.get("tokens")
        time = step / self.schedule.last
        return network(
            noisy.to(dtype), picture.to(dtype), time, pose.to(dtype), None if tokens is None else tokens.to(dtype)
        ).float()

    def on_fit_start(self) -> None:
        print(f"perceptual loss: {self.perceptual_name}", flush=True)

    def on_train_start(self) -> None:
        self._averaged_step = self.global_step

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_index: int) -> None:
        """Update the average after an optimizer step; a batch that only accumulates gradients changes no weights."""
        if self._trainer:
            if self.global_step == self._averaged_step:
                return
            self._averaged_step = self.global_step
        self.average.update_parameters(self.network)

    def configure_optimizers(self) -> Any:
        """AdamW; under a Trainer with a linear warm-up and a cosine to zero, step by step."""
        parameters = self.network.parameters()
        optimizer = torch.optim.AdamW(parameters, lr=self.plan.learning_rate, weight_decay=self.plan.weight_decay)
        if not self._trainer:
            return optimizer
        total = int(self.trainer.estimated_stepping_batches)
        self.trainer.fit_loop.setup_data()  # with max_steps alone, the length of an epoch is not known earlier
        epoch = self.trainer.num_training_batches / self.trainer.accumulate_grad_batches
        warmup = min(round(self.plan.warmup_epochs * epoch), total // 2)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: learning_rate_factor(step, warmup, total))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    # --- prediction ---

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """Logs `val_loss`: mean absolute error of `predict_step`."""
        loss = F.l1_loss(self.predict_step(batch, batch_index), batch["target"].float())
        if self._trainer:
            self.log("val_loss", loss, batch_size=len(batch["target"]))

    def predict_step(self, batch: Batch, batch_index: int) -> Tensor:
        """The views (B, 3, H, W) in [0, 1]: they depend on weights, input and pose, not on the rest of the batch."""
        network = self.average.module if self.weights_in_use == "average" else self.network
        picture = batch["input"]
        generator = torch.Generator().manual_seed(PREDICTION_SEED)
        noise = torch.randn(picture.shape[1:], generator=generator, dtype=torch.float32)
        noise = noise.to(picture.device).expand(picture.shape)
        clean = self.schedule.sample(lambda noisy, step: self._estimate(network, batch, noisy, step), noise)
        return _unsigned(clean).clamp(0, 1)

    @property
    def weights_in_use(self) -> Literal["average", "raw"]:
        """The weights that predict: the average, once it no longer contains its initial weights."""
        updates = int(self.average.n_averaged)
        return "average" if ema_is_useful(self.plan.ema_decay, updates, self.plan.ema_warmup) else "raw"


def learning_rate_factor(step: int, warmup: int, total: int) -> float:
    """Linear up to 1 over the first `warmup` steps, then half a cosine down to 0 at step `total`."""
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / (total - warmup)))


def _signed(picture: Tensor) -> Tensor:
    return 2 * picture - 1


def _unsigned(picture: Tensor) -> Tensor:
    return (picture + 1) / 2
