"""The verdict is the allocator's replay at the GPU's capacity, together with the estimate's error."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from gonogo.config.accelerator import Accelerator
from gonogo.config.experiment import Training
from gonogo.config.gate_thresholds import MemoryGate
from gonogo.config.load import load_accelerator
from gonogo.memory.estimate import estimate, failed
from gonogo.memory.judge import Measurements, judge
from gonogo.memory.plan_search import Candidate, Explored, explore
from gonogo.verdict import Status
from tests.memory.cards import card, estimator, traced_step
from tests.memory.synthetic import events

GATE = MemoryGate()


def measured(on: Accelerator, micro: int = 4, accumulate: int = 1, **facts: Any) -> Measurements:
    training = Training(micro_batch_size=micro, accumulate_grad_batches=accumulate)
    return Measurements(accelerator=on, explored=explore(estimator(on, **facts), training, on))


# 4 samples need 12.0 GB: 1 of weights, 2 of optimizer state, 8 of activations, 0.5 of context, and what is cached
@pytest.mark.parametrize(
    ("gigabytes", "status"),
    [(16, Status.GO), (14.6, Status.GO), (12.9, Status.CAUTION), (11, Status.NO_GO), (6, Status.NO_GO)],
)
def test_need_against_card(gigabytes: float, status: Status) -> None:
    (check,), cause = judge(measured(card(gigabytes)), GATE)
    assert check.status is status
    assert (cause == "MEMORY") == (status is Status.NO_GO)
    assert "−4 to +9 %" in check.threshold and bool(check.why) == (status is not Status.GO)


def test_room_for_less_than_the_largest_error_that_was_measured_is_caution() -> None:
    (peak, error), cause = judge(measured(card(13.4)), GATE)
    assert (peak.status, error.id, error.status, cause) == (Status.GO, "farthest_error", Status.CAUTION, "")


def test_a_refusal_names_what_and_where_and_what_to_do() -> None:
    (check,), _ = judge(measured(card(8), micro=4), GATE)
    assert "will run out of memory, at 400.0 MB for aten.mm.default in Linear, forward" in check.why
    assert "GB" in check.why and "GiB" in check.why
    assert "micro_batch_size 4 → " in check.hint and "on_no_go: replan" in check.hint


def test_the_verdict_is_the_replay_not_a_comparison_of_peaks() -> None:
    # the allocator would keep more than the GPU has; by releasing cached memory, it fits
    changes = [(0, 6_000_000_000), (0, -6_000_000_000), (1, 7_000_000_000), (1, -7_000_000_000)]
    on, training = card(8.5), Training()
    found = estimate(traced_step(events(changes)), training, on)
    assert found.needed_bytes is not None and found.needed_bytes > 13e9 and found.fits
    candidate = Candidate(training=training, needed_bytes=found.needed_bytes, fits=found.fits, estimate=found)
    checks, _ = judge(
        Measurements(accelerator=on, explored=Explored(capacity_bytes=8_500_000_000, candidates=[candidate])), GATE
    )
    assert checks[0].status is Status.CAUTION and "cached memory is released once" in checks[0].why


def test_margins_are_a_gigabyte_a_share_and_the_estimates_error() -> None:
    large = measured(card(41, context_bytes=0), micro=16)  # 35.8 of 41 GB
    assert judge(large, GATE).checks[0].status is Status.GO
    assert judge(large, MemoryGate(caution_margin=0.2)).checks[0].status is Status.CAUTION
    assert judge(large, MemoryGate(estimate_error=0.2)).checks[0].status is Status.CAUTION
    small = measured(card(6, context_bytes=0), micro=1)  # 5.15 of 6 GB: more than a tenth left, less than 1 GB
    assert judge(small, GATE).checks[0].status is Status.CAUTION


def test_an_assumed_value_makes_it_a_caution() -> None:
    (check,), _ = judge(measured(card(64), guesses=["aten.max: its value is not known, 1 was assumed"]), GATE)
    assert check.status is Status.CAUTION and "aten.max" in check.why


def test_what_is_not_known_never_passes() -> None:
    on, training = card(), Training()
    candidate = Candidate(
        training=training, needed_bytes=None, fits=None, estimate=failed(training, "aten.nonzero: data")
    )
    for capacity in (16_000_000_000, None):
        (check,), cause = judge(
            Measurements(accelerator=on, explored=Explored(capacity_bytes=capacity, candidates=[candidate])), GATE
        )
        assert check.status is Status.UNKNOWN and "aten.nonzero" in check.why and cause == ""


@pytest.mark.parametrize(
    ("precision", "status"),
    [("bf16-mixed", Status.CAUTION), ("bf16-true", Status.CAUTION), ("16-mixed", None), ("16-true", None)],
)
def test_a_precision_that_the_card_lacks_is_told(precision: str, status: Status | None) -> None:
    on = card(64, tflops_bf16=None)
    training = Training.model_validate({"micro_batch_size": 2, "precision": precision})
    checks, _ = judge(Measurements(accelerator=on, explored=explore(estimator(on), training, on)), GATE)
    found = {check.id: check for check in checks}
    assert found["peak_memory"].status is Status.GO
    assert (found["precision"].status if "precision" in found else None) is status


@pytest.mark.parametrize(
    ("precision", "said"),
    [
        ("16-mixed", "fp16 is not TF32: it overflows above 65,504.*bf16-mixed, at 989.4 TFLOPS, needs no loss scale"),
        (
            "32-true",
            r"matrix products run at 67 TFLOPS; with torch.set_float32_matmul_precision\('high'\) in TF32",
        ),
        ("bf16-mixed", None),
    ],
)
def test_a_better_precision_of_the_card_is_told_in_plain_words(root: Path, precision: str, said: str | None) -> None:
    on = load_accelerator(root / "config", "h200")
    training = Training.model_validate({"micro_batch_size": 2, "precision": precision})
    checks, _ = judge(Measurements(accelerator=on, explored=explore(estimator(on), training, on)), GATE)
    found = next((check for check in checks if check.id == "precision"), None)
    assert (found is None) is (said is None)
    assert found is None or (found.status is Status.GO and re.search(said or "", found.why))


def test_replan_takes_the_cheapest_change_that_passes() -> None:
    asked = measured(card(9), micro=8)
    assert judge(asked, GATE).cause == "MEMORY"
    checks, cause = judge(asked, MemoryGate(on_no_go="replan"))
    assert cause == "" and all(check.status.passes for check in checks)
    (change,) = [check for check in checks if check.id == "replanned"]
    assert "micro_batch_size 8 → 2, accumulate_grad_batches 1 → 4" in change.why and change.status is Status.CAUTION
    assert "micro-batch 2" in checks[0].title


def test_replan_does_not_touch_a_plan_that_passes_nor_one_that_nothing_saves() -> None:
    fine = measured(card(64))
    assert judge(fine, MemoryGate(on_no_go="replan")) == judge(fine, GATE)
    hopeless = measured(card(2), micro=8)
    checks, cause = judge(hopeless, MemoryGate(on_no_go="replan"))
    assert cause == "MEMORY" and "No change that the experiment offers" in checks[0].hint


def test_measurements_come_back_from_their_file(tmp_path: Any) -> None:
    before = measured(card(9), micro=8)
    before.write(tmp_path / "measurements.json")
    after = Measurements.read(tmp_path / "measurements.json")
    assert judge(after, GATE) == judge(before, GATE)
