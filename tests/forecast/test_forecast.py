from __future__ import annotations

import pytest

from gonogo.config.accelerator import Accelerator
from gonogo.config.experiment import Training
from gonogo.config.target import Target
from gonogo.forecast.forecast import OWN_SETUP_HOURS, describe, forecast
from gonogo.forecast.speed import Speed

SPEED = Speed(
    step_s=0.2, step_s_low=0.18, step_s_high=0.25, samples_per_step=8, train_samples=272, epoch_overhead_s=1.0,
    start_s=4.0, look_s=0.5, tflops_fp32=0.05, bandwidth_gb_s=10,
)  # fmt: skip
HERE = Accelerator(title="here", visible_bytes=None, is_this_machine=True, source="-")
CARD = Accelerator(title="card", visible_bytes=10, tflops_fp32=100, bandwidth_gb_s=5000, source="-")


def test_on_this_machine_it_is_steps_times_time_times_price() -> None:
    found = forecast(SPEED, Training(epochs=10, micro_batch_size=8), Target(usd_per_hour=2.0), HERE)
    assert found.steps == 340 and found.hours is not None and found.usd is not None
    assert found.hours.mid * 3600 == pytest.approx(340 * 0.2 + 10 * 1.0 + 4 + 136**0.5 + 3600 * OWN_SETUP_HOURS.mid)
    assert found.hours.low < found.hours.mid < found.hours.high
    assert found.usd.mid == pytest.approx(2 * found.hours.mid)


def test_half_the_data_is_half_the_steps_and_accumulation_keeps_the_work() -> None:
    half = SPEED.model_copy(update={"train_samples": 136})
    whole = forecast(SPEED, Training(epochs=10, micro_batch_size=8), Target(), HERE)
    assert forecast(half, Training(epochs=10, micro_batch_size=8), Target(), HERE).steps * 2 == whole.steps
    bigger = forecast(SPEED, Training(epochs=10, micro_batch_size=8, accumulate_grad_batches=2), Target(), HERE)
    assert bigger.steps * 2 == whole.steps and bigger.step_s.mid == pytest.approx(2 * whole.step_s.mid)


def test_two_cards_halve_the_steps_at_an_efficiency_that_is_said() -> None:
    one = forecast(SPEED, Training(epochs=10, micro_batch_size=8), Target(usd_per_hour=2.0), HERE)
    two = forecast(SPEED, Training(epochs=10, micro_batch_size=8, devices=2), Target(usd_per_hour=2.0), HERE)
    assert two.steps * 2 == one.steps and one.hours.mid / 2 < two.hours.mid < one.hours.mid
    assert two.step_s.mid == pytest.approx(one.step_s.mid / 0.9) and two.step_s.low == one.step_s.low
    assert two.usd.mid == pytest.approx(2 * two.hours.mid), "the price is that of the whole machine"
    assert "2 devices together taken as 90 % efficient (60 to 100 %): an assumption" in two.basis
    assert "devices" not in one.basis
    shared = forecast(
        SPEED, Training(epochs=10, micro_batch_size=8, devices=2, strategy="fsdp"), Target(usd_per_hour=2.0), HERE
    )
    assert shared.step_s.mid == pytest.approx(one.step_s.mid * (1 + 1.5 / 9)) and shared.steps == two.steps
    assert "2 devices together taken as 86 % efficient (50 to 100 %): an assumption" in shared.basis
    nodes = forecast(SPEED, Training(epochs=10, micro_batch_size=8, num_nodes=2), Target(usd_per_hour=2.0), HERE)
    assert nodes.steps == two.steps and nodes.usd.mid == pytest.approx(2 * two.usd.mid)
    assert "2 devices together on 2 machines, whose network is not known, taken as" in nodes.basis


def test_another_card_gets_an_interval_from_both_ratios() -> None:
    found = forecast(SPEED, Training(epochs=10), Target(usd_per_hour=2.0), CARD)
    assert found.step_s.low == pytest.approx(0.15 / 2000) and found.step_s.high == pytest.approx(0.28 / 500)
    assert "500 to 2000 times faster" in found.basis


def test_a_spread_of_steps_that_is_wider_than_the_machines_pace_counts() -> None:
    uneven = SPEED.model_copy(update={"step_s_low": 0.1, "step_s_high": 0.5})
    found = forecast(uneven, Training(epochs=10, micro_batch_size=8), Target(), HERE)
    assert (found.step_s.low, found.step_s.high) == (0.1, 0.5)


def test_the_gates_looks_are_few_or_a_small_share() -> None:
    assert SPEED.looking_s(100.0, pace=0.1) == pytest.approx(40 * 0.05)
    assert SPEED.looking_s(36_000.0, pace=10.0) == pytest.approx(40 * 5)
    assert SPEED.looking_s(50.0, pace=10.0) == pytest.approx(10)
    assert SPEED.looking_s(3_750.0, pace=10.0) == pytest.approx(50 + 50)


def test_an_unknown_card_gets_no_figure() -> None:
    unknown = CARD.model_copy(update={"bandwidth_gb_s": None})
    found = forecast(SPEED, Training(epochs=10), Target(), unknown)
    assert found.hours is None and found.usd is None and "unknown" in describe(found)
