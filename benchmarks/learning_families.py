"""Families of model and data for benchmarks/learning.py: each small enough to be trained in a second or two.

`ASIDE` names those that no threshold was chosen with; their figures are reported apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.learning_generative import Arrays, denoiser, generator, rows
from gonogo.experiment.measure import Classes, Measure, Quantities, YesNo
from gonogo.experiment.samples import Samples
from tests.learning.fixtures import _photographs, numbers, pictures

TRAIN, HELD_OUT = 320, 64
VOCABULARY, TOKENS = 24, 16


@dataclass(frozen=True)
class Family:
    """One kind of model on one kind of data.

    Attributes:
        make: of a count, its randomness and that of the task: inputs and targets, float32 or int64.
        net: body and head.
        kind: quantities, classes or labels: how targets are answered; samples: of a generator, which answers none.
        classes: of a classification.
        norm: has batch norm.
    """

    make: Callable[[int, np.random.Generator, np.random.Generator], Arrays]
    net: Callable[[], tuple[nn.Module, nn.Module]]
    kind: str = "quantities"
    classes: int = 0
    rate: float = 4e-3
    norm: bool = False
    grid: bool = False
    unit: tuple[float, float] = (0.0, 1.0)  # mean and spread that the model's answers are scaled back with

    def measure(self, error: Callable[[Tensor, Tensor], Tensor]) -> Measure:
        if self.kind == "samples":
            return Samples()
        if self.kind == "labels":
            return YesNo()
        return Classes(self.classes) if self.kind == "classes" else Quantities(error)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        if self.kind == "labels":
            return F.binary_cross_entropy_with_logits(outputs, targets)
        if self.kind == "classes":
            return F.cross_entropy(outputs, targets)
        return F.mse_loss(outputs / self.unit[1], targets / self.unit[1])


def _table(count: int, rng: np.random.Generator, task: np.random.Generator) -> Arrays:
    return numbers(count, rng, task)


def _prices(count: int, rng: np.random.Generator, task: np.random.Generator) -> Arrays:
    x = rng.normal(size=(count, 10))
    price = 2e5 * np.exp(0.35 * x @ task.normal(size=(10, 1)) / 2 + 0.05 * rng.normal(size=(count, 1)))
    return x.astype(np.float32), price.astype(np.float32)


def _photos(count: int, rng: np.random.Generator, task: np.random.Generator) -> Arrays:
    return pictures(count, rng)


def _autoencoded(count: int, rng: np.random.Generator, task: np.random.Generator) -> Arrays:
    x, _ = pictures(count, rng)
    return x, x.copy()


def _crops(count: int, rng: np.random.Generator, task: np.random.Generator) -> Arrays:
    """Which of four photographs a crop is of."""
    x, y = [], rng.integers(0, 4, count)
    for one in y:
        side = int(rng.integers(42, 126))
        top, left = rng.integers(0, 160 - side, 2)
        crop = cv2.resize(
            _photographs()[one][top : top + side, left : left + side], (14, 14), interpolation=cv2.INTER_AREA
        )
        crop = crop[:, :: rng.choice([-1, 1])]
        x.append(np.clip(crop * rng.uniform(0.7, 1.3), 0, 255).transpose(2, 0, 1) / 255)
    return np.stack(x).astype(np.float32), y.astype(np.int64)


def _masks(count: int, rng: np.random.Generator, task: np.random.Generator) -> Arrays:
    """Three kinds of ground: by how bright a pixel's neighbourhood is against its picture."""
    x, _ = pictures(count, rng)
    grey = torch.from_numpy(x).mean(1, keepdim=True)
    near = F.avg_pool2d(grey, 3, 1, 1) - grey.mean((2, 3), keepdim=True)
    y = torch.bucketize(near[:, 0], torch.tensor([-0.06, 0.06]))
    return x, y.numpy().astype(np.int64)


def _text(count: int, rng: np.random.Generator, task: np.random.Generator) -> Arrays:
    """Each token has three likely successors."""
    follows = task.integers(0, VOCABULARY, (VOCABULARY, 3))
    rows = np.empty((count, TOKENS + 1), np.int64)
    rows[:, 0] = rng.integers(0, VOCABULARY, count)
    for place in range(1, TOKENS + 1):
        likely = follows[rows[:, place - 1], rng.choice(3, count, p=[0.7, 0.2, 0.1])]
        rows[:, place] = np.where(rng.random(count) < 0.1, rng.integers(0, VOCABULARY, count), likely)
    return rows[:, :-1], rows[:, 1:]


def _rhythms(count: int, rng: np.random.Generator, task: np.random.Generator) -> Arrays:
    """Two channels of a wave: how fast and how strong it is."""
    fast, strong = rng.uniform(2, 9, count), rng.uniform(0.3, 2, count)
    time = np.linspace(0, 1, 64)
    phase = rng.uniform(0, 2 * np.pi, (count, 2, 1))
    wave = strong[:, None, None] * np.sin(2 * np.pi * fast[:, None, None] * time + phase)
    x = wave + 0.2 * rng.normal(size=wave.shape)
    return x.astype(np.float32), np.stack([(fast - 5.5) / 2, strong], 1).astype(np.float32)


def _labels(count: int, rng: np.random.Generator, task: np.random.Generator) -> Arrays:
    x = rng.normal(size=(count, 16))
    y = x @ task.normal(size=(16, 5)) + 0.5 * rng.normal(size=(count, 5)) > 0.8
    return x.astype(np.float32), y.astype(np.float32)


def _clouds(count: int, rng: np.random.Generator, task: np.random.Generator) -> Arrays:
    """Points on a ball, a box, or a rod."""
    y = rng.integers(0, 3, count)
    ball = rng.normal(size=(count, 32, 3))
    ball /= np.linalg.norm(ball, axis=2, keepdims=True)
    box = rng.uniform(-1, 1, (count, 32, 3))
    rod = rng.uniform(-1, 1, (count, 32, 3)) * np.array([0.2, 0.2, 1.6])
    found = np.where((y == 0)[:, None, None], ball, np.where((y == 1)[:, None, None], box, rod))
    found = found * rng.uniform(0.7, 1.3, (count, 1, 1)) + 0.1 * rng.normal(size=found.shape)
    return found.astype(np.float32), y.astype(np.int64)


def _walks(count: int, rng: np.random.Generator, task: np.random.Generator) -> Arrays:
    """How a noisy walk with its own drift goes on: negative and positive, and only in part to be known."""
    drift = rng.normal(size=(count, 1))
    x = np.cumsum(0.3 * drift[:, :, None] + rng.normal(size=(count, 24, 1)), 1)
    y = 3 * drift + 0.7 * rng.normal(size=(count, 1)) - 1
    return x.astype(np.float32), y.astype(np.float32)


def _dense(wide: int, out: int, hidden: int = 64) -> tuple[nn.Module, nn.Module]:
    body = nn.Sequential(nn.Linear(wide, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU())
    return body, nn.Linear(hidden, out)


def _normed(wide: int, out: int) -> tuple[nn.Module, nn.Module]:
    return nn.Sequential(nn.Linear(wide, 64), nn.BatchNorm1d(64), nn.ReLU()), nn.Linear(64, out)


def _picture_net() -> tuple[nn.Module, nn.Module]:
    body = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.SiLU(), nn.Conv2d(16, 16, 3, 2, 1), nn.GroupNorm(4, 16),
                         nn.SiLU())  # fmt: skip
    return body, nn.Sequential(nn.Flatten(), nn.Linear(16 * 36, 432), nn.Unflatten(1, (3, 12, 12)))


def _pixel_net() -> tuple[nn.Module, nn.Module]:
    body = nn.Sequential(nn.Conv2d(3, 16, 5, padding=2), nn.BatchNorm2d(16), nn.ReLU(),
                         nn.Conv2d(16, 16, 5, padding=2), nn.ReLU())  # fmt: skip
    return body, nn.Conv2d(16, 3, 1)


def _crop_net() -> tuple[nn.Module, nn.Module]:
    body = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1),
                         nn.ReLU(), nn.Flatten())  # fmt: skip
    return body, nn.Linear(32 * 16, 4)


class Variational(nn.Module):
    """Encoder whose code is drawn; its divergence from a normal one is kept for the loss."""

    def __init__(self) -> None:
        super().__init__()
        self.encode = nn.Sequential(nn.Flatten(), nn.Linear(432, 96), nn.ReLU(), nn.Linear(96, 32))
        self.divergence = torch.zeros(())

    def forward(self, x: Tensor) -> Tensor:
        mean, log = self.encode(x).chunk(2, 1)
        self.divergence = 0.5 * (mean.square() + log.exp() - 1 - log).sum(1).mean()
        return mean + (0.5 * log).exp() * torch.randn_like(mean) if self.training else mean


def _variational() -> tuple[nn.Module, nn.Module]:
    return Variational(), nn.Sequential(nn.Linear(16, 96), nn.ReLU(), nn.Linear(96, 432), nn.Unflatten(1, (3, 12, 12)))


class Speaker(nn.Module):
    """One block of attention over tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.token, self.place = nn.Embedding(VOCABULARY, 32), nn.Parameter(0.1 * torch.randn(TOKENS, 32))
        self.norm, self.project = nn.LayerNorm(32), nn.Linear(32, 96)
        self.after = nn.Sequential(nn.LayerNorm(32), nn.Linear(32, 64), nn.GELU(), nn.Linear(64, 32))
        self.causal = True

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.token(tokens) + self.place
        q, k, v = (part.unflatten(2, (2, 16)).transpose(1, 2) for part in self.project(self.norm(x)).chunk(3, 2))
        x = x + F.scaled_dot_product_attention(q, k, v, is_causal=self.causal).transpose(1, 2).flatten(2)
        return x + self.after(x)


class Transposed(nn.Module):
    """(N, T, C) → (N, C, T)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2)


def _speaker() -> tuple[nn.Module, nn.Module]:
    return Speaker(), nn.Sequential(nn.Linear(32, VOCABULARY), Transposed())


def _rhythm_net() -> tuple[nn.Module, nn.Module]:
    body = nn.Sequential(nn.Conv1d(2, 16, 7, 2, 3), nn.ReLU(), nn.Conv1d(16, 16, 5, 2, 2), nn.ReLU(), nn.Flatten())
    return body, nn.Sequential(nn.Linear(256, 32), nn.ReLU(), nn.Linear(32, 2))


class Pooled(nn.Module):
    """Of a set of points the strongest answer."""

    def __init__(self) -> None:
        super().__init__()
        self.each = nn.Sequential(nn.Linear(3, 32), nn.LayerNorm(32), nn.ReLU(), nn.Linear(32, 48))

    def forward(self, points: Tensor) -> Tensor:
        return self.each(points).amax(1)


class Recurrent(nn.Module):
    """The last state of a GRU."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.GRU(1, 24, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.cell(x)[1][0]


FAMILIES: dict[str, Family] = {
    "table": Family(_table, lambda: _dense(24, 4)),
    "prices": Family(_prices, lambda: _normed(10, 1), norm=True, unit=(2e5, 8e4)),
    "photos": Family(_photos, _picture_net, grid=True),
    "crops": Family(_crops, _crop_net, "classes", 4, 2e-3, norm=True, grid=True),
    "masks": Family(_masks, _pixel_net, "classes", 3, norm=True, grid=True),
    "text": Family(_text, _speaker, "classes", VOCABULARY),
    "rhythms": Family(_rhythms, _rhythm_net, rate=2e-3),
    "labels": Family(_labels, lambda: _dense(16, 5), "labels"),
    "vae": Family(_autoencoded, _variational, grid=True, rate=3e-3),
    "diffusion": Family(_autoencoded, denoiser, grid=True, rate=3e-3),
    "gan": Family(rows, generator, "samples", rate=1e-3),
    "clouds": Family(_clouds, lambda: (Pooled(), nn.Sequential(nn.ReLU(), nn.Linear(48, 3))), "classes", 3),
    "walks": Family(_walks, lambda: (Recurrent(), nn.Linear(24, 1)), rate=6e-3),
}
ASIDE = ("clouds", "walks")


@cache
def arrays(family: str, seed: int) -> Arrays:
    """Both sides of the split, the held-out samples last."""
    rng, task = np.random.default_rng([seed, 1]), np.random.default_rng([seed, 2])
    return FAMILIES[family].make(TRAIN + HELD_OUT, rng, task)


def as_tensor(values: Any) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values))
