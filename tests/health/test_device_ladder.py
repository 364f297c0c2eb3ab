"""A device that aborts, hangs or miscalculates is found, in a real child that it really ends, and ends nothing else."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from gonogo.agent.device_probe import RUNGS
from gonogo.health import device_ladder
from gonogo.health.device_ladder import LadderResult, climb, verdict
from gonogo.verdict import Status
from tests.remote.workspace import wrapped_python

DEVICE = Path(__file__).parent / "device"


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Children see a GPU with the fault that FAULT names, and device nodes."""
    monkeypatch.setenv("PYTHONPATH", f"{DEVICE}{os.pathsep}{Path.cwd()}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return monkeypatch


def climbed(fault: str, faulty: pytest.MonkeyPatch, rung_s: float = 60) -> tuple[str, str]:
    """The last rung that was tried, and what was wrong there."""
    faulty.setenv("FAULT", fault)
    found = climb("cuda", rung_s=rung_s)
    assert verdict(found, "cuda").status is (Status.NO_GO if found.problem else Status.GO)
    return list(found.seconds)[-1], found.problem


@pytest.mark.parametrize(
    ("fault", "rung", "problem"),
    [
        ("abort", "copy", "the process was ended by SIGABRT"),
        ("segfault", "copy", "the process was ended by SIGSEGV"),
        ("miscopies", "copy", "values copied to the device and back differ"),
        ("miscalculates", "matmul", "a product of matrices differs from the processor's"),
        ("foreign", "device", "holds no code for gfx1010, only for gfx900 gfx942"),
    ],
)
def test_a_fault_is_found_where_it_shows(faulty: pytest.MonkeyPatch, fault: str, rung: str, problem: str) -> None:
    found = climbed(fault, faulty)
    assert found[0] == rung and problem in found[1]


def test_a_device_that_hangs_is_killed_in_time(faulty: pytest.MonkeyPatch) -> None:
    began = time.monotonic()
    rung, problem = climbed("hang", faulty, rung_s=12)
    assert rung == "copy" and problem == "hung for 12 s and was killed"
    assert time.monotonic() - began < 600, "it would hang for an hour"


@pytest.mark.parametrize("body", ["setsid sleep 30 & sleep 30", "exec >&- 2>&-; sleep 30"])
def test_what_holds_its_output_or_closes_it_holds_up_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, body: str
) -> None:
    monkeypatch.setattr(device_ladder.sys, "executable", wrapped_python(tmp_path / "python", before=body))
    began = time.monotonic()
    assert climb("cpu", rung_s=0.3).problem == "hung for 0.3 s and was killed"
    assert time.monotonic() - began < 20


def test_a_healthy_device_reaches_the_top(faulty: pytest.MonkeyPatch) -> None:
    faulty.setenv("FAULT", "none")
    found = climb("cuda")
    assert found.healthy, found.problem
    assert list(found.seconds) == list(RUNGS) and found.facts["device"] == "Faulty 5600"


def test_the_processor_is_healthy_and_no_gpu_is_touched_on_the_way(faulty: pytest.MonkeyPatch) -> None:
    faulty.setenv("FAULT", "abort")  # it would die of any use
    found = climb("cpu")
    assert found.healthy, found.problem
    assert found.facts["device"] == "CPU"


def test_what_was_not_tried_is_unknown_and_the_rung_that_failed_says_what_to_do() -> None:
    found = verdict(
        LadderResult({"import": 1.0, "device": 0.1, "copy": 0.2}, "the process was ended by SIGABRT"), "cuda"
    )
    assert found.status is Status.NO_GO and found.cause == "DEVICE"
    by_id = {check.id: check for check in found.checks}
    assert by_id["device"].status is Status.GO and by_id["matmul"].status is Status.UNKNOWN
    assert "SIGABRT" in by_id["copy"].why and "device: cpu" in by_id["copy"].hint
