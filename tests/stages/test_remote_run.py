"""A run on the machine: its name, and what its progress line says."""

from __future__ import annotations

import time

import pytest

from gonogo.agent import lifecycle
from gonogo.base.digests import digest
from gonogo.remote.answers import GpuReading, Heartbeat
from gonogo.remote.run_request import RunRequest
from gonogo.stages.remote_run import gpu_words, progress_line, run_name


def test_an_order_says_nothing_that_the_agent_does_not_know() -> None:
    assert set(RunRequest.model_fields) == set(lifecycle.DEFAULTS)


def test_two_runs_of_one_second_have_folders_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "strftime", lambda form: "20260101-000000")
    keys = [digest("fast", [], data)[:16] for data in ("one", "other")]
    assert len({run_name("fast", key) for key in keys} | {run_name("canary", key) for key in keys}) == 4


def test_memory_that_is_nearly_full_is_an_alarm() -> None:
    gpu = GpuReading(used_bytes=15.2e9, total_bytes=16e9, busy_percent=97.0, temperature_c=64.0)
    assert "MEMORY NEARLY FULL: use the next smaller micro_batch_size" in gpu_words(gpu)
    assert "NEARLY FULL" not in gpu_words(gpu.model_copy(update={"used_bytes": 12e9}))


def test_the_gpu_is_shown_while_steps_are_made() -> None:
    gpu = GpuReading(used_bytes=8e9, total_bytes=16e9, busy_percent=97.0, temperature_c=64.0)
    line = progress_line(Heartbeat(elapsed_s=60.0, usd=1.5, gpu=gpu), 120.0, "step 5/10")
    assert line == "1 min  2 min left  $1.50  8.00 GB of 16.00 GB, 97 % busy, 64 °C  step 5/10"
    assert "NOT WATCHED ON THE MACHINE FOR 2 min" in progress_line(Heartbeat(age_s=120.0), None, "step 5/10")
    assert "NO STEP FOR 5 min" in progress_line(Heartbeat(quiet_s=300.0), None, "step 5/10")
