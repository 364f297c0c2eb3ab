"""What is known of the machines that are held: durable, never lost to a damaged file or to two writers."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gonogo.config.load import Settings
from gonogo.config.target import Ssh
from gonogo.remote.rented import Rented
from gonogo.runtime.context import Run
from gonogo.stages.held_machines import (
    EVIDENCE_AT_MOST,
    HeldMachine,
    changing,
    held_file,
    held_machines,
    note_run,
    spent_before_run,
    update,
)  # fmt: skip
from gonogo.stages.release import note_held


@pytest.fixture
def settings(stage_run: Callable[..., Run]) -> Settings:
    """Of a target with a machine of the user's own."""
    found = stage_run("upload").settings
    ssh = Ssh(host="203.0.113.7", user="root")
    target = found.target.model_copy(update={"connection": ssh, "usd_per_hour": 3.0})
    return dataclasses.replace(found, target=target)


def test_two_writers_lose_nothing(settings: Settings) -> None:
    note_held(settings)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: note_run(settings, f"cvs/runs/{number}"), range(24)))
        list(pool.map(lambda name: note_held(settings, name), ("cvs", "eeg", "cvs")))
    (held,) = held_machines(held_file(settings))
    assert sorted(held.runs) == sorted(f"cvs/runs/{number}" for number in range(24))
    assert sorted(held.experiments) == ["cvs", "eeg"]


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"machines": [{"host": 3}]}', "\x00\x00"])
def test_a_damaged_file_still_says_that_a_machine_is_held(settings: Settings, damage: str) -> None:
    note_held(settings)
    held_file(settings).write_text(damage)
    (held,) = held_machines(held_file(settings), "203.0.113.7")
    assert held.host == "203.0.113.7" and "was damaged" in held.evidence[0].what
    note_held(settings, "cvs")
    note_run(settings, "cvs/runs/one")
    assert [one.runs for one in held_machines(held_file(settings))] == [["cvs/runs/one"]]


def test_a_file_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    seen = {"id": "7", "name": "gonogo-h200", "addresses": ["203.0.113.7"]}
    file = tmp_path / "box.json"
    file.write_text(json.dumps({"host": "h", "since": 5.0, "runs": ["a"], "machine": seen, "asked_to_shut_down": True}))
    (held,) = held_machines(file)
    assert (held.state, held.host, held.since, held.runs) == ("held", "h", 5.0, ["a"])
    assert held.machine == Rented("7", "gonogo-h200", ("203.0.113.7",)) and held.asked_at == 5.0


def test_only_a_machine_that_was_asked_to_go_is_gone_and_it_stays_so() -> None:
    held = HeldMachine(host="h", since=0)
    with pytest.raises(AssertionError, match="from held there is no way to gone"):
        held.become("gone", "somebody said so")
    held.become("releasing", "asked")
    held.become("alarm", "still there")
    held.become("releasing", "asked again")
    held.become("gone", "seen gone")
    with pytest.raises(AssertionError, match="from gone there is no way to held"):
        held.become("held", "in use")
    assert [one.what for one in held.evidence] == [
        "releasing: asked", "alarm: still there", "releasing: asked again", "gone: seen gone",
    ]  # fmt: skip


def test_evidence_is_bounded_and_its_beginning_stays(settings: Settings) -> None:
    note_held(settings)
    (held,) = held_machines(held_file(settings))
    for number in range(EVIDENCE_AT_MOST + 10):
        update(held_file(settings), held, lambda entry: entry.note(f"look {number}"))  # noqa: B023
    (read,) = held_machines(held_file(settings))
    assert len(read.evidence) == EVIDENCE_AT_MOST and read.evidence[0].what.startswith("in use by")
    assert read.evidence[-1].what == f"look {EVIDENCE_AT_MOST + 9}"


def test_what_the_machine_cost_before_a_run_is_told(settings: Settings) -> None:
    assert spent_before_run(settings) == ""
    note_held(settings)
    assert spent_before_run(settings) == "", "nothing yet"
    with changing(held_file(settings)) as machines:
        machines[0].since -= 7200
    said = spent_before_run(settings)
    assert said.startswith("the machine has been held for 2 h")
    assert "about $6.00, before this run: budget_usd ($20.00) and max_hours count the run alone" in said


def test_what_is_noted_while_it_is_released_stays(settings: Settings) -> None:
    note_held(settings)
    (held,) = held_machines(held_file(settings))
    note_run(settings, "cvs/runs/later")
    update(held_file(settings), held, lambda entry: entry.become("releasing", "asked"))
    (read,) = held_machines(held_file(settings))
    assert read.state == "releasing" and read.runs == ["cvs/runs/later"]
    with changing(held_file(settings)) as machines:
        machines.clear()
    assert not held_file(settings).exists()
