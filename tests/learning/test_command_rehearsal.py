"""The smoke run of commands: its losses are judged, and never green."""

from __future__ import annotations

from pathlib import Path

from gonogo.config.experiment import Smoke
from gonogo.config.gate_thresholds import LearningGate
from gonogo.learning.judge import judge
from gonogo.learning.rehearse import rehearse
from gonogo.verdict import Check, Status
from tests.experiment.scripts import experiment, spec


def nothing(*_: object) -> None:
    return None


def rehearsed(root: Path, fault: str) -> tuple[dict[str, Check], str]:
    measured, result, speed = rehearse(
        experiment(root, fault), spec(root, fault), Smoke(), root / "smoke", nothing, nothing, LearningGate()
    )
    assert (speed.train_samples, len(result.train_loss)) == (20, result.steps)
    checks, cause = judge(type(measured).model_validate_json(measured.model_dump_json()), LearningGate())
    return {check.id: check for check in checks}, cause


def test_falling_losses_are_never_green(tmp_path: Path) -> None:
    checks, cause = rehearsed(tmp_path, "ok")
    assert cause == ""
    assert {name for name, check in checks.items() if check.status is Status.CAUTION} == {
        "input_used", "gradients", "leakage", "skill",
    }  # fmt: skip
    assert checks["skill"].why == "not judged: a command shows only its losses"
    assert checks["train_loss_falls"].status is checks["val_loss_falls"].status is Status.GO


def test_losses_that_do_not_fall_stop_it(tmp_path: Path) -> None:
    checks, cause = rehearsed(tmp_path, "flat")
    assert checks["train_loss_falls"].status is Status.NO_GO and cause == "LOSS"
    assert "does not fall beyond its noise" in checks["train_loss_falls"].why


def test_a_nan_in_the_rehearsal_is_a_no_go(tmp_path: Path) -> None:
    measured, _, _ = rehearse(
        experiment(tmp_path, "nan"),
        spec(tmp_path, "nan"),
        Smoke(),
        tmp_path / "smoke",
        nothing,
        nothing,
        LearningGate(),
    )
    checks, cause = judge(measured, LearningGate())
    assert checks[0].status is Status.NO_GO and checks[0].why == "train_loss is nan at step 5" and cause == "DIVERGING"
