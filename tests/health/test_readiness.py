"""Readiness by part: a weak GPU is no obstacle where the CPU is proven, and what was not tried is unknown."""

from __future__ import annotations

from gonogo.config.experiment import ExperimentConfig
from gonogo.config.load import load_experiment
from gonogo.health.device_ladder import LadderResult
from gonogo.health.readiness import readiness
from gonogo.verdict import Status, Verdict, decide, threshold_check
from tests.conftest import ROOT

HEALTHY = LadderResult({"import": 1.0, "copy": 0.1}, "", {"device": "one"})
ABORTED = LadderResult({"import": 1.0, "copy": 0.1}, "the process was ended by SIGABRT")
EEG = load_experiment(ROOT / "config/experiments", "eeg")


def learned() -> Verdict:
    check = threshold_check("skill", "Skill", 0.5, "> 0.1", True, why="")
    return decide([check], gate="learning", experiment="eeg", measured_at="2026-01-01T00:00:00Z", inputs_digest="")


def statuses(*given: object) -> dict[str, Status]:
    return {part.name: part.status for part in readiness(*given)}  # type: ignore[arg-type]


def test_a_weak_gpu_is_ready_with_reservations_where_the_fallback_is_proven() -> None:
    found = statuses(ABORTED, HEALTHY, EEG, learned())
    assert found["GPU"] is Status.NO_GO and found["fallback to the CPU"] is Status.GO
    assert found["overall"] is Status.CAUTION and found["overall"].passes


def test_without_a_proven_fallback_it_is_not() -> None:
    results = learned()
    assert statuses(ABORTED, ABORTED, EEG, results)["overall"] is Status.NO_GO
    assert statuses(ABORTED, None, EEG, results)["overall"] is Status.NO_GO
    assert statuses(HEALTHY, HEALTHY, EEG, results)["overall"] is Status.GO


def test_what_nobody_measured_is_unknown_and_not_ready() -> None:
    found = statuses(HEALTHY, HEALTHY, None, None)
    assert found["docs"] is found["code"] is Status.UNKNOWN
    assert not found["overall"].passes
    silent = ExperimentConfig.model_validate({"class": "a:B"})
    assert statuses(HEALTHY, HEALTHY, silent, learned())["docs"] is Status.NO_GO
