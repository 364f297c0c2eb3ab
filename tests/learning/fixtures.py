"""Small experiments on real photographs (and on plain vectors), each with a fault to choose, trained for real.

`good` maps a crop to a warped and filtered view of it. Every other name is a way to fail; `EXPECTED` says by which
cause the learning gate should call it. Three families, so that nothing hangs on one model or kind of data: `mlp` and
`conv` on pictures, `vectors` on standardised numbers, negative as well as positive.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import torch
from pydantic import BaseModel
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from gonogo.config.experiment import ExperimentConfig, Smoke, Training
from gonogo.config.gate_thresholds import LearningGate
from gonogo.learning.judge import judge
from gonogo.learning.measurements import Measurements
from gonogo.learning.smoke import smoke_run
from gonogo.training.spec import RunSpec, TrainingResult
from gonogo.verdict import Check
from tests.toy import PairData, PairExperiment, PairModule

Family = Literal["mlp", "conv", "vectors"]
FAMILIES: tuple[Family, ...] = ("mlp", "conv", "vectors")
PHOTOGRAPHS = Path(__file__).parent.parent.parent / "resources" / "photographs"
SIDE, NUMBERS = 12, 24
TRAIN, HELD_OUT, BATCH = 320, 48, 16
STEPS, OVERFIT_STEPS = 300, 200
RATES: dict[str, float] = {"mlp": 2e-3, "conv": 4e-3, "vectors": 4e-3}

EXPECTED = {
    "good": "",
    "dark": "DATA",
    "shuffled": "DATA",
    "noise": "DATA",
    "nan_targets": "DATA",  # not DIVERGING: the targets hold the NaN, and no learning rate would help
    "leaked": "LEAKAGE",
    "near_copies": "LEAKAGE",
    "zeroed_input": "INPUT IGNORED",
    "disconnected": "WIRING",
    "rate_x1000": "DIVERGING",
    "explodes_late": "DIVERGING",
    "rate_too_small": "UNDERTRAINED",
    "too_few_steps": "UNDERTRAINED",
}
"""Fixture → the cause that the judge should name; `dark` is of pictures only."""


class FixtureSettings(BaseModel):
    fixture: str = "good"
    family: Family = "mlp"
    seed: int = 0


# --- data ------------------------------------------------------------------------------------------------


@cache
def _photographs() -> list[np.ndarray]:
    pictures = [cv2.imread(str(path)) for path in sorted(PHOTOGRAPHS.glob("*.jpg"))]
    return [cv2.resize(picture, (160, 160), interpolation=cv2.INTER_AREA) for picture in pictures]


def pictures(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Crops and their warped, blurred views: (N, 3, S, S) float32 in [0, 1] each."""
    corners = np.array([[0, 0], [64, 0], [64, 64], [0, 64]], np.float32)
    bent = corners + np.array([[4, 2], [-5, 4], [-2, -6], [6, -3]], np.float32)
    warp = cv2.getPerspectiveTransform(corners, bent)
    x, y = [], []
    for _ in range(count):
        photograph = _photographs()[rng.integers(len(_photographs()))]
        side = int(rng.integers(48, 110))
        top, left = rng.integers(0, 160 - side, 2)
        crop = cv2.resize(photograph[top : top + side, left : left + side], (64, 64), interpolation=cv2.INTER_AREA)
        crop = np.clip(crop * rng.uniform(0.7, 1.3), 0, 255)
        view = cv2.warpPerspective(crop, warp, (64, 64), borderMode=cv2.BORDER_REFLECT)
        x.append(cv2.resize(crop, (SIDE, SIDE), interpolation=cv2.INTER_AREA))
        y.append(cv2.resize(view, (SIDE, SIDE), interpolation=cv2.INTER_AREA)[..., ::-1])
    return tuple(np.stack(part).transpose(0, 3, 1, 2).astype(np.float32) / 255 for part in (x, y))  # type: ignore[return-value]


def numbers(count: int, rng: np.random.Generator, task: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Standardised vectors and a smooth function of them with a little noise: (N, 24) and (N, 4)."""
    weights = task.normal(size=(NUMBERS, 4)) / NUMBERS**0.5
    x = rng.normal(size=(count, NUMBERS))
    y = np.tanh(1.5 * x @ weights) + 0.5 * (x @ weights) + 0.05 * rng.normal(size=(count, 4))
    return x.astype(np.float32), y.astype(np.float32)


def data(settings: FixtureSettings, batch_size: int) -> PairData:
    """Both sides, with the fixture's fault in them."""
    rng, fixture = np.random.default_rng([settings.seed, 1]), settings.fixture
    task = np.random.default_rng([settings.seed, 2])
    count = TRAIN + HELD_OUT
    x, y = numbers(count, rng, task) if settings.family == "vectors" else pictures(count, rng)
    if fixture == "dark":
        y = y * np.float32(0.05)
    if fixture == "noise":
        y = rng.permutation(y.ravel()).reshape(y.shape)
    if fixture == "shuffled":
        y = np.concatenate([rng.permutation(y[:TRAIN]), rng.permutation(y[TRAIN:])])
    if fixture == "leaked":
        x[TRAIN : TRAIN + 9], y[TRAIN : TRAIN + 9] = x[:9], y[:9]
    if fixture == "near_copies":
        grain = 0.02 * rng.normal(size=x[:9].shape).astype(np.float32) * x.std()
        x[TRAIN : TRAIN + 9], y[TRAIN : TRAIN + 9] = x[:9] + grain, y[:9]
    if fixture == "nan_targets":
        y[TRAIN // 2].flat[0] = np.nan
    sets = [
        TensorDataset(torch.from_numpy(x[part]), torch.from_numpy(y[part]))
        for part in (slice(TRAIN), slice(TRAIN, None))
    ]
    return PairData(*sets, batch_size)


# --- models ----------------------------------------------------------------------------------------------


def network(family: Family) -> tuple[nn.Module, nn.Module]:
    """Body and head."""
    if family == "vectors":
        return nn.Sequential(nn.Linear(NUMBERS, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU()), nn.Linear(64, 4)
    if family == "mlp":
        wide = 3 * SIDE * SIDE
        body = nn.Sequential(nn.Flatten(), nn.Linear(wide, 192), nn.ReLU(), nn.Linear(192, 192), nn.ReLU())
        return body, nn.Sequential(nn.Linear(192, wide), nn.Unflatten(1, (3, SIDE, SIDE)))
    body = nn.Sequential(
        nn.Conv2d(3, 24, 3, padding=1), nn.SiLU(),
        nn.Conv2d(24, 24, 3, stride=2, padding=1), nn.GroupNorm(4, 24), nn.SiLU(),
        nn.Conv2d(24, 32, 3, padding=1), nn.SiLU(),
    )  # fmt: skip
    return body, nn.Sequential(
        nn.Flatten(), nn.Linear(32 * SIDE * SIDE // 4, 3 * SIDE * SIDE), nn.Unflatten(1, (3, SIDE, SIDE))
    )


class FixtureModule(PairModule):
    def __init__(self, settings: FixtureSettings, training: Training) -> None:
        super().__init__()
        self.fixture, self.rate = settings.fixture, training.learning_rate
        self.body, self.head = network(settings.family)

    def forward(self, x: Tensor) -> Tensor:
        found = self.body(torch.zeros_like(x) if self.fixture == "zeroed_input" else x)
        return self.head(found.detach() if self.fixture == "disconnected" else found)

    def configure_optimizers(self) -> Any:
        if self.fixture == "explodes_late":
            optimizer: Any = torch.optim.SGD(self.parameters(), lr=self.rate * 10, momentum=0.9)
            late = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0 if step < 0.8 * STEPS else 500.0)
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": late, "interval": "step"}}
        return torch.optim.Adam(self.parameters(), lr=self.rate)


class Fixture(PairExperiment):
    Settings = FixtureSettings
    settings: FixtureSettings

    def module(self, training: Training) -> FixtureModule:
        return FixtureModule(self.settings, training)

    def datamodule(self, training: Training, folders: Sequence[Path], seed: int) -> PairData:
        return data(self.settings, training.micro_batch_size)

    def example_batch(self, batch_size: int) -> list[Tensor]:
        return [part[:batch_size] for part in next(iter(data(self.settings, batch_size).val_dataloader()))]


# --- running one -----------------------------------------------------------------------------------------


@dataclass
class Outcome:
    cause: str
    checks: list[Check]
    measured: Measurements
    result: TrainingResult
    said: list[str]


def specification(fixture: str, family: Family, seed: int) -> tuple[Fixture, RunSpec, Smoke]:
    """The experiment, its run, and its rehearsal."""
    config = ExperimentConfig.model_validate(
        {
            "class": "tests.learning.fixtures:Fixture",
            "settings": {"fixture": fixture, "family": family, "seed": seed},
        }
    )
    rate = RATES[family] * {"rate_x1000": 1e3, "rate_too_small": 1e-4}.get(fixture, 1.0)
    steps = 3 if fixture == "too_few_steps" else STEPS
    extension = 1.0 if fixture in ("rate_x1000", "rate_too_small", "too_few_steps") else 3.0
    training = Training(micro_batch_size=BATCH, learning_rate=rate, gradient_clip_val=0, sample_every_epochs=1000)
    spec = RunSpec(
        experiment="fixture", experiment_config=config, training=training, data=[], seed=seed, max_steps=steps
    )
    return Fixture("fixture", config, Path()), spec, Smoke(overfit_steps=OVERFIT_STEPS, max_extension=extension)


def outcome(fixture: str, family: Family, seed: int, out: Path) -> Outcome:
    """Train the fixture for real and judge it by the default thresholds."""
    experiment, spec, smoke = specification(fixture, family, seed)
    said: list[str] = []
    measured, result, _ = smoke_run(experiment, spec, smoke, out, said.append, lambda line: None)
    checks, cause = judge(Measurements.model_validate_json(measured.model_dump_json()), LearningGate())
    return Outcome(cause, checks, measured, result, said)
