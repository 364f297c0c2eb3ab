"""The forecast of a watched script: from what its step computes and its own number of steps, never from files."""

from __future__ import annotations

import pytest

from gonogo.config.accelerator import Accelerator
from gonogo.config.command import Command
from gonogo.config.experiment import Training
from gonogo.config.target import Target
from gonogo.forecast.forecast import Forecast, describe
from gonogo.forecast.script_forecast import forecast_script
from gonogo.forecast.speed import Speed
from gonogo.forecast.step_work import ScriptRun, Work, step_seconds

CARD = Accelerator(title="card", visible_bytes=10, tflops_fp32=100, bandwidth_gb_s=5000, source="-")
HERE = Accelerator(title="here", visible_bytes=None, is_this_machine=True, source="-")
SPEED = Speed(
    step_s=0.001, step_s_low=0.001, step_s_high=0.001, samples_per_step=8, train_samples=4, epoch_overhead_s=0,
    tflops_fp32=0.05, bandwidth_gb_s=10,
)  # fmt: skip
RUN = ScriptRun(work=Work(flop={"fp32": 1e13}, moved_bytes=1e10, operations=100), total_steps=36000, epoch_steps=100)
ASKED = Training(epochs=10, micro_batch_size=8, accumulate_grad_batches=1)


def found(
    run: ScriptRun | None = RUN, train: str = "python train.py", planned: Training = ASKED, card: Accelerator = CARD,
    speed: Speed = SPEED, other_run: bool = True, **command: int,
) -> Forecast:  # fmt: skip
    return forecast_script(
        run, speed, Command(train=train, **command), ASKED, planned, Target(usd_per_hour=2.0), card,
        other_run=other_run,
    )  # fmt: skip


def test_neither_the_rehearsal_s_pace_nor_files_count() -> None:
    forecast = found()
    step_s = step_seconds(RUN.work, CARD)
    assert forecast.steps == 36000 and forecast.step_s == step_s and step_s.mid > 0.25
    assert forecast.hours is not None and forecast.hours.mid > 2.8 and forecast.usd.mid == 2 * forecast.hours.mid
    assert "operations and bytes of its step on card" in forecast.basis


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (RUN.model_copy(update={"total_steps": None}), "write command.steps"),
        (RUN.model_copy(update={"work": None}), "did not count a whole optimizer step"),
        (None, "write command.steps"),
    ],
)
def test_what_is_not_known_has_no_price(run: ScriptRun | None, said: str) -> None:
    forecast = found(run)
    assert forecast.hours is None and forecast.usd is None and said in describe(forecast)


def test_steps_come_from_the_config_where_the_script_says_none() -> None:
    silent = RUN.model_copy(update={"total_steps": None})
    assert found(silent, steps=500).steps == 500
    by_epochs = found(silent, "python train.py --ep {epochs}", Training(epochs=30))
    assert by_epochs.steps == 3000 and "30 epochs of its loader" in by_epochs.basis


def test_another_batch_is_fewer_longer_steps_and_more_epochs_are_more() -> None:
    train = "python train.py --b {micro_batch_size} --e {epochs}"
    twice = found(train=train, planned=Training(epochs=20, micro_batch_size=16, accumulate_grad_batches=1))
    assert twice.steps == 36000 and twice.step_s.mid == pytest.approx(2 * found().step_s.mid)


def test_slow_data_raises_the_estimate_where_the_rehearsal_was_the_same_run() -> None:
    slow = SPEED.model_copy(update={"data_s": 4.0, "data_workers": 4})
    assert found(speed=slow).step_s == found().step_s
    waits = found(speed=slow, other_run=False).step_s
    assert waits.mid == 1.0 and waits.high == found().step_s.high + 4 and waits.low == found().step_s.low


def test_on_this_machine_the_rehearsal_counts_if_it_was_the_same_run() -> None:
    assert found(card=HERE, other_run=False).step_s.mid == 0.001
    other = found(card=HERE)
    assert other.step_s.low > 1e13 / 0.05e12 and other.hours is not None
