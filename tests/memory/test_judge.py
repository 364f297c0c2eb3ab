from __future__ import annotations

import pytest

from gonogo.config import MemoryGate
from gonogo.memory.judge import Measurements, Trace, judge
from gonogo.verdict import Status


def measured(peak_bytes: int | None, capacity: int | None = 16_000_000_000, error: str = "") -> Measurements:
    trace = Trace(
        parameters=1, micro_batch_size=8, accumulate_grad_batches=1, precision="32-true", peak_bytes=peak_bytes,
        components_bytes={}, operations=1, error=error, seconds=1.0,
    )  # fmt: skip
    return Measurements(trace=trace, accelerator="a card", capacity_bytes=capacity, context_bytes=500_000_000)


@pytest.mark.parametrize(
    ("peak", "status"),
    [
        (5e9, Status.GO),
        (13.0e9, Status.CAUTION),
        (15.4e9, Status.CAUTION),
        (15.6e9, Status.NO_GO),
        (40e9, Status.NO_GO),
    ],
)
def test_peak_against_card(peak: float, status: Status) -> None:
    (check,), cause = judge(measured(int(peak)), MemoryGate())
    assert check.status is status
    assert (cause == "MEMORY") == (status is Status.NO_GO)
    assert "13 %" in check.threshold


def test_gb_and_gib_are_told_apart() -> None:
    (check,), _ = judge(measured(int(40e9)), MemoryGate())
    assert "40.50 GB" in check.why and "GiB" in check.why


@pytest.mark.parametrize(
    "case", [measured(None, error="DataDependentOutputException: aten.nonzero"), measured(10, None)]
)
def test_what_is_not_known_never_passes(case: Measurements) -> None:
    (check,), _ = judge(case, MemoryGate())
    assert check.status is Status.UNKNOWN and check.why
