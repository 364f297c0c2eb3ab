"""How many connections a transfer takes: more only where more carry more."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gonogo.remote.transfer.throughput import StreamScaling

MB = 1_000_000


def streams_after(rate_of: Callable[[int, float], float], total: int, rtt_s: float = 0.05) -> int:
    """Lanes at the end of a transfer of `total` bytes where the link carries `rate_of(streams, seconds)` bytes/s."""
    scaling, done, now = StreamScaling(rtt_s, total), 1.0, 100.0
    while done < total:
        scaling.more(int(done), now)
        done += 0.1 * rate_of(scaling.streams, now - 100)
        now += 0.1
    return scaling.streams


def test_a_clean_link_that_one_stream_fills_gets_no_second_one_while_it_still_rises() -> None:
    assert streams_after(lambda streams, t: 25 * MB * min(1, 0.4 * t), 128 * MB) == 1


def test_a_long_transfer_tries_a_second_stream_once_and_leaves_it_at_that() -> None:
    assert streams_after(lambda streams, t: 25 * MB * min(1, 0.4 * t), 2000 * MB) == 2


def test_a_lossy_link_gets_as_many_as_pay() -> None:
    assert streams_after(lambda streams, t: 1.2 * MB * streams, 500 * MB) == 16
    assert streams_after(lambda streams, t: min(5 * MB, 1.2 * MB * streams), 500 * MB) == 8


def test_a_first_loss_after_a_fast_start_counts_as_lossy() -> None:
    assert streams_after(lambda streams, t: 25 * MB if t < 1.5 else 1.2 * MB * streams, 200 * MB) == 16


@pytest.mark.parametrize(("rtt_s", "total"), [(0.0005, 2000 * MB), (0.05, 900_000)])
def test_a_near_machine_and_a_small_transfer_have_one(rtt_s: float, total: int) -> None:
    assert streams_after(lambda streams, t: 1.2 * MB * streams, total, rtt_s) == 1
