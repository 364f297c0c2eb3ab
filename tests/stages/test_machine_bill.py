"""Dollars from the machine's first second to its last: every second in one row of the ledger."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gonogo.cli.main import main
from gonogo.config.target import Ssh
from gonogo.report.timing import timings
from gonogo.runtime import ledger
from gonogo.runtime.context import Run
from gonogo.stages import machine_bill
from gonogo.stages.held_machines import changing, held_file, held_machines, update
from gonogo.stages.machine_bill import close, on_the_bill, spent_usd
from gonogo.stages.release import note_held

HOST, USD_PER_HOUR = "203.0.113.7", 36.0  # a cent a second


class Clock:
    now = 1_800_000_000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    found = Clock()
    monkeypatch.setattr(time, "time", lambda: found.now)
    yield found


@pytest.fixture
def rented(stage_run: Callable[..., Run], clock: Clock) -> Run:
    run = stage_run("upload")
    target = run.target.model_copy(update={"connection": Ssh(host=HOST, user="root"), "usd_per_hour": USD_PER_HOUR})
    return dataclasses.replace(run, settings=dataclasses.replace(run.settings, target=target))


def stage(rented: Run, clock: Clock, name: str, seconds: float, ending: BaseException | None = None) -> ledger.Row:
    """A stage of so many seconds on the machine, with its row, as its script leaves it."""
    run = dataclasses.replace(rented, stage=name, started_at=clock.now)

    @on_the_bill
    def work(run: Run) -> None:
        note_held(run.settings, run.experiment)
        clock.now += seconds
        if ending is not None:
            raise ending

    try:
        work(run)
    except BaseException as error:
        assert error is ending
    row = run.row("done" if ending is None else "interrupted" if isinstance(ending, KeyboardInterrupt) else "failed")
    ledger.add(run.ledger_path, row)
    return row


def rows(rented: Run) -> list[tuple[str, float]]:
    return [(row.stage, round(row.usd, 2)) for row in ledger.rows(rented.ledger_path)]


def test_rows_sum_to_the_bill(rented: Run, clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    began = clock.now
    stage(rented, clock, "upload", 20)
    clock.now += 5
    stage(rented, clock, "setup", 200, RuntimeError("no wheel"))
    stage(rented, clock, "setup", 100)
    stage(rented, clock, "canary", 30)
    stage(rented, clock, "cloud_train", 600, KeyboardInterrupt())
    clock.now += 3600  # the run goes on, and nobody watches
    assert spent_usd(rented.settings) == pytest.approx((clock.now - began) / 100)
    stage(rented, clock, "cloud_train", 60)
    stage(rented, clock, "download", 10)
    clock.now += 7  # validate, report
    (held,) = held_machines(held_file(rented.settings))
    update(held_file(rented.settings), held, lambda entry: entry.become("releasing", "asked"))
    update(held_file(rented.settings), held, lambda entry: entry.become("gone", "seen gone"))
    close(rented.settings, held)
    assert rows(rented) == [
        ("upload", 0.20), ("setup", 2.05), ("setup", 1.0), ("canary", 0.3), ("cloud_train", 6.0), ("held", 36.0),
        ("cloud_train", 0.6), ("download", 0.1), ("held", 0.07),
    ]  # fmt: skip
    assert sum(usd for _, usd in rows(rented)) == pytest.approx((clock.now - began) / 100)
    shown = [timing.stage for timing in timings(ledger.rows(rented.ledger_path))]
    assert "held" not in shown and len(shown) == 7, "where time went is told of stages"
    assert main(["cost", "--results", str(rented.config.results_dir)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == (
        "9 stages, $46.32 in all, of which $2.05 wasted on stages that failed or were done again, $36.07 while a "
        "machine was held between stages"
    )


def test_a_machine_that_is_held_still_bills_beside_the_rows(
    rented: Run, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    stage(rented, clock, "upload", 20)
    clock.now += 100
    assert main(["runs", "--results", str(rented.config.results_dir)]) == 0
    assert f"{HOST} is held and bills on: $1.00 since the last row" in capsys.readouterr().out


def test_two_experiments_on_one_machine_pay_each_second_once(rented: Run, clock: Clock) -> None:
    stage(rented, clock, "upload", 20)
    first = dataclasses.replace(rented, stage="canary", started_at=clock.now)
    second = dataclasses.replace(rented, stage="upload", started_at=clock.now)
    clock.now += 50
    assert machine_bill.take(first) == pytest.approx(0.5)
    clock.now += 25
    assert machine_bill.take(second) == pytest.approx(0.25)


def test_a_stage_done_twice_is_wasted_once_and_a_local_one_costs_nothing(rented: Run, tmp_path: Path) -> None:
    made = [
        ledger.Row("s", "mine", "fast", "canary", 1.0, 2.0, usd=3.0),
        ledger.Row("s", "mine", "fast", "canary", 1.0, 2.0, usd=4.0),
        ledger.Row("s", "mine", "fast", "cloud_train", 1.0, 2.0, usd=5.0, outcome="interrupted"),
        ledger.Row("s", "mine", "", "sample", 1.0, 2.0, outcome="failed"),
    ]
    assert ledger.wasted_usd(made) == 3.0
    with changing(held_file(rented.settings), HOST) as machines:
        assert machines == []
