"""Classes in the learning gate: their errors in nats, sure answers that are wrong, and what stops such a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gonogo.config.experiment import ExperimentConfig, Training
from gonogo.config.gate_thresholds import LearningGate
from gonogo.experiment.measure import Classes
from gonogo.learning.data_summary import sample_data
from gonogo.learning.evaluate import evaluate
from gonogo.learning.judge import judge
from gonogo.learning.measurements import DataSummary, Evaluation, Gradients, Measurements, OneBatch
from gonogo.learning.model_checks import stable
from gonogo.learning.overfit import overfit_one_batch, try_other_rates
from gonogo.learning.progress_checks import outputs, skill
from gonogo.training.spec import RunSpec
from gonogo.verdict import Status
from tests.toy import PairData, PairExperiment, PairModule, ToySettings

COUNT = 3


class Sorter(PairModule):
    """Which of three numbers is the largest."""

    def __init__(self, rate: float, schedule: bool = False) -> None:
        super().__init__()
        self.net, self.rate, self.schedule = (
            nn.Sequential(nn.Linear(COUNT, 32), nn.ReLU(), nn.Linear(32, COUNT)),
            rate,
            schedule,
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        return nn.functional.cross_entropy(self(batch[0]), batch[1])

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), lr=self.rate)
        if not self.schedule:
            return optimizer
        return [optimizer], [torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, step / 1000))]


class Sorting(PairExperiment):
    Settings = ToySettings
    schedule = False

    def module(self, training: Training) -> Sorter:
        return Sorter(training.learning_rate, self.schedule)

    def datamodule(self, training: Training, folders: Any, seed: int) -> PairData:
        x = torch.randn(128, COUNT, generator=torch.Generator().manual_seed(seed))
        sets = [torch.utils.data.TensorDataset(part, part.argmax(1)) for part in (x[:96], x[96:])]
        return PairData(*sets, training.micro_batch_size)

    def example_batch(self, batch_size: int) -> list[Tensor]:
        return [torch.zeros(batch_size, COUNT), torch.zeros(batch_size, dtype=torch.long)]

    def measure(self) -> Classes:
        return Classes(COUNT)


def sorting(rate: float = 0.5) -> tuple[Sorting, RunSpec]:
    config = ExperimentConfig.model_validate({"class": "tests.learning.test_classes:Sorting"})
    training = Training(micro_batch_size=16, learning_rate=rate, gradient_clip_val=0)
    spec = RunSpec(experiment="sorting", experiment_config=config, training=training, data=[], seed=0, max_steps=10)
    return Sorting("sorting", config, Path()), spec


class Answers(nn.Module):
    """Answers that were made up; `sharpness` is how sure of them it is."""

    device = torch.device("cpu")

    def __init__(self, sharpness: float, wrong: int) -> None:
        super().__init__()
        self.sharpness, self.wrong = sharpness, wrong

    def predict_step(self, batch: list[Tensor], index: int) -> Tensor:
        right = batch[0].argmax(1)
        right[:: self.wrong] = (right[:: self.wrong] + 1) % COUNT
        return self.sharpness * nn.functional.one_hot(right, COUNT).float()


def evaluated(sharpness: float, wrong: int) -> Evaluation:
    experiment, spec = sorting()
    sampled = sample_data(experiment, experiment.datamodule(spec.training, [], 0))
    return evaluate(experiment, Answers(sharpness, wrong), sampled.held_out, sampled.mean, 1)  # type: ignore[arg-type]


def test_skill_is_told_in_nats_over_the_frequencies() -> None:
    good = evaluated(4, 8)
    assert good.error_of_mean == pytest.approx(1.0986, abs=0.06)  # ln 3
    assert 0.3 < (good.skill or 0) < 0.9 and good.output_mean is None and good.target_sigma is None
    assert good.output_change is not None and good.output_change > 0.3
    assert (good.skill_without_input or 0) < 0.1 < (good.own_input_gain or 0)


def test_sure_answers_of_which_some_are_wrong_are_still_knowledge() -> None:
    """At their own temperature they would be worse than the frequencies."""
    sure = evaluated(60, 8)
    assert (sure.skill or 0) > 0.3 and sure.skill_low is not None and sure.skill_low > 0
    assert (evaluated(60, 1).skill or 0) < 0  # every answer wrong: no temperature helps


# --- judging ---


def measured(end_error: float, seen_skill: float, *, quantities: bool) -> Measurements:
    data = DataSummary(
        train_samples=96, held_out_samples=32, read_all=True, bad_inputs=0, bad_targets=0, input_mean=0,
        inputs_vary=True, targets_vary=True, comparable=False, zero=0, input_autocorrelation=None,
        target_autocorrelation=None, independence_p=0.001, exact_copies=0, near_copies=0, shared_groups=[],
        shared_group_count=0, quantities=quantities,
    )  # fmt: skip
    nothing = dict.fromkeys(("skill_low", "skill_high", "output_mean", "target_mean", "output_sigma", "target_sigma"))
    steps = [(0, 1.1, 0.0), (50, (1.1 + end_error) / 2, 0.0), (100, end_error, 1 - end_error / 1.1)]
    evaluations = [
        Evaluation(step=step, samples=32, error=error, error_of_mean=1.1, skill=value, **nothing)  # type: ignore[arg-type]
        for step, error, value in steps
    ]
    gradients = Gradients(norms=[1.0] * 100, modules=2, unreached=[], blocked=[], starved_first=False, not_optimized=[])
    one = OneBatch(steps=50, ratio=0.9, falling=False, rose=False, gradients=gradients)
    return Measurements(
        finite=True, steps=100, first_loss=1.1, last_loss=end_error, val_steps=[], val_loss=[], evaluations=evaluations,
        data=data, one_batch=one, gradients=gradients, seen_skill=seen_skill,
    )  # fmt: skip


def test_answers_worse_than_untrained_on_both_sides_are_diverging() -> None:
    """Nats grow slowly: a language model at a hundredfold rate is at one and a half times its first error."""
    check, cause = stable(measured(1.7, -0.5, quantities=False), LearningGate())
    assert (check.status, cause) == (Status.NO_GO, "DIVERGING") and "was 1.1 before the first" in check.why
    assert stable(measured(1.7, 0.6, quantities=False), LearningGate())[0].status is Status.GO  # learned by heart
    assert stable(measured(1.7, -0.5, quantities=True), LearningGate())[0].status is Status.GO


def test_of_classes_the_outputs_are_not_held_against_the_targets() -> None:
    of_classes, of_quantities = (measured(0.5, 0.5, quantities=q) for q in (False, True))
    assert outputs(of_classes, LearningGate()) is None and outputs(of_quantities, LearningGate()) is not None
    assert "predicting by frequency" in skill(of_classes, LearningGate())[0].title
    assert "output_statistics" not in {check.id for check in judge(of_classes, LearningGate())[0]}


# --- one batch ---


def test_a_rate_that_is_too_large_is_found_though_the_loss_did_not_rise() -> None:
    experiment, spec = sorting(rate=300.0)
    one = overfit_one_batch(experiment, spec, 60, lambda line: None)
    tame = one.model_copy(update={"rose": False})
    assert (one.ratio or 0) > 0.1
    found = try_other_rates(experiment, spec, tame, 60, lambda line: None)
    assert found.other_rate is not None and found.other_rate < 1 and (found.other_ratio or 1) < 0.2


def test_a_schedule_that_begins_at_nothing_is_taken_at_its_peak() -> None:
    experiment, spec = sorting()
    experiment.schedule = True
    assert (overfit_one_batch(experiment, spec, 120, lambda line: None).ratio or 1) < 0.3
