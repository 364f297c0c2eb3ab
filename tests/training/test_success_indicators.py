"""Success indicators of a live run: yellow from their epoch on, gone when the metric comes round, never a stop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch import LightningModule

from gonogo.config.expected import Indicator
from gonogo.config.experiment import ExperimentConfig, Training
from gonogo.config.gate_thresholds import ResultsGate
from gonogo.gates.results import Measurements, judge
from gonogo.quality.measure import measure_part
from gonogo.training.lightning_run import train_lightning
from gonogo.training.spec import RunSpec
from gonogo.training.success_indicators import miss
from gonogo.verdict import Status
from tests.gates.test_results import write
from tests.toy import Toy, ToyModule, config


class Reporting(ToyModule):
    """Logs a usage at each epoch's end, as a codebook's."""

    usage: tuple[float, ...] = ()

    def validation_step(self, batch: Any, index: int) -> None:
        super().validation_step(batch, index)
        self.log("codebook_usage", self.usage[self.current_epoch])


class ReportingToy(Toy):
    def __init__(self, usage: tuple[float, ...], config: ExperimentConfig) -> None:
        super().__init__("toy", config, Path())
        self.usage = usage

    def module(self, training: Training) -> LightningModule:
        module = Reporting(training, "")
        module.usage = self.usage
        return module


def run(out: Path, *usage: float, watch: dict[str, Any] | None = None) -> tuple[list[str], list[str], int]:
    """Alerts at the end, yellow lines on the way, and steps."""
    watch = watch or {"codebook_usage": {"by_epoch": 2, "at_least": 0.5}}
    configured = ExperimentConfig.model_validate({**config().model_dump(by_alias=True), "watch": watch})
    training = Training(epochs=len(usage), micro_batch_size=32, learning_rate=0.01)
    spec = RunSpec(experiment="toy", experiment_config=configured, training=training, data=[], seed=0)
    said: list[str] = []
    result, _, _ = train_lightning(ReportingToy(usage, configured), spec, out, said.append)
    return result.alerts, [line for line in said if "CAUTION" in line], result.steps


def test_codebook_usage_under_half_by_epoch_2_is_yellow_and_the_run_goes_on(tmp_path: Path) -> None:
    alerts, said, steps = run(tmp_path, 0.1, 0.3, 0.31)
    assert alerts == ["codebook_usage is 0.31 at epoch 3; at least 0.5 was expected by epoch 2"]
    assert said == ["🟡 CAUTION codebook_usage is 0.3 at epoch 2; at least 0.5 was expected by epoch 2"]
    assert steps == 6


@pytest.mark.parametrize("usage", [(0.1, 0.6, 0.6), (0.1, 0.5)])
def test_before_its_epoch_nothing_is_asked(tmp_path: Path, usage: tuple[float, ...]) -> None:
    assert run(tmp_path, *usage)[:2] == ([], [])


def test_a_metric_that_came_late_is_told_once_and_is_no_alert_at_the_end(tmp_path: Path) -> None:
    alerts, said, _ = run(tmp_path, 0.1, 0.3, 0.7)
    assert alerts == [] and len(said) == 1


def test_a_metric_that_nothing_logs_is_named(tmp_path: Path) -> None:
    alerts, _, _ = run(tmp_path, 0.9, watch={"codebok_usage": {"by_epoch": 1, "at_least": 0.5}})
    assert alerts == ["codebok_usage: never logged"]


def test_upper_bounds_and_values_that_are_no_numbers() -> None:
    assert "at most 0.2" in miss("loss", 0.3, Indicator(by_epoch=1, at_most=0.2), 1)
    assert miss("loss", 0.1, Indicator(by_epoch=1, at_most=0.2), 1) == ""
    assert miss("loss", float("nan"), Indicator(by_epoch=1, at_most=0.2), 1)


def test_the_results_gate_shows_them_as_caution(tmp_path: Path) -> None:
    measure_part("views", write(tmp_path / "predictions"), tmp_path / "measured")
    measured = Measurements(metrics={"skill": 0.7}, pictures=tmp_path / "measured", alerts=["codebook_usage is 0.3"])
    check = next(check for check in judge(measured, ResultsGate()).checks if check.id == "indicators")
    assert check.status is Status.CAUTION and check.why == "codebook_usage is 0.3"
