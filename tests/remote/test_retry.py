"""How long a transfer is tried again: progress counts, and not the time that an attempt takes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from gonogo.config.target import Ssh, Target
from gonogo.remote.errors import Unreachable
from gonogo.remote.transfer import retry

SSH = Ssh(host="h", user="u")


class Clock:
    """Time that passes only where something waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Machine:
    left_bytes = float("inf")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    @contextlib.contextmanager
    def connect(ssh: Any, target: Any, wait: bool) -> Iterator[Machine]:
        yield Machine()

    made = Clock()
    monkeypatch.setattr(retry, "time", made)
    monkeypatch.setattr(retry, "connect", connect)
    return made


def test_a_machine_that_lets_us_in_and_says_nothing_is_given_up(clock: Clock) -> None:
    attempts: list[float] = []

    def hangs(machine: Any) -> None:
        attempts.append(clock.now)
        clock.sleep(120)  # as long as a silent link is waited for
        raise Unreachable("nothing passed for 120 s")

    with pytest.raises(Unreachable):
        retry.persistently(lambda: SSH, Target(), hangs, lambda text: None, patience_s=600)
    assert 4 <= len(attempts) <= 6


def test_one_that_takes_the_first_bytes_and_hangs_is_given_up_too(clock: Clock) -> None:
    def hangs(machine: Any) -> None:
        machine.left_bytes = 10**9  # the same each time: what it took is not there
        clock.sleep(120)
        raise Unreachable("nothing passed for 120 s")

    with pytest.raises(Unreachable):
        retry.persistently(lambda: SSH, Target(), hangs, lambda text: None, patience_s=600)
    assert clock.now < 1000


def test_a_line_that_drops_every_minute_is_kept_as_long_as_it_helps(clock: Clock) -> None:
    left = [10**9]

    def carries(machine: Any) -> str:
        left[0] -= 10**7
        machine.left_bytes = left[0]
        clock.sleep(60)
        if left[0] > 0:
            raise Unreachable("dropped")
        return "all"

    assert retry.persistently(lambda: SSH, Target(), carries, lambda text: None, patience_s=100) == "all"
    assert clock.now > 6000
