"""Real smoke runs of a toy: each fault that is put in is the cause that comes out."""

from __future__ import annotations

from pathlib import Path

import pytest

from gonogo.config.experiment import Smoke, Training
from gonogo.config.gate_thresholds import LearningGate
from gonogo.learning.judge import judge
from gonogo.learning.smoke import smoke_run
from gonogo.report.curves import curve_of, loss_curve
from gonogo.training.spec import RunSpec
from tests.toy import config, toy


def nothing(line: str) -> None:
    """Progress that nobody reads."""


@pytest.mark.parametrize(
    ("fault", "learning_rate", "cause"),
    [
        ("", 0.01, ""),
        ("dark", 0.01, "DATA"),
        ("unwired", 0.01, "WIRING"),
        ("blind", 0.01, "INPUT IGNORED"),
        ("", 1e-6, "UNDERTRAINED"),
        ("nan", 0.01, "DIVERGING"),
    ],
)
def test_the_fault_is_named(tmp_path: Path, fault: str, learning_rate: float, cause: str) -> None:
    training = Training(micro_batch_size=16, learning_rate=learning_rate)
    spec = RunSpec(experiment="toy", experiment_config=config(fault), training=training, data=[], seed=0, max_steps=400)
    measured, result, speed = smoke_run(toy(fault), spec, Smoke(overfit_steps=200), tmp_path, nothing, nothing)
    checks, found = judge(measured, LearningGate())
    assert found == cause, {check.id: check.value for check in checks}
    assert speed.train_samples == 64 and speed.tflops_fp32 > 0
    if fault == "dark":
        assert next(check for check in checks if check.id == "loss_fall").value > 80
    loss_curve(curve_of(result, measured, "toy"), tmp_path / "curve.png")
    assert (tmp_path / "curve.png").stat().st_size > 5000
