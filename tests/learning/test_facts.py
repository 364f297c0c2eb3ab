"""Facts of steps and samples: each names itself in the verdict, on runs of a second; good runs of their kind pass."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, TensorDataset

from gonogo.config.experiment import ExperimentConfig, Smoke, Training
from gonogo.config.gate_thresholds import LearningGate
from gonogo.experiment.measure import Classes, Measure, Quantities
from gonogo.learning.data_summary import sample_data
from gonogo.learning.judge import judge
from gonogo.learning.measurements import Measurements
from gonogo.learning.sample_names import NamedSamples
from gonogo.learning.smoke import smoke_run
from gonogo.learning.token_shift import TokenShift
from gonogo.training.spec import RunSpec
from gonogo.verdict import Check, Status
from tests.toy import PairData, PairExperiment, PairModule, ToySettings

TRAIN, ALL, COUNT, STEPS = 96, 128, 3, 40


class Case:
    """What of the run below is different; each test sets its own."""

    classes = True
    clears = True
    caches = False
    decay = 0.0
    train = TRAIN
    forward: Callable[[FactModule, Tensor], Tensor] = staticmethod(lambda m, x: m.net(x))
    loss: Callable[[Tensor, Tensor], Tensor] = staticmethod(F.cross_entropy)
    rate: Callable[[int], float] = staticmethod(lambda step: 1.0)
    data: Callable[[Tensor, Tensor], None] = staticmethod(lambda x, y: None)
    built: Callable[[FactModule], None] = staticmethod(lambda m: None)


class FactModule(PairModule):
    """Which of eight numbers' first three is the largest; or their sum."""

    def __init__(self, case: type[Case]) -> None:
        super().__init__()
        self.case, self.kept = case, None
        self.net = nn.Sequential(
            nn.Linear(8, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, COUNT if case.classes else 1)
        )
        case.built(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.case.forward(self, x)

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        if self.case.caches:
            batch = self.kept = self.kept or batch
        return self.case.loss(self(batch[0]), batch[1])

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        self.log("val_loss", self.case.loss(self(batch[0]), batch[1]))

    def optimizer_zero_grad(self, *arguments: Any, **keywords: Any) -> None:
        if self.case.clears:
            super().optimizer_zero_grad(*arguments, **keywords)

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.AdamW(self.parameters(), lr=0.01, weight_decay=self.case.decay)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self.case.rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class Facts(PairExperiment):
    Settings = ToySettings
    case: type[Case] = Case

    def module(self, training: Training) -> FactModule:
        return FactModule(self.case)

    def datamodule(self, training: Training, folders: Any, seed: int) -> PairData:
        x = torch.randn(ALL, 8, generator=torch.Generator().manual_seed(1))
        y = x[:, :COUNT].argmax(1) if self.case.classes else x.sum(1, keepdim=True)
        self.case.data(x, y)
        sets = [TensorDataset(x[part], y[part]) for part in (slice(self.case.train), slice(TRAIN, ALL))]
        return PairData(*sets, training.micro_batch_size)

    def example_batch(self, batch_size: int) -> list[Tensor]:
        return [torch.zeros(batch_size, 8), torch.zeros(batch_size, dtype=torch.long)]

    def error(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return (outputs - targets).square().mean()

    def measure(self) -> Measure:
        return Classes(COUNT) if self.case.classes else Quantities(self.error)


def measured(case: type[Case], out: Path) -> Measurements:
    config = ExperimentConfig.model_validate({"class": "tests.learning.test_facts:Facts"})
    training = Training(micro_batch_size=16, gradient_clip_val=0, ema_decay=0, sample_every_epochs=1000)
    spec = RunSpec(experiment="facts", experiment_config=config, training=training, data=[], seed=0, max_steps=STEPS)
    experiment = Facts("facts", config, Path())
    experiment.case = case
    smoke = Smoke(overfit_steps=60, max_extension=1.0)
    found, _, _ = smoke_run(experiment, spec, smoke, out, lambda line: None, lambda line: None)
    return Measurements.model_validate_json(found.model_dump_json())


def stopped(case: type[Case], out: Path) -> tuple[str, dict[str, Check]]:
    checks, cause = judge(measured(case, out), LearningGate())
    return cause, {check.id: check for check in checks}


def of(**changes: Any) -> type[Case]:
    made = {name: staticmethod(value) if callable(value) else value for name, value in changes.items()}
    return type("Changed", (Case,), made)


def no_momentum(module: FactModule) -> None:
    norm: Any = module.net[1]
    norm.momentum, norm.running_mean = 0.0, torch.full((32,), 4.0)


def put(values: Any, where: Any) -> Callable[[Tensor, Tensor], None]:
    return lambda x, y: y.__setitem__(where, values)


@pytest.mark.parametrize(
    ("case", "cause", "check", "said"),
    [
        (of(), "", "", ""),
        (of(classes=False, loss=F.mse_loss), "", "", ""),
        (of(clears=False), "WIRING", "zero_grad", "never zeroed in"),
        (of(caches=True), "DATA", "same_batch", "one and the same batch in 8 steps"),
        (of(forward=lambda m, x: m.net(x).softmax(1)), "WIRING", "loss_input", "applies another softmax"),
        (of(classes=False, loss=lambda o, y: F.mse_loss(o, y.squeeze(1))), "WIRING", "shapes", "(16, 1) and (16,)"),
        (of(data=put(-100, slice(None))), "DATA", "supervised", "96 of 96 training"),
        (of(data=put(COUNT, 40)), "DATA", "classes", "contain 3; with 3 outputs the classes are 0 to 2 (sample 40)"),
        (of(train=81), "DATA", "last_batch", "81 items in batches of 16: the last batch is one item, and `net.1`"),
        (of(built=no_momentum), "WIRING", "batch_norm", "what batch norms keep is not what they see"),
        (of(loss=lambda o, y: 0 * F.cross_entropy(o, y)), "WIRING", "loss_not_zero", "exactly 0 at each of 40 steps"),
        (of(decay=30.0), "WIRING", "weight_decay", "a weight decay of 30 has taken the weights to"),
        (of(rate=lambda step: 1e-9), "UNDERTRAINED", "weight_change", "they stay as they are"),
        (of(classes=False, loss=lambda o, y: -F.mse_loss(o, y)), "WIRING", "loss_of_outputs", "is of something else"),
        (of(data=lambda x, y: x.__setitem__(slice(0, ALL, 2), 0)), "", "blank_inputs", "48 of 96 training samples"),
    ],
)  # fmt: skip
def test_each_fact_names_itself(case: type[Case], cause: str, check: str, said: str, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found, checks = stopped(case, tmp_path)
    reasons = {name: one.why for name, one in checks.items() if one.why}
    if check == "blank_inputs":
        assert checks[check].status is Status.NO_GO and said in checks[check].why
        return
    assert found == cause, reasons
    if cause:
        assert checks[check].status is Status.NO_GO and said in checks[check].why, reasons


def test_a_batch_norm_that_is_frozen_with_foreign_statistics_is_named(tmp_path: Path) -> None:
    def frozen(module: FactModule) -> None:
        norm: Any = module.net[1]
        norm.running_mean, norm.running_var = torch.full((32,), 60.0), torch.full((32,), 0.01)
        norm.train = lambda mode=True: norm
        norm.training = False

    checks = stopped(of(built=frozen), tmp_path)[1]
    assert "frozen with statistics" in checks["batch_norm"].why and "`net.1`" in checks["batch_norm"].why


class Listed(Dataset):  # type: ignore[type-arg]
    samples: ClassVar = [(f"pictures/{index}.png", 0) for index in range(10)]

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return torch.full((2,), float(index)), index


def test_samples_are_named_by_path_or_by_index_whatever_the_order() -> None:
    named = NamedSamples(DataLoader(Listed(), 4, shuffle=True))
    values = torch.cat([batch[0][:, 0] for batch in named.loader]).tolist()
    assert named.examples([0, 7, 9]) == [f"pictures/{values[place]:.0f}.png" for place in (0, 7)]
    plain = NamedSamples(DataLoader(TensorDataset(torch.arange(6)), 4))
    list(plain.loader)
    assert plain.examples([5]) == ["sample 5"] and NamedSamples([1, 2]).examples([1]) == ["sample 1 as read"]


def test_next_tokens_are_told_from_the_same_ones() -> None:
    tokens = torch.randint(0, 50, (8, 12), generator=torch.Generator().manual_seed(0))
    shift = TokenShift()
    shift.add(tokens[:, :-1], tokens[:, 1:])
    assert shift.following == 1.0 and (shift.itself or 0) < 0.2
    same = TokenShift()
    same.add(tokens, tokens)
    assert same.itself == 1.0
    none = TokenShift()
    none.add(tokens.float(), tokens)
    assert none.itself is None


def test_leaked_samples_are_shown_in_pairs() -> None:
    x = torch.randn(ALL, 8, generator=torch.Generator().manual_seed(1))
    x[TRAIN + 3] = x[17]
    sets = [TensorDataset(x[part], x[part].sum(1, keepdim=True)) for part in (slice(TRAIN), slice(TRAIN, ALL))]
    experiment = Facts("facts", ExperimentConfig.model_validate({"class": "tests.learning.test_facts:Facts"}), Path())
    experiment.case = of(classes=False)
    data = sample_data(experiment, PairData(*sets, 16)).summary
    assert data.exact_copies == 1 and data.examples["leaked"] == ["held-out sample 3 = training sample 17"]
