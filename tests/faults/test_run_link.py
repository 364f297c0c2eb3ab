"""A run on the machine outlives everything between it and us: the line, the server, the client."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from gonogo.base.errors import UserError
from gonogo.config.accelerator import Accelerator
from gonogo.remote import follow as following
from gonogo.remote.answers import Exit, Launched
from gonogo.remote.follow import follow
from gonogo.remote.machine import connect
from gonogo.remote.setup import set_up
from tests.faults.servers import KINDS, Site, site
from tests.faults.training import RESUMABLE, TRAINING, counts
from tests.remote.workspace import Workspace, end_all, wrapped_python
from tests.waiting import LIMIT_S, line_with

RUN_DIR = "work/runs/one"


@pytest.fixture(params=KINDS)
def there(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    with site(request.param, tmp_path) as made:
        made.target = made.target.model_copy(update={"python": "this"})
        yield made
        end_all(made.root)


@pytest.fixture
def beside(tmp_path: Path) -> Iterator[Site]:
    """One kind of server, where the kind makes no difference."""
    with site("embedded", tmp_path) as made:
        made.target = made.target.model_copy(update={"python": "this"})
        yield made
        end_all(made.root)


def launch(there: Site, each_step: str = "time.sleep(0.05)", **order: Any) -> Launched:
    with connect(there.ssh, there.target) as machine:
        machine.install_agent()
        arguments = ["-c", TRAINING, each_step]
        return machine.launch(
            RUN_DIR, **{"key": "k", "workspace": "work", "arguments": arguments, **RESUMABLE, **order}
        )


def watch(there: Site, on_line: Callable[[str], None]) -> Exit:
    return follow(lambda: there.ssh, there.target, RUN_DIR, on_line, lambda beat: None, patience_s=30)


def on_disk(there: Site) -> Workspace:
    return Workspace(there.root)


@pytest.mark.parametrize("cut", ["reset", "silence", "server killed"])
def test_cut_while_training_loses_no_line_and_starts_nothing_twice(
    there: Site, cut: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "SILENT_S", 1.5)
    launch(there)
    lines: list[str] = []

    def mend() -> None:
        there.line.silent = False
        there.line.mend()

    def line(text: str) -> None:
        lines.append(text.partition(" ")[2])
        if len(lines) == 15:
            if cut == "reset":
                there.line.close_links()
            elif cut == "silence":
                there.line.silent = True
                there.line.is_cut.set()
                threading.Timer(1.0, mend).start()
            else:
                there.server.kill()
                there.up()
                mend()

    ended = watch(there, line)
    assert (ended.cause, len(ended.attempts)) == ("finished", 1)
    assert [text for text in lines if text.startswith("step")] == [f"step {n}" for n in range(1, 41)]


def test_client_killed_the_next_one_attaches(there: Site) -> None:
    waits = "while step == 20 and not os.path.exists('go'): time.sleep(0.05)"
    launch(there, waits)
    script = (
        "import sys; from gonogo.config.target import Ssh, Target; from gonogo.remote.follow import follow\n"
        "ssh, target = Ssh.model_validate_json(sys.argv[1]), Target.model_validate_json(sys.argv[2])\n"
        "follow(ssh, target, sys.argv[3], lambda line: print(line, flush=True), lambda beat: None)"
    )
    words = [there.ssh.model_dump_json(), there.target.model_dump_json(), RUN_DIR]
    client = subprocess.Popen([sys.executable, "-c", script, *words], stdout=subprocess.PIPE, text=True)
    line_with(client, "begins at 0")
    client.kill()
    client.wait(timeout=LIMIT_S)
    again = launch(there, waits)
    assert (again.state, again.key) == ("already", "k")
    (there.root / RUN_DIR / "go").touch()
    lines: list[str] = []
    assert watch(there, lines.append).cause == "finished"
    assert sum(" begins at " in line for line in lines) == 1


def test_two_laptops_launch_at_once_one_runs_and_the_other_is_told(beside: Site) -> None:
    with ThreadPoolExecutor() as pool:
        first, second = pool.map(lambda key: launch(beside, key=key), ["mine", "yours"])
    assert sorted([first.state, second.state]) == ["already", "started"]
    assert first.key == second.key, "both are told whose run it is"
    assert watch(beside, lambda line: None).cause == "finished"
    assert sum(line.startswith("begins") for line in on_disk(beside).log(RUN_DIR)) == 1


def test_machine_reboots_while_watched(beside: Site) -> None:
    launch(beside)
    lines: list[str] = []

    def line(text: str) -> None:
        lines.append(text)
        if len(lines) == 15:
            end_all(beside.root)  # as the power's end does
            beside.server.kill()
            beat = on_disk(beside).beat(RUN_DIR)
            (beside.root / RUN_DIR / "heartbeat.json").write_text(json.dumps({**beat, "boot": "before"}))
            beside.up()

    ended = watch(beside, line)
    assert [attempt.cause for attempt in ended.attempts] == ["agent_lost", "finished"]
    run = Workspace(beside.root / "work")
    assert counts(run)


def test_agent_killed_while_watched(beside: Site) -> None:
    launch(beside)
    struck: list[int] = []

    def line(text: str) -> None:
        if "step 12" in text and not struck:
            struck.append(on_disk(beside).beat(RUN_DIR)["pid"])
            os.kill(struck[0], signal.SIGKILL)

    assert [attempt.cause for attempt in watch(beside, line).attempts] == ["agent_lost", "finished"]
    assert counts(Workspace(beside.root / "work"))


def test_changed_host_key_nothing_is_sent(there: Site) -> None:
    launch(there)
    other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJxhz5wW1cwM0AgiyqQwdS0Cd4BVBxCdTZlKFJrZz5Gm"
    there.known_hosts.write_text(f"[127.0.0.1]:{there.line.port} {other}\n")
    with pytest.raises(UserError, match=r"HOST KEY HAS CHANGED.*Nothing was sent") as told:
        watch(there, lambda line: None)
    assert "Tried again" not in str(told.value)


def test_wrong_key(there: Site, tmp_path: Path) -> None:
    subprocess.run(
        ["ssh-keygen", "-qt", "ed25519", "-N", "", "-f", str(tmp_path / "other")], check=True, timeout=LIMIT_S
    )
    stranger = there.ssh.model_copy(update={"key_file": tmp_path / "other"})
    with pytest.raises(UserError, match="refuses the key"), connect(stranger, there.target):
        pass


def test_trust_on_first_use_only_where_asked_for_and_recorded(there: Site, tmp_path: Path) -> None:
    known = tmp_path / "new" / "known_hosts"
    unknown = there.ssh.model_copy(update={"known_hosts": known})
    with pytest.raises(UserError, match="is not in"), connect(unknown, there.target):
        pass
    assert not known.exists()
    with connect(unknown.model_copy(update={"trust_on_first_use": True}), there.target):
        pass
    assert known.read_text().split()[2] == there.server.host_key().split()[1]
    with connect(unknown, there.target):
        pass  # known from now on
    other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJxhz5wW1cwM0AgiyqQwdS0Cd4BVBxCdTZlKFJrZz5Gm"
    known.write_text(f"[127.0.0.1]:{there.line.port} {other}\n")
    changed = unknown.model_copy(update={"trust_on_first_use": True})
    with pytest.raises(UserError, match="HAS CHANGED"), connect(changed, there.target):
        pass


def test_a_clock_an_hour_off_is_told_and_ends_nothing(beside: Site, tmp_path: Path) -> None:
    (beside.root).mkdir(exist_ok=True)
    with connect(beside.ssh, beside.target) as machine:
        (tmp_path / "skewed").mkdir()
        skew = "import time\nnow = time.time\ntime.time = lambda: now() + 3600\n"
        (tmp_path / "skewed/sitecustomize.py").write_text(skew)
        machine.agent_python = wrapped_python(tmp_path / "python", PYTHONPATH=str(tmp_path / "skewed"))
        cpu = Accelerator(title="CPU", visible_bytes=None, source="-")
        report = set_up(machine, beside.target, cpu, tmp_path / "none.txt")
        assert report.clock_skew_s == pytest.approx(3600, abs=5)
        assert "clock is +3600 s off" in report.cautions[0] and not report.problems
        arguments = ["-c", TRAINING, "time.sleep(0.05)"]
        machine.launch(
            RUN_DIR, key="k", workspace="work", arguments=arguments, lease_s=60, max_s=60, stall_s=30, **RESUMABLE
        )
    ended = watch(beside, lambda line: None)
    assert ended.cause == "finished"
    assert ended.elapsed_s < 1800, "the hour by which the clock is off is not counted"
