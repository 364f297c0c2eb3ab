"""What strangers' projects hold: models and data of several tasks, each with a fault to choose; nothing of gonogo."""

from __future__ import annotations

from typing import Any

import lightning
import torch
import torchmetrics
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

CLASSES, WORDS, LENGTH = 4, 24, 20


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def loaders(x: Tensor, y: Tensor, batch: int, fault: str) -> tuple[DataLoader[Any], DataLoader[Any]]:
    """Four fifths to train on; `labels`: each sample has another one's target."""
    if fault == "labels":
        y = y[torch.randperm(len(y), generator=seeded())]
    cut = 4 * len(x) // 5
    return (
        DataLoader(TensorDataset(x[:cut], y[:cut]), batch, shuffle=True),
        DataLoader(TensorDataset(x[cut:], y[cut:]), batch),
    )


def rate(value: float, fault: str) -> float:
    return 100 * value if fault == "rate" else value


# --- regression: two columns whose units are six orders of magnitude apart ---


def table(fault: str = "") -> Any:
    g = seeded()
    x = torch.randn(400, 10, generator=g)
    y = torch.tanh(x @ torch.randn(10, 2, generator=g)) + 0.1 * torch.randn(400, 2, generator=g)
    return loaders(x, y, 16, fault)


def perceptron() -> nn.Module:
    return nn.Sequential(nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 2))


# --- image classification: bars, squares and stripes anywhere in the picture ---


def shapes(count: int) -> tuple[Tensor, Tensor]:
    g = seeded()
    label = torch.randint(0, CLASSES, (count,), generator=g)
    x = 0.3 * torch.randn(count, 1, 12, 12, generator=g)
    for picture, kind, at in zip(x, label.tolist(), torch.randint(1, 8, (count,), generator=g).tolist(), strict=True):
        match kind:
            case 0:
                picture[0, at : at + 2] += 1
            case 1:
                picture[0, :, at : at + 2] += 1
            case 2:
                picture[0, at : at + 4, at : at + 4] += 1
            case _:
                picture[0, ::2] += 1
    return x, label


def classified(fault: str = "") -> Any:
    return loaders(*shapes(400), 16, fault)


def classifier() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 12, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(12, 16, 3, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(16 * 36, CLASSES),
    )  # fmt: skip


# --- segmentation: one square in a tenth of each picture ---


def masked(fault: str = "") -> Any:
    g = seeded()
    x, mask = 0.3 * torch.randn(250, 3, 16, 16, generator=g), torch.zeros(250, 1, 16, 16)
    for picture, out, (top, left) in zip(x, mask, torch.randint(0, 10, (250, 2), generator=g).tolist(), strict=True):
        picture[0, top : top + 5, left : left + 5] += 1
        out[0, top : top + 5, left : left + 5] = 1
    return loaders(x, mask, 8, fault)


def segmenter() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 12, 3, padding=1), nn.ReLU(), nn.Conv2d(12, 12, 3, padding=1), nn.ReLU(), nn.Conv2d(12, 1, 1)
    )


# --- language: each word is followed by one of three ---


def words(count: int) -> Tensor:
    g = seeded()
    followers = torch.randint(0, WORDS, (WORDS, 3), generator=g)
    ids = [torch.randint(0, WORDS, (count,), generator=g)]
    for _ in range(LENGTH):
        ids.append(followers[ids[-1], torch.randint(0, 3, (count,), generator=g)])
    return torch.stack(ids, 1)


def texts(fault: str = "") -> Any:
    ids = words(400)
    return loaders(ids[:, :-1].contiguous(), ids[:, 1:].contiguous(), 16, fault)


class Reader(nn.Module):
    """Returns logits and a loss, as nanoGPT does."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.memory = nn.Embedding(WORDS, 32), nn.GRU(32, 32, batch_first=True)
        self.next = nn.Linear(32, WORDS)

    def forward(self, ids: Tensor, targets: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        logits = self.next(self.memory(self.words(ids))[0])
        if targets is None:
            return logits, None
        return logits, nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())


class Texts(Dataset[Any]):
    """As a Hugging Face Trainer takes it."""

    def __init__(self, ids: Tensor, labels: Tensor) -> None:
        self.ids, self.labels = ids, labels

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"input_ids": self.ids[index], "labels": self.labels[index]}


def trainer(fault: str = "") -> Any:
    """A Trainer of a causal language model, which shifts its labels itself."""
    from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments

    ids = words(400)
    labels = ids[torch.randperm(len(ids), generator=seeded())] if fault == "labels" else ids
    size = GPT2Config(
        vocab_size=WORDS, n_positions=LENGTH + 1, n_embd=32, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=0
    )
    arguments = TrainingArguments(
        "unused", per_device_train_batch_size=16, learning_rate=rate(1e-2, fault), report_to=[], use_cpu=True,
        lr_scheduler_type="constant", gradient_accumulation_steps=1,
    )  # fmt: skip
    return Trainer(
        model=GPT2LMHeadModel(size), args=arguments, train_dataset=Texts(ids[:320], labels[:320]),
        eval_dataset=Texts(ids[320:], labels[320:]),
    )  # fmt: skip


# --- a LightningModule that asks its Trainer for things, and counts with torchmetrics ---


class ShapesModule(lightning.LightningModule):
    def __init__(self, learning_rate: float) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.net, self.loss = classifier(), nn.CrossEntropyLoss()
        self.seen = torchmetrics.Accuracy(task="multiclass", num_classes=CLASSES)
        self.held_out = torchmetrics.MeanMetric()

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)

    def training_step(self, batch: Any) -> dict[str, Tensor]:
        x, y = batch
        logits = self(x)
        loss = self.loss(logits, y)
        self.seen(logits.argmax(1), y)
        self.log("train/accuracy", self.seen, on_step=False, on_epoch=True)
        return {"loss": loss, "logits": logits}

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.held_out(self.loss(self(batch[0]), batch[1]))
        self.log("val/loss", self.held_out)

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.Adam(self.trainer.model.parameters(), lr=self.hparams["learning_rate"])
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, step / 10, 2 - step / steps))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class ShapesData(lightning.LightningDataModule):
    def __init__(self, fault: str = "") -> None:
        super().__init__()
        self.fault = fault

    def setup(self, stage: str = "") -> None:
        self.train, self.held_out = classified(self.fault)

    def train_dataloader(self) -> Any:
        return self.train

    def val_dataloader(self) -> Any:
        return self.held_out
