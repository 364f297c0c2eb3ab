"""The VQ-GAN as a LightningModule with two optimizers and manual optimization."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torchmetrics.functional.image import structural_similarity_index_measure

from experiments.vqgan3d.adversary import Discriminators, hinge, some_slices
from experiments.vqgan3d.codebook import Codebook, Quantised, perplexity, usage
from experiments.vqgan3d.data import Batch
from experiments.vqgan3d.network import decoder, encoder
from experiments.vqgan3d.settings import LossSettings, VQGAN3DSettings
from gonogo import Training, without_step_count

VALUES = (-1.0, 1.0)  # range of the patches
MAX_PSNR_DB = 99.0
BETAS = (0.5, 0.9)  # of Adam, as for VQ-GANs (Esser et al. 2021)


class VQGAN3DModule(LightningModule):
    """Loss: L1 + commitment, and from `start_step` on the two adversarial terms.

    Until then the discriminators receive no gradients and contribute none.
    """

    def __init__(self, settings: VQGAN3DSettings, training: Training) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.settings, self.plan = settings.model, training
        self.encoder = encoder(settings.model)
        self.codebook = Codebook(settings.model.codebook)
        self.decoder = decoder(settings.model)
        self.discriminators = Discriminators(settings.model.discriminators)
        self.register_buffer("chosen", torch.zeros(settings.model.codebook.codes), persistent=False)
        self._steps_without_trainer = 0
        self.discriminators.requires_grad_(self.adversarial)

    chosen: Tensor  # how often each entry was chosen in validation

    @property
    def steps_done(self) -> int:
        """Optimizer steps of the generator."""
        return self.global_step if self._trainer else self._steps_without_trainer

    @property
    def adversarial(self) -> bool:
        """Whether the discriminators are active in the next step."""
        return self.steps_done >= self.settings.discriminators.start_step

    def pass_start(self) -> None:
        """Activate the discriminators; for a step without a Trainer."""
        self._steps_without_trainer = max(self._steps_without_trainer, self.settings.discriminators.start_step)
        self.discriminators.requires_grad_(True)

    # --- the network ---

    def forward(self, patch: Tensor) -> tuple[Tensor, Quantised]:
        """Reconstruction (B, 1, X, Y, Z) of patches, and the codebook's choices."""
        if patch.device.type == "cpu":  # twice as fast in this layout
            patch = patch.contiguous(memory_format=torch.channels_last_3d)
        quantised = self.codebook(self.encoder(patch))
        return self.decoder(quantised.values), quantised

    def reconstruct(self, patch: Tensor) -> Tensor:
        return self(patch)[0].float().clamp(*VALUES)

    def predict_step(self, batch: Batch, batch_index: int) -> Tensor:
        """The patches (B, 1, X, Y, Z) in [-1, 1], through the codebook and back."""
        return self.reconstruct(batch["input"])

    # --- training ---

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """The whole step of both optimizers; returns the generator's loss. Also works without a Trainer."""
        own, adversary = self.optimizers()
        if self._trainer:
            self._set_rate()
        due = (batch_index + 1) % self.plan.accumulate_grad_batches == 0
        adversarial, target = self.adversarial, batch["target"]
        output, quantised = self(batch["input"])
        terms = {"l1": F.l1_loss(output.float(), target.float()), "commitment": quantised.commitment}
        at = some_slices(target)
        if adversarial:
            self.discriminators.requires_grad_(False)
            of_slices, of_patches = self.discriminators(output, at)
            terms |= {"gan_2d": -of_slices.mean(), "gan_3d": -of_patches.mean()}
        loss = torch.stack([weight(self.settings.losses, name) * term for name, term in terms.items()]).sum()
        self._descend(own, loss, due)
        if adversarial:
            self.discriminators.requires_grad_(True)
            terms["discriminators"] = self._discriminate(output.detach(), target, at)
            self._descend(without_step_count(adversary), terms["discriminators"], due)
        if not self._trainer:
            self._steps_without_trainer += int(due)
        else:
            choices = torch.bincount(quantised.indices.flatten(), minlength=self.settings.codebook.codes)
            logged = {**terms, "loss": loss, "codebook_usage": usage(choices), "perplexity": perplexity(choices)}
            self.log_dict({f"train_{name}": value.detach() for name, value in logged.items()})
        return loss.detach()

    def _discriminate(self, output: Tensor, target: Tensor, at: Tensor) -> Tensor:
        real, fake = self.discriminators(target, at), self.discriminators(output, at)
        return torch.stack([hinge(*pair) for pair in zip(real, fake, strict=True)]).sum()

    def _descend(self, optimizer: Any, loss: Tensor, due: bool) -> None:
        self.manual_backward(loss / self.plan.accumulate_grad_batches)
        if due:
            optimizer.step()
            optimizer.zero_grad()

    def on_train_start(self) -> None:
        """The learning rate schedule: warm-up steps, and steps of the whole run."""
        self.discriminators.requires_grad_(self.adversarial)
        accumulated = self.plan.accumulate_grad_batches
        limited = (self.trainer.max_steps or -1) > 0
        total = int(self.trainer.estimated_stepping_batches) // (1 if limited else accumulated)
        epoch = self.trainer.num_training_batches / accumulated
        self._schedule = min(round(self.plan.warmup_epochs * epoch), total // 2), total

    def _set_rate(self) -> None:
        factor = rate_factor(self.steps_done, *self._schedule)
        for optimizer in self.trainer.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = factor * self.plan.learning_rate

    def on_fit_start(self) -> None:
        for name, value, start in loss_table(self.settings.losses, self.settings.discriminators.start_step):
            print(f"loss: {name} × {value:g}" + (f" from step {start}" if start else ""), flush=True)

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Parameters of encoder and decoder, and of the discriminators."""
        own = nn.ModuleList([self.encoder, self.decoder])
        rate, decay = self.plan.learning_rate, self.plan.weight_decay
        return [
            torch.optim.AdamW(part.parameters(), lr=rate, betas=BETAS, weight_decay=decay)
            for part in (own, self.discriminators)
        ]

    # --- validation ---

    def on_validation_epoch_start(self) -> None:
        self.chosen.zero_()
        self._squares, self._similarity, self._patches = 0.0, 0.0, 0

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """Logs `val_loss`: mean absolute error."""
        output, quantised = self(batch["input"])
        output, target = output.float().clamp(*VALUES), batch["target"].float()
        self.chosen += torch.bincount(quantised.indices.flatten(), minlength=len(self.chosen))
        self._squares += float((output - target).square().mean()) * len(target)
        self._similarity += ssim(output, target) * len(target)
        self._patches += len(target)
        self.log("val_loss", F.l1_loss(output, target), batch_size=len(target))

    def on_validation_epoch_end(self) -> None:
        """Logs, over all held-out patches: `psnr_db`, `ssim`, `codebook_usage` (share of entries chosen by any token)
        and `perplexity`."""
        self.log("psnr_db", psnr_db(self._squares / self._patches))
        self.log("ssim", self._similarity / self._patches)
        self.log("codebook_usage", usage(self.chosen))
        self.log("perplexity", perplexity(self.chosen))


def psnr_db(mean_square: float) -> float:
    """Peak signal-to-noise ratio of values in [-1, 1]; 99 dB if there is no error."""
    span = VALUES[1] - VALUES[0]
    return min(MAX_PSNR_DB, 10 * math.log10(span**2 / max(mean_square, 1e-12)))


def ssim(output: Tensor, target: Tensor) -> float:
    """Structural similarity of axial slices, its mean over those of (B, 1, X, Y, Z) in [-1, 1] (Wang et al. 2004)."""
    one, other = (volume.movedim(-1, 1).flatten(0, 1) for volume in (output, target))
    return float(structural_similarity_index_measure(one, other, data_range=VALUES))


def weight(losses: LossSettings, name: str) -> float:
    return float(getattr(losses, name))


def loss_table(losses: LossSettings, start_step: int) -> list[tuple[str, float, int]]:
    """(term, weight, first step that uses it), for display."""
    return [
        (name, weight(losses, name), start_step if name.startswith("gan") else 0) for name in type(losses).model_fields
    ]


def rate_factor(step: int, warmup: int, total: int) -> float:
    """Linear up to 1 over the first `warmup` steps, then half a cosine down to 0 at step `total`."""
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1, total - warmup))))
