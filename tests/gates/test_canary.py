from __future__ import annotations

import pytest

from gonogo.config.gate_thresholds import CanaryGate
from gonogo.gates.canary import Measurements, judge
from gonogo.verdict import Status

FINE = {
    "exit_cause": "finished", "steps": 12, "finite": True, "first_loss": 0.5, "last_loss": 0.4, "step_s": 0.2,
    "peak_memory_bytes": 1_000, "device": "cpu", "planned_peak_bytes": 1_000, "planned_step_s_high": 0.2,
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "failed"),
    [
        ({}, None),
        ({"exit_cause": "failed", "steps": 3, "log_tail": ["CUDA out of memory"]}, "ran"),
        ({"steps": 9, "planned_steps": 10}, None),  # the whole run is shorter than a canary
        ({"steps": 8, "planned_steps": 10}, "ran"),
        ({"finite": False, "last_loss": None}, "finite"),
        ({"peak_memory_bytes": 1_300}, "memory"),
        ({"step_s": 0.7}, "speed"),
        ({"step_s": 0.7, "other_smoke_run": True}, None),  # of a smaller model
        ({"planned_steps": 90_000, "max_hours": 6, "budget_usd": 20, "usd_per_hour": 3}, None),
        ({"planned_steps": 90_000, "max_hours": 4, "budget_usd": 20, "usd_per_hour": 3}, "cost"),
        ({"planned_steps": 90_000, "max_hours": 6, "budget_usd": 10, "usd_per_hour": 3}, "cost"),
        ({"temperature_c": 71.0}, None),
        ({"temperature_c": 95.0}, "temperature"),
    ],
)
def test_canary(changes: dict, failed: str | None) -> None:
    checks, cause = judge(Measurements(**{**FINE, **changes}), CanaryGate())
    assert [check.id for check in checks if check.status is Status.NO_GO] == ([failed] if failed else [])
    assert cause == ("MACHINE" if failed else "")


def test_a_crash_quotes_its_last_line() -> None:
    checks, _ = judge(Measurements(exit_cause="failed", log_tail=["loading", "CUDA out of memory"]), CanaryGate())
    assert "CUDA out of memory" in checks[0].why
    assert "Halve micro_batch_size" in checks[0].hint


def test_each_phase_is_held_against_the_plan_and_named() -> None:
    phases = {"steps": 1_000, "validation": 1_400, "checkpoint": 1_400}
    checks, cause = judge(Measurements(**FINE, phase_peaks_bytes=phases), CanaryGate())
    (memory,) = [check for check in checks if check.id == "memory"]
    assert (memory.status, cause) == (Status.NO_GO, "MACHINE")
    assert "in phase validation" in memory.why and "smaller batches for validation" in memory.hint
    checks, _ = judge(Measurements(exit_cause="oom", last_phase="validation"), CanaryGate())
    assert "ended as 'oom' in phase validation" in checks[0].why


def test_unmeasured_memory_is_unknown() -> None:
    checks, _ = judge(Measurements(**{**FINE, "peak_memory_bytes": None}), CanaryGate())
    assert {check.id: check.status for check in checks}["memory"] is Status.UNKNOWN
