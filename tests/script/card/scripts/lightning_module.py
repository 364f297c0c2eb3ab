"""Lightning's Trainer on a GPU: validation and a checkpoint at the end of each epoch, a metric in the module."""

import sys

import lightning
import torch
import torchmetrics
from torch import nn
from torch.nn import functional as F


class Classifier(lightning.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(3, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.Flatten())
        self.head = nn.Linear(64 * 16 * 16, 10)
        self.accuracy = torchmetrics.Accuracy(task="multiclass", num_classes=10)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return self.head(self.net(pictures))

    def training_step(self, batch: list[torch.Tensor], index: int) -> torch.Tensor:
        logits = self(batch[0])
        loss = F.cross_entropy(logits, batch[1])
        self.log("loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: list[torch.Tensor], index: int) -> None:
        logits = self(batch[0])
        self.accuracy(logits, batch[1])
        self.log("accuracy", self.accuracy)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=1e-3)


def loader() -> torch.utils.data.DataLoader:
    data = torch.utils.data.TensorDataset(torch.randn(512, 3, 16, 16), torch.randint(10, (512,)))
    return torch.utils.data.DataLoader(data, batch_size=32)


if __name__ == "__main__":
    trainer = lightning.Trainer(
        accelerator="gpu", devices=1, max_epochs=3, default_root_dir=sys.argv[1], precision="bf16-mixed", logger=False,
        enable_progress_bar=False,
    )  # fmt: skip
    trainer.fit(Classifier(), loader(), loader())
