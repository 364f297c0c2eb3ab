"""A limit on the machine's hours and dollars from its first use: what is under way ends, and the machine can go."""

from __future__ import annotations

import dataclasses
import io
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gonogo.agent import environment
from gonogo.agent.json_files import Problem
from gonogo.base.errors import UserError
from gonogo.config.load import load
from gonogo.config.target import Release, Ssh, Target
from gonogo.remote.answers import Exit
from gonogo.remote.errors import NotOurTurn
from gonogo.runtime.context import Run
from gonogo.stages import remote_run, sent_parts
from gonogo.stages import upload as upload_stage
from gonogo.stages.held_limit import left_s, over_words, refuse_beyond, run_at_most_s, short_of
from gonogo.stages.held_machines import changing, held_file
from gonogo.stages.machine import in_turn
from gonogo.stages.release import note_held, release_machine
from tests.remote.conftest import data
from tests.remote.workspace import end_all
from tests.waiting import LIMIT_S, wait_for

__all__ = ["data"]


@pytest.fixture
def run(root: Path, tmp_path: Path, ssh: Ssh, target: Target) -> Iterator[Run]:
    """At the embedded server, as if it were a rented machine at $3 an hour, held for an hour."""
    (tmp_path / "machine").touch()
    release = Release(
        how="destroy",
        provider="command",
        command=f"rm {tmp_path}/machine",
        gone_command=f"test ! -e {tmp_path}/machine",
    )
    box = target.model_copy(update={"connection": ssh, "usd_per_hour": 3.0, "release": release})
    shipped = load({}, root)
    config = shipped.config.model_copy(update={"results_dir": tmp_path / "results", "target": "box"})
    settings = dataclasses.replace(shipped, config=config, target=box)
    made = Run(stage="upload", experiment="cvs", mode="fast", settings=settings, log=io.StringIO())
    note_held(settings)
    with changing(held_file(settings)) as (held,):
        held.since -= 3600
    yield made


def limited(run: Run, **keys: Any) -> Run:
    settings = dataclasses.replace(run.settings, target=run.target.model_copy(update=keys))
    return dataclasses.replace(run, settings=settings)


def test_hours_and_dollars_count_from_its_first_use_and_cap_the_run(run: Run) -> None:
    assert left_s(run) == float("inf") and run_at_most_s(run) == 24 * 3600
    for keys in ({"max_held_hours": 3.0}, {"max_held_usd": 9.0}, {"max_held_hours": 3.0, "max_held_usd": 12.0}):
        one = limited(run, **keys)
        assert [left_s(one), run_at_most_s(one)] == pytest.approx([7200, 7200], abs=60)
        refuse_beyond(one)
    assert short_of(one, 1.0) == "" and "max_held_hours (3 h) leaves the run 2 h" in short_of(one, 2.5)
    ended = Exit(cause="over_time", cause_said="", elapsed_s=7200.0)
    assert "max_held_hours (3 h)" in over_words(one, ended) and over_words(run, ended) == ""
    assert over_words(one, ended.model_copy(update={"elapsed_s": 86400.0})) == "", "that was max_hours"


def test_beyond_it_nothing_begins_and_the_machine_is_released(run: Run, tmp_path: Path) -> None:
    over = limited(run, max_held_usd=2.0)
    with pytest.raises(UserError, match=r"has been held for 1 h.*beyond max_held_usd \(\$2.00\)"):
        in_turn(over, lambda there: pytest.fail("it must not begin"))
    assert release_machine(over.settings, lambda said: None) and not (tmp_path / "machine").exists()


def test_a_machine_that_says_for_ever_that_something_is_at_work_is_waited_for_until_then(run: Run) -> None:
    asked = 0

    def busy(there: Any) -> None:
        nonlocal asked
        asked += 1
        raise NotOurTurn("me@box", f"run {asked}")

    began = time.monotonic()
    with pytest.raises(UserError, match="beyond max_held_hours"):
        in_turn(limited(run, max_held_hours=1.0 + 2 / 3600), busy)
    assert asked and time.monotonic() - began < 60


def test_an_upload_that_is_under_way_ends_with_the_limit(
    run: Run, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload_stage, "confirm_up_to", lambda digests, last: [])
    monkeypatch.setattr(upload_stage, "run_spec", lambda run: run.target)
    monkeypatch.setattr(upload_stage, "_at_work", lambda *asked: None)
    monkeypatch.setattr(sent_parts, "sent_code", lambda experiment: {})
    monkeypatch.setattr(Run, "data", {"data": data})
    monkeypatch.setattr(
        Run,
        "load_experiment",
        lambda run: SimpleNamespace(trains_with_assets=False, starts_from=None, pretrained=lambda: {}),
    )
    slow = limited(run, max_held_hours=1.0 + 2 / 3600, max_mbit_per_s=0.5)
    outputs = SimpleNamespace(run=tmp_path / "run.json", upload=tmp_path / "upload.json")
    began = time.monotonic()
    with pytest.raises(UserError, match=r"beyond max_held_hours \(1.00056 h\)"):
        upload_stage.upload(slow, None, outputs)
    assert time.monotonic() - began < 15, "1.2 MB at 0.5 Mbit/s take longer"
    assert release_machine(slow.settings, lambda said: None)


def test_a_run_is_given_what_is_left(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    class There:
        where = "me@box"

        def ask(self, *words: Any, **options: Any) -> Any:
            return None

        def launch(self, run_dir: str, **request: Any) -> Any:
            asked.update(request)
            raise UserError("enough")

    monkeypatch.setattr(remote_run, "verify", lambda *uploaded: None)
    monkeypatch.setattr(remote_run, "our_turn", lambda *asked: None)
    monkeypatch.setattr(remote_run, "checkpoint_room", lambda run: None)
    with pytest.raises(UserError, match="enough"):
        remote_run.start_or_attach(limited(run, max_held_hours=1.5), There(), "canary", "digest", [], [])  # type: ignore[arg-type]
    assert asked["max_s"] == pytest.approx(1800, abs=60)


def test_an_installation_ends_with_all_that_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "env/bin").mkdir(parents=True)
    (tmp_path / "env/made").touch()
    (tmp_path / "none.txt").touch()
    (tmp_path / "env/bin/python").write_text(f"#!/bin/sh\nsleep 600 &\necho $! > {tmp_path}/pid\nwait\n")
    (tmp_path / "env/bin/python").chmod(0o755)
    with pytest.raises(Problem, match="-m pip install on the machine had not ended in time, and was ended"):
        environment.environment(tmp_path / "none.txt", "", seconds=1.0)
    (pid,) = (tmp_path / "pid").read_text().split()
    wait_for(lambda: not Path(f"/proc/{pid}/cwd").exists(), LIMIT_S, "the end of what it had started")
    with pytest.raises(Problem, match="had not ended in time"), (tmp_path / ".env.lock").open():
        environment.environment(tmp_path / "none.txt", "", seconds=0.2)  # the lock is free
    end_all(tmp_path)
