"""What is done to a family of benchmarks/learning.py: faults, with the causes that name them, and good set-ups."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks import learning_changes as changes
from benchmarks.learning_changes import Random
from benchmarks.learning_families import FAMILIES, HELD_OUT, TRAIN, Arrays, Family, as_tensor

if TYPE_CHECKING:
    from benchmarks.learning_runs import BenchModule


@dataclass(frozen=True)
class Setup:
    """A fault (`causes` that name it), or a good set-up (no cause).

    Attributes:
        word: that the sentence of the failed check must contain; empty: the cause is enough.
        fits: for which families there is such a thing.
        generators: whether a generator of samples can have it, too.
        data: changes inputs and targets of both sides.
        built: changes the module once it is made.
        forward, loss, optimizer, zero_grad, critic: replace the module's own; the last of a generator's opponent.
        rate: factor on the learning rate.
    """

    causes: tuple[str, ...] = ()
    word: str = ""
    fits: Callable[[Family], bool] = lambda family: True
    generators: bool = False
    data: Callable[[np.ndarray, np.ndarray, Random, Family], Arrays] | None = None
    built: Callable[[BenchModule], None] | None = None
    forward: Callable[[BenchModule, Tensor], Tensor] | None = None
    loss: Callable[[BenchModule, Tensor, Tensor, Tensor], Tensor] | None = None
    optimizer: Callable[[BenchModule], Any] | None = None
    critic: Callable[[Tensor, Tensor], Tensor] | None = None
    clears: bool = True
    training: dict[str, Any] = field(default_factory=dict)
    rate: float = 1.0
    steps: int = 150
    extension: float = 3.0
    train: int = TRAIN
    held_out: int = HELD_OUT
    length: bool = True
    skips: int = 0  # every so many steps return None
    caches: bool = False  # the first batch is used for all

    def suits(self, family: Family) -> bool:
        return self.generators if family.kind == "samples" else self.fits(family)


def quantities(family: Family) -> bool:
    return family.kind == "quantities"


def classes(family: Family) -> bool:
    return family.kind == "classes"


def floats(family: Family) -> bool:
    return family is not FAMILIES["text"]


def tokens(family: Family) -> bool:
    return family is FAMILIES["text"]


def coded(family: Family) -> bool:
    return family is FAMILIES["vae"]


def denoised(family: Family) -> bool:
    return family is FAMILIES["diffusion"]


def generator(family: Family) -> bool:
    return family.kind == "samples"


def paired(family: Family) -> bool:
    return not (coded(family) or denoised(family))


def normed(family: Family) -> bool:
    return family.norm


def single(family: Family) -> bool:
    """One class for each sample, or one column."""
    return family in (FAMILIES["crops"], FAMILIES["clouds"], FAMILIES["prices"], FAMILIES["walks"])


def positioned(family: Family) -> bool:
    return family in (FAMILIES["text"], FAMILIES["masks"])


def _sums_to_one(module: BenchModule, x: Tensor) -> Tensor:
    return module.head(module.body(x)).softmax(1)


def _zero_momentum(module: BenchModule) -> None:
    for part in module.modules():
        if isinstance(part, (nn.BatchNorm1d, nn.BatchNorm2d)):
            part.momentum = 0.0
            part.running_mean.fill_(3.0)  # type: ignore[union-attr]


def _dead(module: BenchModule) -> None:
    for part in module.body.modules():
        if isinstance(part, (nn.Linear, nn.Conv1d, nn.Conv2d)) and part.bias is not None:
            part.bias.data.fill_(-100.0)


def _pretrained(module: BenchModule) -> None:
    """Weights of a hundred steps on the same task, as from a checkpoint."""
    torch.manual_seed(7)
    x, y = module.example()
    optimizer = torch.optim.Adam(module.parameters(), lr=module.rate)
    for step in range(100):
        part = slice(32 * (step % 8), 32 * (step % 8) + 32)
        optimizer.zero_grad()
        module.family.loss(module(x[part]), y[part]).backward()
        optimizer.step()


def _frozen_start(module: BenchModule) -> None:
    _pretrained(module)
    for parameter in next(iter(module.body.children())).parameters():
        parameter.requires_grad_(False)


def _extra_head(module: BenchModule) -> None:
    module.later = nn.Linear(8, 8)


def _adamw(decay: float) -> Any:
    return lambda module: torch.optim.AdamW(module.parameters(), lr=module.rate, weight_decay=decay)


def _scheduled(factor: Callable[[int], float], kind: Any = torch.optim.Adam, **more: Any) -> Any:
    def configure(module: BenchModule) -> Any:
        optimizer = kind(module.parameters(), lr=module.rate, **more)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    return configure


def _foreign(module: BenchModule) -> Any:
    module.other = [copy.deepcopy(module.body)]  # in a list: no part of the module
    return torch.optim.Adam(module.other[0].parameters(), lr=module.rate)


def _two_tasks(module: BenchModule, outputs: Tensor, targets: Tensor, x: Tensor) -> Tensor:
    """A second loss, of the inputs' mean, on the same outputs' body."""
    own = outputs.float().mean(dim=tuple(range(1, outputs.ndim)))
    return module.family.loss(outputs, targets) + 0.01 * (own - x.float().flatten(1).mean(1)).square().mean() / (
        module.family.unit[1] ** 2
    )


def _smoothed(module: BenchModule, outputs: Tensor, targets: Tensor, x: Tensor) -> Tensor:
    return F.cross_entropy(outputs, targets, label_smoothing=0.1)


def _noisy_input(module: BenchModule, x: Tensor) -> Tensor:
    moved = x + 0.1 * x.std() * torch.randn_like(x) if module.training else x
    return module.head(module.body(moved))


def _dropping(module: BenchModule, x: Tensor) -> Tensor:
    return module.head(F.dropout(module.body(x), 0.4, module.training))


FAULTS: dict[str, Setup] = {
    # the data
    "pairs permuted": Setup(("DATA",), fits=paired, data=changes.permuted),
    "pairs rolled by one": Setup(("DATA",), fits=paired, data=changes.rolled),
    "targets are noise": Setup(("DATA",), fits=lambda f: paired(f) and not tokens(f), data=changes.noise),
    "NaN in a target": Setup(("DATA",), "target", fits=lambda f: quantities(f) and paired(f), data=changes.spoilt("y")),
    "NaN in an input": Setup(("DATA",), "input", fits=floats, data=changes.spoilt("x")),
    "targets all the same": Setup(("DATA",), fits=paired, data=changes.same_targets),
    "inputs all black": Setup(("DATA",), fits=lambda f: floats(f) and paired(f), data=changes.black),
    "inputs mostly blank": Setup(("DATA",), fits=lambda f: floats(f) and paired(f), data=changes.blank),
    "targets dark": Setup(("DATA",), fits=lambda f: f is FAMILIES["photos"], data=changes.dark),
    "validation not scaled": Setup(("DATA",), "spread", fits=lambda f: floats(f) and paired(f),
                                   data=changes.held_out(lambda x: 255 * x)),
    "validation scaled twice": Setup(("DATA",), fits=lambda f: floats(f) and paired(f),
                                     data=changes.held_out(lambda x: x / 255)),
    "validation shifted": Setup(("DATA",), fits=lambda f: floats(f) and paired(f),
                                data=changes.held_out(lambda x: x + 3 * x.std())),
    "one target in validation": Setup(("DATA",), fits=single, data=changes.held_out_alike),
    "eight samples again and again": Setup(("DATA",), fits=lambda f: paired(f) and not positioned(f),
                                           data=changes.one_sample),
    "a class too high": Setup(("DATA",), "class", fits=classes, data=changes.too_high),
    "labels all masked": Setup(("DATA",), "-100", fits=positioned, data=changes.unsupervised(1.0)),
    "labels mostly masked": Setup(("DATA",), "-100", fits=positioned, data=changes.unsupervised(0.75)),
    "copies on both sides": Setup(("LEAKAGE",), data=changes.copied(0), generators=True),
    "noisy copies on both sides": Setup(("LEAKAGE",), fits=lambda f: floats(f) and paired(f),
                                        data=changes.copied(0.02)),
    "the answer in the input": Setup(("LEAKAGE",), fits=lambda f: f in (FAMILIES["table"], FAMILIES["prices"],
                                     FAMILIES["photos"]), data=changes.answer_inside),
    "tokens not shifted": Setup(("LEAKAGE",), fits=tokens, data=changes.unshifted),
    "no causal mask": Setup(("LEAKAGE",), fits=tokens, built=lambda m: setattr(m.body, "causal", False)),
    # the model
    "input zeroed in the model": Setup(("INPUT IGNORED",),
                                       forward=lambda m, x: m.head(m.body(torch.zeros_like(x))), generators=True),
    "body detached": Setup(("WIRING",), "body", forward=lambda m, x: m.head(m.body(x).detach()), generators=True),
    "loss detached": Setup(("WIRING",), loss=lambda m, o, y, x: m.own_loss(o.detach(), y)
                           + 0 * sum(p.sum() for p in m.parameters())),
    "loss times zero": Setup(("WIRING",), loss=lambda m, o, y, x: 0 * m.own_loss(o, y)),
    "optimizer of another model": Setup(("WIRING",), optimizer=_foreign),
    "optimizer of the head alone": Setup(("WIRING",), "optimizer", fits=lambda f: f is not FAMILIES["vae"],
                                         optimizer=lambda m: torch.optim.Adam(m.head.parameters(), lr=m.rate),
                                         generators=True),
    "dead units": Setup(("WIRING", "INPUT IGNORED"), fits=lambda f: f in (FAMILIES["table"], FAMILIES["labels"],
                        FAMILIES["rhythms"]), built=_dead),
    "sign of the loss": Setup(("WIRING",), fits=lambda f: not coded(f), loss=lambda m, o, y, x: -m.own_loss(o, y)),
    "(N, 1) against (N,)": Setup(("WIRING",), "every target", fits=lambda f: single(f) and quantities(f),
                                 loss=lambda m, o, y, x: ((o - y.squeeze(1)) / m.family.unit[1]).square().mean()),
    "softmax twice": Setup(("WIRING",), "softmax", fits=lambda f: classes(f) and not tokens(f), forward=_sums_to_one),
    "sigmoid twice": Setup(("WIRING",), "sigmoid", fits=lambda f: f.kind == "labels",
                           forward=lambda m, x: m.head(m.body(x)).sigmoid()),
    "softmax over the batch": Setup(("WIRING",), "softmax", fits=lambda f: classes(f) and single(f),
                                    forward=lambda m, x: m.head(m.body(x)).softmax(0)),
    "batch norm never updated": Setup(("WIRING",), "norm", fits=normed, built=_zero_momentum),
    "answers not scaled back": Setup(("WIRING",), fits=lambda f: f is FAMILIES["prices"],
                                     loss=lambda m, o, y, x: (((o - 2e5) / 8e4 - (y - 2e5) / 8e4) * 0
                                     + (o - 2e5) / 8e4 - (y - 2e5) / 8e4 * 1e-3).square().mean()),
    "posterior collapse": Setup(("WIRING", "INPUT IGNORED"), fits=coded,
                                loss=lambda m, o, y, x: F.mse_loss(o, y) + 10 * m.body.divergence),
    "loss against the noise": Setup(("WIRING",), fits=denoised,
                                    loss=lambda m, o, y, x: F.mse_loss(o, m.body.noise)),
    "nothing but noise": Setup(("INPUT IGNORED",), fits=denoised,
                               built=lambda m: setattr(m.body, "level", lambda x: torch.ones(len(x), 1, 1, 1))),
    "generator detached": Setup(("WIRING",), fits=generator, generators=True,
                                loss=lambda m, o, y, x: F.softplus(-m.critic(o.detach())).mean()),
    "generator helps its critic": Setup(("WIRING",), fits=generator, generators=True,
                                        loss=lambda m, o, y, x: F.softplus(m.critic(o)).mean()),
    "critic sees no fakes": Setup(("WIRING",), fits=generator, generators=True,
                                  critic=lambda real, fake: F.softplus(-real).mean()),
    "one batch for all": Setup(("DATA",), "batch", caches=True),
    "gradients never zeroed": Setup(("WIRING",), "zeroed", clears=False),
    "a last batch of one": Setup(("DATA",), "last batch", fits=lambda f: f is FAMILIES["prices"], train=TRAIN - 15,
                                 steps=12, extension=1.0),
    # the training
    "rate times 1,000": Setup(("DIVERGING",), rate=1e3, extension=1.0, generators=True),
    "rate times 1e-4": Setup(("UNDERTRAINED",), rate=1e-4, extension=1.0, generators=True),
    "three steps": Setup(("UNDERTRAINED",), steps=3, extension=1.0, generators=True),
    "explodes late": Setup(("DIVERGING",), rate=10, optimizer=_scheduled(
        lambda s: 1.0 if s < 110 else 800.0, torch.optim.SGD, momentum=0.9), extension=1.0, fits=quantities),
    "rate gone after four steps": Setup(("UNDERTRAINED",), "rate", optimizer=_scheduled(
        lambda s: 1e-6 if s > 4 else 1.0)),
    "weight decay of 100": Setup(("WIRING", "UNDERTRAINED", "INPUT IGNORED"), "decay", optimizer=_adamw(100)),
    "clipped to nothing": Setup(("UNDERTRAINED",), training={"gradient_clip_val": 1e-7},
                                optimizer=lambda m: torch.optim.SGD(m.parameters(), lr=m.rate), extension=1.0),
}  # fmt: skip

GOOD: dict[str, Setup] = {
    "plain": Setup(generators=True),
    "a fifth of the labels wrong": Setup(fits=paired, data=changes.mislabelled, steps=300),
    "nine in ten of one class": Setup(fits=lambda f: classes(f) and single(f), data=changes.imbalanced),
    "long warm-up": Setup(optimizer=_scheduled(lambda s: min(1.0, s / 100)), steps=250),
    "accumulation of four": Setup(training={"accumulate_grad_batches": 4, "micro_batch_size": 4}),
    "twelve validation samples": Setup(held_out=12, generators=True),
    "targets of any scale": Setup(fits=lambda f: f in (FAMILIES["table"], FAMILIES["rhythms"]), data=changes.large,
                                  built=lambda m: m.scale_back(300, 50)),
    "negative targets": Setup(fits=lambda f: f in (FAMILIES["table"], FAMILIES["walks"], FAMILIES["rhythms"]),
                              data=changes.negative, steps=250),
    "bf16": Setup(training={"precision": "bf16-mixed"}, generators=True),
    "pretrained": Setup(built=_pretrained),
    "pretrained and half frozen": Setup(built=_frozen_start, fits=lambda f: f is not FAMILIES["walks"]),
    "sparse targets": Setup(fits=lambda f: f in (FAMILIES["table"], FAMILIES["photos"]), data=changes.sparse,
                            steps=300),
    "two tasks": Setup(loss=_two_tasks, fits=lambda f: quantities(f) and paired(f)),
    "noise as large as the signal": Setup(fits=lambda f: f in (FAMILIES["table"], FAMILIES["walks"]),
                                          data=changes.noisy),
    "dropout": Setup(forward=_dropping),
    "momentum": Setup(rate=5, optimizer=lambda m: torch.optim.SGD(m.parameters(), lr=m.rate, momentum=0.9), steps=250),
    "cosine": Setup(optimizer=_scheduled(lambda s: 0.5 + 0.5 * np.cos(np.pi * min(s, 200) / 200)), steps=200),
    "clipped": Setup(training={"gradient_clip_val": 0.5}, steps=250),
    "no length": Setup(length=False, generators=True),
    "steps that return None": Setup(skips=5, generators=True),
    "an unused head": Setup(built=_extra_head),
    "a small set": Setup(train=96, steps=150, generators=True),
    "samples twice": Setup(fits=paired, data=changes.twice),
    "noise on the inputs": Setup(fits=floats, forward=_noisy_input),
    "weight decay": Setup(optimizer=_adamw(0.1)),
    "smoothed labels": Setup(fits=classes, loss=_smoothed),
    "moving average": Setup(training={"ema_decay": 0.9}, generators=True),
    "some labels masked": Setup(fits=positioned, data=changes.unsupervised(0.03)),
    "a batch of 64": Setup(training={"micro_batch_size": 64}, steps=120, generators=True),
}  # fmt: skip


def loader_data(setup: Setup, family: Family, x: np.ndarray, y: np.ndarray, rng: Random) -> list[Tensor]:
    """Inputs and targets of both sides: train, train, held-out, held-out."""
    x, y = x.copy(), y.copy()
    if setup.data is not None:
        x, y = setup.data(x, y, rng, family)
    parts = (slice(setup.train), slice(TRAIN, TRAIN + setup.held_out))
    return [as_tensor(values[part]) for part in parts for values in (x, y)]
