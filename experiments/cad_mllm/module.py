"""A stage of the curriculum as a LightningModule: from a part's caption, cloud and picture to its CAD program."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor

from experiments.cad_mllm.checkpoint import begin_from, check_base, facts
from experiments.cad_mllm.data import Batch
from experiments.cad_mllm.model import CADModel, is_projector, trainable, trainable_report
from experiments.cad_mllm.settings import CADSettings
from gonogo import Training


class CADModule(LightningModule):
    """Loss: cross-entropy of the program's tokens, each sample showing modalities drawn by `model.sampling`.

    Predictions are probabilities over the alphabet of programs, compared with one-hot targets (Brier score).

    Args:
        assets: with the base's weights; None: all weights are random, as for a trace.
        starts_from: a checkpoint of the previous stage; parts that this stage adds start untrained.

    Raises:
        UserError: weights are missing, or belong to another model.
    """

    strict_loading = False  # checkpoints hold trainable parameters only

    def __init__(
        self, settings: CADSettings, training: Training, assets: Path | None = None, starts_from: Path | None = None
    ) -> None:
        super().__init__()
        self.settings, self.plan = settings, training
        self.model = CADModel(settings, assets)
        self.stages_before = begin_from(self.model, starts_from) if starts_from else []

    # --- training ---

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """The loss of a batch; also works without a Trainer."""
        loss = self.model.loss(batch, self.drawn(batch))
        if self._trainer:
            self.log("train_loss", loss)
        return loss

    def drawn(self, batch: Batch) -> dict[str, Tensor]:
        """Modality → (B,) bool, by the sampling shares."""
        combinations, shares = zip(*self.settings.model.sampling.items(), strict=True)
        drawn = random.choices(combinations, shares, k=len(batch["caption"]))
        return {
            name: torch.tensor(
                [name in combination.split("+") for combination in drawn], device=batch["caption"].device
            )
            for name in self.model.encoders
        }

    def on_fit_start(self) -> None:
        counts = ", ".join(f"{part} {count:,}" for part, count in trainable_report(self.model).items())
        before = f"; started from {' → '.join(self.stages_before)}" if self.stages_before else ""
        print(f"parameters: {counts}; base and encoders are frozen{before}", flush=True)

    def configure_optimizers(self) -> Any:
        """AdamW, projectors at a multiple of the adapters' rate; under a Trainer warmed up, then a cosine to zero."""
        learning = trainable(self.model)
        rates = {False: self.plan.learning_rate, True: self.plan.learning_rate * self.settings.model.projector_rate}
        groups: list[dict[str, Any]] = []
        for projects, name in ((False, "adapters"), (True, "projectors")):
            mine = [parameter for key, parameter in learning.items() if is_projector(key) == projects]
            groups += [{"params": mine, "lr": rates[projects], "name": name}] if mine else []
        optimizer = torch.optim.AdamW(groups, lr=self.plan.learning_rate, weight_decay=self.plan.weight_decay)
        if not self._trainer:
            return optimizer
        total = int(self.trainer.estimated_stepping_batches)
        self.trainer.fit_loop.setup_data()  # with max_steps alone, the length of an epoch is not known earlier
        epoch = self.trainer.num_training_batches / self.trainer.accumulate_grad_batches
        warmup = min(round(self.plan.warmup_epochs * epoch), total // 2)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate_factor(step, warmup, total))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    # --- prediction ---

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """Logs `val_loss`: the Brier score of `predict_step`, over positions and alphabet."""
        loss = (self.predict_step(batch, batch_index) - batch["target"]).square().mean()
        if self._trainer:
            self.log("val_loss", loss, batch_size=len(batch["target"]))

    def predict_step(self, batch: Batch, batch_index: int) -> Tensor:
        """(B, L, A): the probability of each next token of the program, all modalities shown."""
        return self.model.probabilities(batch)

    # --- checkpoints hold trainable parameters only ---

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        learning = trainable(self)
        checkpoint["state_dict"] = {key: value for key, value in checkpoint["state_dict"].items() if key in learning}
        checkpoint["cad"] = facts(self.settings, self.model, self.stages_before)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        check_base(checkpoint.get("cad"), self.model, "the checkpoint")


def rate_factor(step: int, warmup: int, total: int) -> float:
    """Linear up to 1 over the first `warmup` steps, then half a cosine down to 0 at step `total`."""
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))
