"""Runs started and ended by the agent alone: one run per lock, every end recorded, nothing orphaned."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gonogo.agent import lifecycle
from gonogo.agent.incoming import prepare
from gonogo.agent.resumption import next_attempt
from gonogo.agent.run_folder import NO_PAST
from gonogo.base import processes
from gonogo.remote.agent_archive import NAME
from tests.remote.workspace import Workspace, end_all
from tests.waiting import LIMIT_S, wait_for

SLEEP = ["sh", "-c", "echo begun; exec sleep 60"]


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Workspace]:
    workspace = Workspace(tmp_path)
    yield workspace
    end_all(tmp_path)


def test_a_run_from_start_to_end(work: Workspace) -> None:
    (work.folder / "code").mkdir()
    script = "pwd; echo err >&2; echo $NAME $PYTHONUNBUFFERED; printf 'a\\rb\\rc\\n'; printf 'no newline'"
    began = time.time()
    answer = work.launch(["sh", "-c", script], cwd="code", environment={"NAME": "x=y; z"}, usd_per_hour=3600)
    assert answer.pop("timer")["ends_in_s"] is None
    assert answer == {"state": "started", "run_dir": "runs/one", "key": "k", "log_offset": 0}
    ended = work.ended()
    assert (ended["cause"], ended["code"], ended["signal"]) == ("finished", 0, None)
    assert began <= ended["started_at"] <= ended["ended_at"] <= time.time()
    assert ended["usd"] == pytest.approx(ended["elapsed_s"], abs=0.01)
    assert work.log() == [str(work.folder / "code"), "err", "x=y; z 1", "c", "no newline"]
    stamp = (work.folder / "runs/one/log.txt").read_text().partition(" ")[0]
    assert time.strptime(stamp[:19], "%Y-%m-%dT%H:%M:%S")
    assert stamp.endswith("Z")
    assert (work.folder / "runs/one/agent.log").read_text() == ""
    assert work.call("status", "runs/one")["state"] == "exited"


def test_eight_launches_at_once_start_one(work: Workspace) -> None:
    order = json.dumps({"key": "k", "workspace": ".", "argv": ["sh", "-c", "echo ran >> ran; sleep 60"]})
    launches = [work.start("launch", "runs/one", stdin=order) for _ in range(8)]
    states = [json.loads(process.communicate(timeout=120)[0])["state"] for process in launches]
    assert sorted(states) == ["already"] * 7 + ["started"]
    time.sleep(0.3)
    assert (work.folder / "runs/one/ran").read_text() == "ran\n"


def test_another_run_in_the_workspace_waits_its_turn(work: Workspace) -> None:
    work.launch(SLEEP)
    answer = work.launch(SLEEP, run="runs/two", key="other")
    assert answer == {"state": "already", "run_dir": "runs/one", "key": "k"}
    assert work.call("active", ".") == {"run_dir": "runs/one", "key": "k"}
    assert work.call("status", "runs/two")["state"] == "none"


def test_the_lock_is_free_when_the_exit_is_known(work: Workspace) -> None:
    for number in range(3):
        assert work.launch(["true"], run=f"runs/{number}", key=f"{number}")["state"] == "started"
        work.ended(f"runs/{number}")


def test_asking_never_looks_like_holding(work: Workspace) -> None:
    askers = [work.start("active", ".") for _ in range(6)]
    assert work.launch(["true"])["state"] == "started"
    for asker in askers:
        asker.communicate(timeout=LIMIT_S)


def test_a_key_that_finished_is_done_and_one_that_failed_runs_again(work: Workspace) -> None:
    work.launch(["sh", "-c", "echo first; exit 5"])
    assert (work.ended()["cause"], work.ended()["code"]) == ("failed", 5)
    again = work.launch(["sh", "-c", "echo second"])
    assert again["state"] == "started"
    assert again["log_offset"] == len("2026-01-01T00:00:00.000Z first\n")
    assert work.ended()["cause"] == "finished"
    assert work.log() == ["first", "second"]
    assert work.launch(["sh", "-c", "echo third"])["state"] == "done"
    assert work.launch(["sh", "-c", "echo third"], key="new")["state"] == "started"


def test_a_run_that_its_client_lost_track_of_is_found_by_its_key(work: Workspace) -> None:
    work.launch(["true"], run="ws/runs/first", workspace="ws")
    work.ended("ws/runs/first")
    again = work.launch(["sh", "-c", "echo ran > ran"], run="ws/runs/second", workspace="ws", once=True)
    assert (again["state"], again["run_dir"]) == ("done", "ws/runs/first")
    assert not (work.folder / "ws/runs/second").exists(), "nothing is left of what was not started"

    work.launch(["sh", "-c", "exit 5"], run="ws/runs/third", workspace="ws", key="other")
    work.ended("ws/runs/third")
    script = ["sh", "-c", 'echo "$1" > "$1/ran"', "-", "{run_dir}"]
    resumed = work.launch(script, run="ws/runs/fourth", workspace="ws", key="other", once=True)
    assert (resumed["state"], resumed["run_dir"]) == ("started", "ws/runs/third")
    assert work.ended("ws/runs/third")["cause"] == "finished"
    assert (work.folder / "ws/runs/third/ran").read_text().strip() == str(work.folder / "ws/runs/third")

    work.launch(["sh", "-c", "exit 3"], run="ws/runs/nan", workspace="ws", key="nan")
    assert work.ended("ws/runs/nan")["cause"] == "nan"
    fresh = work.launch(["true"], run="ws/runs/fresh", workspace="ws", key="nan", once=True)
    assert (fresh["state"], fresh["run_dir"]) == ("started", "ws/runs/fresh"), "it would be refused again"
    work.ended("ws/runs/fresh")

    listed = {run["run_dir"]: (run["key"], run["state"], run["cause"]) for run in work.call("runs", ".")}
    assert listed["ws/runs/nan"] == ("nan", "exited", "nan")
    assert sorted(listed) == [f"ws/runs/{name}" for name in ("first", "fresh", "nan", "third")]


def test_a_run_whose_data_was_replaced_is_not_resumed(work: Workspace) -> None:
    upload = work.folder / "ws/.gonogo-manifest.json"
    upload.parent.mkdir()
    for replaced in ("never", "in part", "whole"):
        upload.write_text("what it began with")
        run = f"ws/runs/{replaced}"
        work.launch(SLEEP, run=run, workspace="ws", key=replaced, resume=["--resume"])
        if replaced == "in part":
            prepare(work.folder / "ws", {"names": ["data"], "sizes": {}, "owner": "another laptop", "unasked": 0})
        elif replaced == "whole":
            upload.write_text("what another laptop sent")
        end_all(work.folder)
        wait_for(lambda run=run: work.call("status", run)["state"] == "lost")  # type: ignore[misc]
        assert work.call("adopt", run)["state"] == ("adopted" if replaced == "never" else "exited")
        end_all(work.folder)
        work.wait_until_free()
    assert work.ended("ws/runs/whole")["cause"] == "agent_lost"
    assert any("replaced by another upload" in line for line in work.log("ws/runs/whole"))


def test_a_command_that_is_not_there(work: Workspace) -> None:
    process = work.start("launch", "runs/one", stdin='{"key": "k", "argv": ["no-such-command"]}')
    errors = process.communicate(timeout=120)[1]
    assert process.returncode == 1
    assert errors == "the run did not start: no-such-command: No such file or directory\n"
    assert work.call("status", "runs/one")["state"] == "none"
    assert work.call("active", "runs") is None


def test_a_link_to_a_checkpoint_that_is_gone_and_damaged_ones_are_passed_over(tmp_path: Path) -> None:
    """Of Lightning's `save_last="link"`; and an archive whose record claims to be encrypted."""
    (tmp_path / "last.ckpt").symlink_to(tmp_path / "gone.ckpt")
    for name in ("good.ckpt", "odd.ckpt"):
        with zipfile.ZipFile(tmp_path / name, "w") as saved:
            saved.writestr("a/data.pkl", "x")
    text = bytearray((tmp_path / "odd.ckpt").read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        text[text.index(signature) + flags] |= 1
    (tmp_path / "odd.ckpt").write_bytes(text)
    os.utime(tmp_path / "good.ckpt", (1, 1))
    request = {**lifecycle.DEFAULTS, "argv": ["train"], "resume": ["{checkpoint}"]}
    notes: list[str] = []
    argv, _ = next_attempt(request, tmp_path, NO_PAST, notes.append)
    assert argv == ["train", str(tmp_path / "good.ckpt")]
    assert notes[0] == "odd.ckpt is incomplete and is skipped"


# --- ending ----------------------------------------------------------------------------------------------


def test_stopped(work: Workspace) -> None:
    work.launch(["sh", "-c", "trap 'echo saving; exit 0' TERM; echo begun; while :; do sleep 0.05; done"])
    wait_for(lambda: work.log() == ["begun"])
    assert work.call("stop", "runs/one")["state"] == "running"
    assert (work.ended()["cause"], work.ended()["code"]) == ("stopped", 0)
    assert work.log()[-1] == "saving"


def test_one_that_does_not_listen_is_killed_with_all_its_children(work: Workspace) -> None:
    work.impatient(GRACE_S=1.0)
    script = "trap '' TERM; sh -c 'trap \"\" TERM; echo $$ > child; while :; do sleep 1; done' & sleep 60; sleep 60"
    work.launch(["sh", "-c", script])
    child = work.folder / "runs/one/child"
    wait_for(lambda: child.exists() and child.read_text())
    work.call("stop", "runs/one")
    assert (work.ended()["cause"], work.ended()["signal"]) == ("stopped", signal.SIGKILL)
    wait_for(lambda: not processes.alive(int(child.read_text())))


def test_limits(work: Workspace) -> None:
    limits: dict[str, dict[str, float]] = {
        "over_time": {"max_s": 1},
        "lease_lost": {"lease_s": 1},
        "over_cost": {"usd_per_hour": 3600, "max_usd": 1},
        "stalled": {"first_s": 60, "stall_s": 1},
    }
    for cause, limit in limits.items():
        work.launch(SLEEP, run=f"{cause}/run", workspace=cause, **limit)
    for cause in limits:
        ended = work.ended(f"{cause}/run")
        assert (ended["cause"], ended["signal"]) == (cause, signal.SIGTERM)
        assert 1 <= ended["elapsed_s"] < 60, "the program sleeps for longer"


def test_killed_from_outside(work: Workspace) -> None:
    work.launch(SLEEP)
    os.kill(work.beat()["child_pid"], signal.SIGKILL)
    assert (work.ended()["cause"], work.ended()["signal"]) == ("killed", signal.SIGKILL)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere only a write ends the child")
def test_when_all_of_it_is_killed_the_run_is_lost_and_can_be_started_again(work: Workspace) -> None:
    work.launch(SLEEP)
    beat, timer = work.beat(), json.loads((work.folder / "runs/one/timer.json").read_text())
    os.kill(timer["pid"], signal.SIGKILL)
    os.kill(beat["pid"], signal.SIGKILL)
    wait_for(lambda: not processes.alive(beat["child_pid"]), seconds=2)
    wait_for(lambda: work.call("status", "runs/one")["state"] == "lost")
    assert work.launch(["true"])["state"] == "started", "a lost run can be started again"
    assert work.ended()["cause"] == "finished"


def test_the_child_outlives_the_shell_that_launched_it(work: Workspace) -> None:
    (work.folder / "order").write_text('{"key": "k", "argv": ["sleep", "60"]}')
    command = f"{sys.executable} {NAME} launch runs/one < order; kill -9 0"
    subprocess.run(
        ["sh", "-c", command],
        cwd=work.folder,
        start_new_session=True,
        stdout=subprocess.PIPE,
        check=False,
        timeout=LIMIT_S,
    )
    wait_for((work.folder / "runs/one/heartbeat.json").exists)
    assert processes.alive(work.beat()["child_pid"])
