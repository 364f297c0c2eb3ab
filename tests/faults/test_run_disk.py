"""A machine's disk that is full, or refuses for a moment: nothing runs twice, each end is known, nothing bills on."""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from gonogo.agent import json_files, run_folder
from gonogo.agent.exit_cause import exit_cause
from gonogo.remote.agent_archive import NAME
from tests.faults.training import RESUMABLE, RUN, brisk, launch
from tests.remote.workspace import Workspace, end_all, wrapped_python
from tests.waiting import LIMIT_S, wait_for

FILL = "cat /dev/zero > out/big 2> /dev/null; "  # to the last byte


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Workspace]:
    yield brisk(tmp_path)
    end_all(tmp_path)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Workspace]:
    """One on a disk of 3 MB and 200 files."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m,nr_inodes=200", "tmpfs", str(folder)],
        check=False,
        capture_output=True,
        timeout=LIMIT_S,
    )
    if mounted.returncode:
        pytest.skip("no disk can be mounted here")
    try:
        yield brisk(folder)
    finally:
        end_all(folder)
        subprocess.run(["umount", "-l", str(folder)], check=True, timeout=LIMIT_S)


def mark(work: Workspace, word: str) -> str:
    """A shell command that leaves a mark on another disk, one for each time, without writing into a file."""
    return f"mkdir -p {work.folder}.{word}/$$"


def marks(work: Workspace, word: str) -> int:
    return len(list(Path(f"{work.folder}.{word}").glob("*")))


def released(work: Workspace) -> dict[str, Any]:
    """Terms of a release as soon as the run has ended."""
    return {"argv": ["sh", "-c", mark(work, "released")], "collected_s": 0.0, "uncollected_s": 0.0}


def test_a_run_that_fills_the_disk_and_ends_well_is_started_once_and_released(small: Workspace) -> None:
    script = f"{mark(small, 'started')}; mkdir -p out; {FILL} true"
    small.launch(["sh", "-c", script], environment={"TOKEN": "a secret"}, release=released(small), **RESUMABLE)
    assert small.ended()["cause"] == "finished"
    wait_for(lambda: marks(small, "released"))
    wait_for(lambda: json_files.read_json(small.folder / RUN / "release.json")["code"] == 0)
    assert (marks(small, "started"), marks(small, "released")) == (1, 1)
    assert "a secret" not in (small.folder / RUN / run_folder.REQUEST).read_text()
    assert not list((small.folder / RUN).glob(".*.tmp"))


def test_a_checkpoint_that_does_not_fit_ends_the_run_as_disk_full_and_keeps_the_last_good_one(small: Workspace) -> None:
    big = "if step == 25:\n    open('out/big.ckpt', 'wb').write(bytes(9 << 20))\n"
    launch(small, big, environment={"TOKEN": "x"}, release=released(small))
    ended = small.ended()
    assert [attempt["cause"] for attempt in ended["attempts"]] == ["disk_full"]
    assert (small.folder / RUN / "out/step_20.ckpt").exists()
    wait_for(lambda: marks(small, "released"))
    (small.folder / RUN / "out/big.ckpt").unlink()
    launch(small, "pass", release=released(small))
    assert small.ended()["cause"] == "finished"
    assert "resumed at 20 with {}" in small.log(), "from the good one, once there is room"


@pytest.mark.parametrize(
    ("code", "words", "cause"),
    [
        (1, "OSError: [Errno 28] No space left on device", "disk_full"),
        (1, "OSError: [Errno 122] Disk quota exceeded: 'last.ckpt'", "disk_full"),
        (1, "OSError: [Errno 27] File too large", "disk_full"),
        (1, "RuntimeError: [enforce fail at inline_container.cc:603] . unexpected pos 64 vs 0", "disk_full"),
        (-signal.SIGXFSZ, "", "disk_full"),
        (128 + signal.SIGXFSZ, "", "disk_full"),
        (1, "RuntimeError: unable to write to file </torch_7_1>: No space left on device (28)", "failed"),
        (0, "OSError: [Errno 28] No space left on device, which was coped with", "finished"),
        (-signal.SIGKILL, "OSError: [Errno 28] No space left on device", "killed"),
    ],
)
def test_a_full_disk_is_told_from_other_ends(code: int, words: str, cause: str) -> None:
    line = f"2026-01-01T00:00:00.000Z {words}\n"
    assert exit_cause(code, line.encode(), killed_for_memory=False) == cause


def test_no_files_left_is_a_full_disk(small: Workspace) -> None:
    small.launch(
        ["sh", "-c", "mkdir -p out; for i in $(seq 400); do : > out/$i || exit 1; done"], release=released(small)
    )
    assert small.ended()["cause"] == "disk_full"
    wait_for(lambda: marks(small, "released"))


@pytest.mark.parametrize("what", ["bytes", "files"])
def test_a_launch_without_room_says_so_and_leaves_nothing(small: Workspace, what: str) -> None:
    if what == "bytes":
        with (small.folder / "big").open("wb") as big, pytest.raises(OSError, match="space"):
            while True:
                big.write(bytes(1 << 16))
                big.flush()
        os.truncate(small.folder / "big", (small.folder / "big").stat().st_size - 4096)  # for one file of its own
    else:
        with pytest.raises(OSError, match="space"):
            for number in range(400):
                (small.folder / f"small_{number}").touch()
    request = {
        "key": "k",
        "workspace": ".",
        "argv": ["touch", f"{small.folder}.starts"],
        "environment": {"A": "secret"},
    }
    process = small.start("launch", RUN, stdin=json.dumps(request))
    errors = process.communicate(timeout=60)[1]
    assert "no room" in errors or "No space left" in errors
    time.sleep(0.6)
    assert not Path(f"{small.folder}.starts").exists()
    assert small.call("status", RUN)["state"] == "none"
    assert not (small.folder / RUN / run_folder.REQUEST).exists()


@pytest.mark.parametrize(
    ("room", "before", "words"),
    [
        (
            {"files": 3, "each_bytes": 2 << 20},
            "",
            r"need 0.01 GB \(3 of 0.00 GB\), and runs/one has 0.00 GB free: free some",
        ),
        ({"files": 150, "each_bytes": 1}, "", "has room for .* more files"),
        ({"files": 1, "each_bytes": 2 << 20}, "ulimit -f 1024", r"takes files of 0.00 GB at most \(ulimit -f\)"),
        ({"files": 1, "each_bytes": 1 << 20}, "", ""),
    ],
)
def test_checkpoints_that_will_not_fit_are_said_before_the_run(
    small: Workspace, tmp_path: Path, room: dict[str, int], before: str, words: str
) -> None:
    small.python = wrapped_python(tmp_path / "python", before)
    request = {"key": "k", "workspace": ".", "argv": ["true"], "checkpoints": "out/checkpoints", "room": room}
    process = small.start("launch", RUN, stdin=json.dumps(request))
    errors = process.communicate(timeout=60)[1]
    assert re.search(words, errors)
    assert bool(process.returncode) == bool(words)
    assert (small.call("status", RUN)["state"] == "none") == bool(words)


def test_where_nothing_can_be_written_the_run_is_started_once_and_the_machine_is_released(work: Workspace) -> None:
    work.impatient(UNRECORDED_S=1.0)
    wait = f"{mark(work, 'started')}; while ! test -e {work.folder}/go; do sleep 0.05; done"
    work.launch(["sh", "-c", wait], release=released(work), **RESUMABLE)
    timer = json.loads((work.folder / RUN / "timer.json").read_text())
    for pid in (work.beat()["pid"], timer["pid"]):  # each write of theirs fails from now on
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, 0))
    (work.folder / "go").touch()
    wait_for(lambda: marks(work, "released"))
    time.sleep(1.0)
    assert (marks(work, "started"), marks(work, "released")) == (1, 1)


def test_a_supervisor_that_dies_again_and_again_on_a_full_disk_is_replaced_three_times(work: Workspace) -> None:
    work.impatient(UNRECORDED_S=1.0)
    work.launch(["sh", "-c", f"{mark(work, 'started')}; sleep 60"], release=released(work), **RESUMABLE)
    timer = json.loads((work.folder / RUN / "timer.json").read_text())["pid"]
    resource.prlimit(timer, resource.RLIMIT_FSIZE, (0, 0))  # and what it starts: no heartbeat counts the restarts
    for number in range(1, 5):
        wait_for(partial(_was_started, work, number))
        os.kill(supervisor(work, timer), signal.SIGKILL)
    wait_for(lambda: marks(work, "released"))
    assert marks(work, "started") == 4


def _was_started(work: Workspace, times: int) -> bool:
    return marks(work, "started") == times


def supervisor(work: Workspace, timer: int) -> int:
    """By the lock that it holds, whatever the heartbeat says; the timer asks for the lock now and then."""
    lock = work.folder / ".run.lock"
    for process in psutil.process_iter():
        with contextlib.suppress(OSError, psutil.Error):
            fds = Path(f"/proc/{process.pid}/fd").iterdir()
            if (
                process.pid != timer
                and NAME in process.cmdline()
                and any(fd.exists() and fd.samefile(lock) for fd in fds)
            ):
                return process.pid
    raise AssertionError("no process holds the lock")


def test_leftovers_of_a_cut_write_are_removed(work: Workspace) -> None:
    (work.folder / RUN).mkdir(parents=True)
    left = work.folder / RUN / ".exit.json.99.tmp"
    left.write_text("{")
    work.launch(["true"])
    assert work.ended()["cause"] == "finished"
    assert not left.exists()


@pytest.mark.parametrize("text", ["", "[]", '{"pid": "x", "at": null}'])
def test_files_that_a_power_cut_emptied_or_damaged_are_no_end_of_a_run(work: Workspace, text: str) -> None:
    launch(work, "time.sleep(0.02)")
    wait_for(lambda: "step 12" in work.log())
    end_all(work.folder)
    for name in ("exit.json", "heartbeat.json", "timer.json", "release.json"):
        (work.folder / RUN / name).write_text(text)
    wait_for(lambda: work.call("status", RUN)["state"] == "lost")
    assert work.call("adopt", RUN)["state"] == "adopted"
    wait_for(lambda: run_folder.ended(work.folder / RUN))
    assert work.ended()["cause"] == "finished"
    assert "resumed at 10 with {}" in work.log()


def test_a_folder_that_refuses_for_a_moment_ends_nothing(work: Workspace) -> None:
    """As a network home does: here what is looked up in it fails with ELOOP, for root as for anybody."""
    launch(work, "time.sleep(0.1)")
    wait_for(lambda: "step 12" in work.log())
    (work.folder / RUN).rename(work.folder / "aside")
    (work.folder / RUN).symlink_to(work.folder / RUN)
    time.sleep(1.0)
    (work.folder / RUN).unlink()
    (work.folder / "aside").rename(work.folder / RUN)
    assert [attempt["cause"] for attempt in work.ended()["attempts"]] == ["finished"]
    assert (work.folder / RUN / "agent.log").read_text() == ""


def test_a_run_whose_name_is_removed_goes_on_and_can_be_stopped(work: Workspace) -> None:
    work.launch(["sleep", "60"])
    for name in ("run.json", run_folder.REQUEST):
        (work.folder / RUN / name).unlink()
    wait_for(lambda: work.call("status", RUN)["state"] == "running")
    assert work.call("stop", RUN)["state"] == "running"
    assert work.ended()["cause"] == "stopped"
    assert [line for line in work.log() if "timer" in line] == []


def test_a_daemon_that_inherits_the_lock_ends_with_its_run(work: Workspace) -> None:
    script = (
        "import os, subprocess\n"
        "for fd in range(3, 100):\n"
        "    os.path.exists(f'/proc/self/fd/{fd}') and os.set_inheritable(fd, True)\n"
        "subprocess.Popen(['sleep', '60'], start_new_session=True, close_fds=False)\n"
    )
    work.launch([sys.executable, "-c", script])
    assert work.ended()["cause"] == "finished"
    wait_for(lambda: work.call("active", ".") is None, seconds=5)
    assert work.launch(["true"], run="runs/two", key="two")["state"] == "started"


def test_secrets_of_a_lost_run_are_removed_by_the_next_launch(work: Workspace) -> None:
    work.launch(["sleep", "60"], environment={"TOKEN": "a secret"})
    end_all(work.folder)
    wait_for(lambda: work.call("status", RUN)["state"] == "lost")
    assert "a secret" in (work.folder / RUN / run_folder.REQUEST).read_text(), "it might be resumed"
    work.launch(["true"], run="runs/two", key="two")
    assert "a secret" not in (work.folder / RUN / run_folder.REQUEST).read_text()


def test_secrets_that_a_full_disk_has_kept_are_removed_at_the_next_look(work: Workspace) -> None:
    work.launch(["true"])
    work.ended()
    path = work.folder / RUN / run_folder.REQUEST
    path.write_text(json.dumps({**json.loads(path.read_text()), "environment": {"TOKEN": "a secret"}}))
    assert work.call("adopt", ".") == {RUN: "exited"}
    assert "a secret" not in path.read_text()
