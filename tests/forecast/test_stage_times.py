from __future__ import annotations

import pytest

from gonogo.config.experiment import Training
from gonogo.config.target import Target
from gonogo.forecast.forecast import Forecast, forecast
from gonogo.forecast.stage_times import by_bytes, by_items
from tests.forecast.test_forecast import CARD, SPEED


def planned(items: int, size: int) -> Forecast:
    """A run on a rented GPU with this many items of data."""
    speed = SPEED.model_copy(update={"train_samples": 8 * items})
    stages = [by_items("dataset", 2.0, 10, items, 2), by_bytes("upload", size, loopback=False)]
    return forecast(speed, Training(epochs=10, micro_batch_size=8), Target(usd_per_hour=2), CARD, stages=stages)


def test_half_the_data_is_half_of_every_stage() -> None:
    whole, half = planned(400, 2_000_000_000), planned(200, 1_000_000_000)
    assert [stage.stage for stage in whole.stages] == ["dataset", "upload", "cloud_train"]
    for one, other in zip(whole.stages[:2], half.stages[:2], strict=True):
        assert other.seconds.mid == pytest.approx(one.seconds.mid / 2)
        assert one.seconds.low < one.seconds.mid < one.seconds.high
    stepping_s = [one.stages[2].seconds.mid - 3600 * one.around_hours.mid for one in (whole, half)]
    assert stepping_s[1] == pytest.approx(stepping_s[0] / 2)


def test_a_large_upload_is_paid_for() -> None:
    small, large = planned(400, 0), planned(400, 45_000_000_000)  # an hour at 100 Mbit/s
    assert small.hours and large.hours and large.usd and small.usd
    assert large.hours.mid - small.hours.mid == pytest.approx(1.0) and large.usd.mid - small.usd.mid == pytest.approx(2)
    assert by_bytes("upload", 10**9, loopback=False, mbit_per_s=20).seconds.mid == pytest.approx(400)
