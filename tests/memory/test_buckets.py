"""What several cards cost each of them, against a real process under DistributedDataParallel."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.memory.ddp_peak import LAYERS, WIDTH, net
from tests.memory.steps import FLOAT, dense, peak, traced
from tests.waiting import LIMIT_S

WEIGHTS = LAYERS * WIDTH * WIDTH * FLOAT


def measured(devices: int, passes: int) -> int:
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "1048576", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.memory.ddp_peak", str(devices), str(passes)]
    return int(subprocess.run(command, env=environment, capture_output=True, timeout=LIMIT_S, check=True).stdout)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the process's memory from /proc")
@pytest.mark.parametrize("passes", [1, 2])
def test_a_card_among_several_needs_what_a_real_process_needs(passes: int) -> None:
    for devices in (1, 2):
        found = traced(dense(net, 2, WIDTH, devices=devices, accumulate_grad_batches=passes))
        step = peak(found.events) - WEIGHTS
        assert step == pytest.approx(measured(devices, passes), rel=0.08), (devices, step / WEIGHTS)
    assert "gradient buckets" in found.looked[1]


def test_gradients_are_kept_twice_while_they_accumulate_and_when_buckets_are_made_again() -> None:
    alone, shared, accumulating = (
        traced(dense(net, 2, WIDTH, devices=devices, accumulate_grad_batches=passes)).events
        for devices, passes in ((1, 1), (2, 1), (2, 2))
    )
    assert peak(alone) / WEIGHTS == pytest.approx(2, rel=0.02)
    assert peak(shared) / WEIGHTS == pytest.approx(3, rel=0.02), "as the second step begins"
    assert peak(accumulating, "backward") / WEIGHTS == pytest.approx(3 + 1 / LAYERS, rel=0.02)
    assert peak(shared, "backward") / WEIGHTS == pytest.approx(2 + 1 / LAYERS, rel=0.02)
