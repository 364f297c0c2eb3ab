"""The training steps of `benchmarks.on_card`, each at the card's size and at one that a processor takes in seconds."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from benchmarks import documented_steps
from gonogo.config.experiment import Training
from gonogo.experiment.step import Step
from gonogo.memory.builders import library_step
from gonogo.memory.request import ModelSource

LAYERS = 6


@dataclass(frozen=True)
class Case:
    """One configuration.

    Attributes:
        build: keyword arguments → the step.
        large, small: its arguments on a card and on a processor.
        limit_s: of its process on the card, its start included.
        environment: variables of that process.
        benchmark: cuDNN tries its algorithms and takes the fastest.
        compiled: by torch.compile, where it is measured on a card.
        needs: packages beside torch.
    """

    name: str
    build: Callable[..., Step]
    large: Mapping[str, Any]
    small: Mapping[str, Any]
    limit_s: float = 60
    environment: Mapping[str, str] = field(default_factory=dict)
    benchmark: bool = False
    compiled: bool = False
    needs: tuple[str, ...] = ()


class Block(nn.Module):
    """Two 3×3 convolutions beside their input, as in the U-Nets of diffusion models."""

    def __init__(self, channels: int, checkpointed: bool) -> None:
        super().__init__()
        self.checkpointed = checkpointed
        self.net = nn.Sequential(
            nn.GroupNorm(8, channels), nn.SiLU(), nn.Conv2d(channels, channels, 3, padding=1),
            nn.GroupNorm(8, channels), nn.SiLU(), nn.Conv2d(channels, channels, 3, padding=1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x + (checkpoint(self.net, x, use_reentrant=False) if self.checkpointed else self.net(x))


class UNet(nn.Module):
    """Down and up again over four sizes, of `channels` × 1, 2, 3, 4."""

    def __init__(self, channels: int, checkpointed: bool) -> None:
        super().__init__()
        widths = [channels * factor for factor in (1, 2, 3, 4)]
        self.first, self.last = nn.Conv2d(3, channels, 3, padding=1), nn.Conv2d(channels, 3, 3, padding=1)
        self.down = nn.ModuleList(nn.Sequential(Block(w, checkpointed), Block(w, checkpointed)) for w in widths)
        self.up = nn.ModuleList(nn.Sequential(Block(w, checkpointed), Block(w, checkpointed)) for w in widths)
        pairs = list(itertools.pairwise(widths))
        self.narrow = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairs)
        self.widen = nn.ModuleList(nn.Conv2d(b, a, 3, padding=1) for a, b in pairs)

    def forward(self, x: Tensor) -> Tensor:
        kept, x = [], self.first(x)
        for level, blocks in enumerate(self.down):
            x = blocks(x)
            if level < len(self.narrow):
                kept.append(x)
                x = self.narrow[level](x)
        for level in reversed(range(len(self.up))):
            x = self.up[level](x)
            if level:
                x = self.widen[level - 1](F.interpolate(x, scale_factor=2.0)) + kept.pop()
        return self.last(x)


def unet(
    channels: int, batch: int, side: int, precision: str = "32-true", checkpointed: bool = False, **beside: Any
) -> Step:
    """Pictures to pictures, AdamW; `beside`: fields of the Step, made of the model."""
    model = UNet(channels, checkpointed)
    return Step(
        model=model, optimizer=lambda: torch.optim.AdamW(model.parameters(), lr=1e-4),
        run=lambda images: F.mse_loss(model(images), images), batch=torch.zeros(batch, 3, side, side),
        micro_batch_size=batch, precision=precision,
        **{name: make(model) for name, make in beside.items()},
    )  # fmt: skip


def validated(channels: int, batch: int, side: int, held_out: int, keeps: bool = False) -> Step:
    """With a validation in larger batches, of which outputs are kept or not."""
    kept: list[Tensor] = []

    def validate(model: nn.Module) -> Callable[[Tensor], None]:
        def run(images: Tensor) -> None:
            out = model(images)
            if keeps:
                kept.append(out)

        return run

    return unet(
        channels, batch, side, validate=validate, validation_batch=lambda model: torch.zeros(held_out, 3, side, side),
        validation_batches=lambda model: 4,
    )  # fmt: skip


def saved(channels: int, batch: int, side: int) -> Step:
    """With a checkpoint for which the project copies its state on the card."""

    def hook(model: nn.Module) -> Callable[[dict[str, Any]], None]:
        return lambda found: found.update(copy={name: value.clone() for name, value in found["state_dict"].items()})

    return unet(channels, batch, side, checkpoint=hook)


def texts(width: int, batch: int, length: int, longest: int = 0) -> Step:
    """A small language model; with `longest`, a batch of longer texts after the ordinary ones."""
    layer = nn.TransformerEncoderLayer(
        width, max(width // 64, 1), 4 * width, dropout=0.0, batch_first=True, norm_first=True
    )
    model = nn.Sequential(nn.Embedding(32000, width), nn.TransformerEncoder(layer, LAYERS), nn.Linear(width, 32000))

    def run(tokens: Tensor) -> Tensor:
        return F.cross_entropy(model(tokens)[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())

    others = [(f"{longest:,} tokens", torch.ones(batch, longest, dtype=torch.long))] if longest else []
    return Step(
        model=model, optimizer=lambda: torch.optim.AdamW(model.parameters(), lr=1e-4), run=run,
        batch=torch.ones(batch, length, dtype=torch.long), micro_batch_size=batch, precision="bf16-mixed",
        other_batches=others,
    )  # fmt: skip


def library(name: str, batch: int, side: int, optimizer: str) -> Step:
    return library_step(ModelSource(name=name, shape=(3, side, side), classes=10, optimizer=optimizer), batch, {})


def vqgan(batch: int, hidden: int, side: int) -> Step:
    """Volumes through a 3-D autoencoder."""
    halves = [nn.Conv3d(1, hidden, 4, 2, 1), nn.SiLU(), nn.Conv3d(hidden, 2 * hidden, 4, 2, 1), nn.SiLU()]
    whole = [nn.ConvTranspose3d(2 * hidden, hidden, 4, 2, 1), nn.SiLU(), nn.ConvTranspose3d(hidden, 1, 4, 2, 1)]
    model = nn.Sequential(*halves, *whole)
    return Step(
        model=model, optimizer=lambda: torch.optim.Adam(model.parameters(), lr=1e-4),
        run=lambda x: F.l1_loss(model(x), x), batch=torch.zeros(batch, 1, side, side, side // 2),
        micro_batch_size=batch,
    )  # fmt: skip


def qwen(batch: int, **options: Any) -> Step:
    training = Training.model_validate({"micro_batch_size": batch, "precision": "bf16-true", "gradient_clip_val": 0})
    return documented_steps.qwen_step(training, options)


UNET_51M, UNET_43M, SMALL = {"channels": 128, "side": 256}, {"channels": 112, "side": 256}, {"channels": 8, "side": 32}
TEXT = ("transformers",)
CASES = (  # the worst last: what fails or takes long costs none of the others
    Case("U-Net 43M, batch 8", unet, {**UNET_43M, "batch": 8}, {**SMALL, "batch": 2}),
    Case("U-Net 51M, batch 8", unet, {**UNET_51M, "batch": 8}, {**SMALL, "batch": 4}),
    Case(
        "validation in batches of 64",
        validated,
        {**UNET_51M, "batch": 8, "held_out": 64},
        {**SMALL, "batch": 2, "held_out": 32},
    ),
    Case(
        "validation that keeps outputs",
        validated,
        {**UNET_43M, "batch": 8, "held_out": 32, "keeps": True},
        {**SMALL, "batch": 2, "held_out": 8, "keeps": True},
    ),
    Case("a checkpoint that copies the state", saved, {**UNET_51M, "batch": 8}, {**SMALL, "batch": 2}),
    Case(
        "longest batch of texts",
        texts,
        {"width": 1024, "batch": 8, "length": 512, "longest": 8192},
        {"width": 64, "batch": 2, "length": 16, "longest": 64},
    ),
    Case(
        "texts, compiled",
        texts,
        {"width": 1024, "batch": 8, "length": 2048},
        {"width": 64, "batch": 2, "length": 32},
        90,
        compiled=True,
    ),
    Case(
        "3-D autoencoder, hidden 16, batch 1",
        vqgan,
        {"batch": 1, "hidden": 16, "side": 256},
        {"batch": 1, "hidden": 4, "side": 16},
    ),
    Case(
        "3-D autoencoder, hidden 16, batch 2",
        vqgan,
        {"batch": 2, "hidden": 16, "side": 256},
        {"batch": 2, "hidden": 4, "side": 16},
    ),
    Case(
        "3-D autoencoder, hidden 32, batch 1",
        vqgan,
        {"batch": 1, "hidden": 32, "side": 256},
        {"batch": 1, "hidden": 8, "side": 16},
    ),
    Case(
        "RegNetX 400MF, 650",
        library,
        {"name": "torchvision:regnet_x_400mf", "batch": 650, "side": 86, "optimizer": "SGD"},
        {"name": "torchvision:regnet_x_400mf", "batch": 2, "side": 32, "optimizer": "SGD"},
        needs=("torchvision",),
    ),
    Case(
        "ConvNeXt-B, 300",
        library,
        {"name": "torchvision:convnext_base", "batch": 300, "side": 86, "optimizer": "SGD"},
        {"name": "torchvision:convnext_tiny", "batch": 2, "side": 32, "optimizer": "SGD"},
        needs=("torchvision",),
    ),
    Case(
        "VGG19, 377",
        library,
        {"name": "torchvision:vgg19", "batch": 377, "side": 86, "optimizer": "SGD"},
        {"name": "torchvision:vgg11", "batch": 1, "side": 32, "optimizer": "SGD"},
        needs=("torchvision",),
    ),
    Case("Qwen3-8B, 1 × 4096", qwen, {"batch": 1, "length": 4096}, {}, 60, needs=TEXT),
    Case(
        "Qwen3-8B, 1 × 16384, loss in chunks",
        qwen,
        {"batch": 1, "length": 16384, "checkpointing": True, "chunked_loss": True},
        {},
        60,
        needs=TEXT,
    ),
    Case(
        "Qwen3-8B, 1 × 16384, checkpointing",
        qwen,
        {"batch": 1, "length": 16384, "checkpointing": True},
        {},
        60,
        needs=TEXT,
    ),
    Case(
        "Qwen3-8B, 2 × 16384, checkpointing",
        qwen,
        {"batch": 2, "length": 16384, "checkpointing": True},
        {},
        60,
        needs=TEXT,
    ),
    Case(
        "U-Net 51M, batch 32, bf16 and checkpointing",
        unet,
        {**UNET_51M, "batch": 32, "precision": "bf16-mixed", "checkpointed": True},
        {**SMALL, "batch": 4, "checkpointed": True},
    ),
    Case(
        "U-Net 51M, batch 32, checkpointing",
        unet,
        {**UNET_51M, "batch": 32, "checkpointed": True},
        {**SMALL, "batch": 8, "checkpointed": True},
    ),
    Case(
        "U-Net 51M, batch 32, bf16", unet, {**UNET_51M, "batch": 32, "precision": "bf16-mixed"}, {**SMALL, "batch": 8}
    ),
    Case("U-Net 43M, batch 32", unet, {**UNET_43M, "batch": 32}, {**SMALL, "batch": 8}),
    Case("U-Net 51M, batch 32", unet, {**UNET_51M, "batch": 32}, {**SMALL, "batch": 8}),
    Case(
        "U-Net 51M, batch 32, expandable segments",
        unet,
        {**UNET_51M, "batch": 32},
        {**SMALL, "batch": 8},
        environment={"PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True"},
    ),
    Case(
        "U-Net 51M, batch 32, cudnn.benchmark",
        unet,
        {**UNET_51M, "batch": 32},
        {**SMALL, "batch": 8},
        90,
        benchmark=True,
    ),
)
