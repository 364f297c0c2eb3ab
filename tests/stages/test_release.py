"""A rented machine is released once, when nothing is lost with it; and a machine that is not gone is reported."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from gonogo.base.errors import UserError
from gonogo.cli.remote import known_runs
from gonogo.config.load import Settings, load
from gonogo.config.target import Release, Ssh, Target
from gonogo.remote import providers
from gonogo.remote.machine import connect
from gonogo.remote.providers import DigitalOcean
from gonogo.remote.rented import Rented, machine_at
from gonogo.stages import held_machines as held_machines_module
from gonogo.stages import release as giving
from gonogo.stages import ways_to_go
from gonogo.stages.held_machines import Alarm, Unknown, changing, held_file, held_machines, note_run
from gonogo.stages.release import note_held, release_machine
from tests.remote.droplets import Cloud, cloud
from tests.remote.workspace import end_all, timings_of, wrapped_python
from tests.waiting import LIMIT_S, wait_for

__all__ = ["cloud"]


def test_never_one_of_several_nor_one_at_another_address(monkeypatch: pytest.MonkeyPatch) -> None:
    several = [Rented("1", "a", ("203.0.113.1",)), Rented("2", "b", ("203.0.113.2",))]
    assert machine_at(several, "203.0.113.2", "tag") == several[1:]
    assert machine_at([Rented("1", "a", ("2001:db8::1",))], "2001:DB8:0::1", "tag"), "one address, two spellings"
    leads_to: dict[str, str] = {"ours.example": "203.0.113.2", "other.example": "203.0.113.9"}

    def resolve(host: str, port: None) -> list[Any]:
        if host not in leads_to:
            raise socket.gaierror(host)
        return [(0, 0, 0, "", (leads_to[host], 0))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert machine_at(several[:1], "box.example", "tag") == several[:1], "a name that leads nowhere from here"
    assert machine_at(several, "ours.example", "tag") == several[1:]
    for host in ("203.0.113.9", "other.example"):
        with pytest.raises(UserError, match=f"has the address of {host}"):
            machine_at(several[:1], host, "tag")
    with pytest.raises(UserError, match=r"2 machines carry the tag 'tag' \(a, b\)"):
        machine_at(several, "box.example", "tag")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in [(ways_to_go, "GONE_WITHIN_S"), (ways_to_go, "ASK_WITHIN_S"), (providers, "PATIENCE_S")]:
        monkeypatch.setattr(module, name, 0.3)
    monkeypatch.setattr(providers, "FIRST_PAUSE_S", 0.05)


@pytest.fixture
def settings(root: Path, tmp_path: Path, ssh: Ssh, target: Target) -> Settings:
    """Of a target at the embedded server, as if it were the user's own machine."""
    shipped = load({}, root)
    box = target.model_copy(update={"connection": ssh, "usd_per_hour": 3.0})
    config = shipped.config.model_copy(update={"results_dir": tmp_path / "results", "target": "box"})
    return dataclasses.replace(shipped, config=config, target=box)


def with_release(settings: Settings, **keys: Any) -> Settings:
    return dataclasses.replace(settings, target=settings.target.model_copy(update={"release": Release(**keys)}))


def by_command(settings: Settings, tmp_path: Path) -> Settings:
    """A provider whose machine is a file."""
    (tmp_path / "machine").touch()
    destroy = f"rm {tmp_path}/machine; echo called >> {tmp_path}/calls"
    return with_release(
        settings, how="destroy", provider="command", command=destroy, gone_command=f"test ! -e {tmp_path}/machine"
    )


def state(settings: Settings) -> str:
    """Of the one machine that is held."""
    (held,) = held_machines(held_file(settings))
    return held.state


def started(settings: Settings, **more: Any) -> Path:
    path = settings.config.results_dir / "cvs/fast/cloud_train/fast.started.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"key": "k", "run_id": "r1", "target": "box", **more}))
    return path


def test_destroyed_once_and_only_when_everything_is_fetched(settings: Settings, tmp_path: Path) -> None:
    settings = by_command(settings, tmp_path)
    said: list[str] = []
    note_held(settings)
    state = started(settings)
    with pytest.raises(UserError, match=r"is not released: the results of r1 are not verified here"):
        release_machine(settings, said.append)
    assert (tmp_path / "machine").exists()
    state.unlink()
    ran, archive = state.with_name("run.json"), state.parents[1] / "download/archive.json"
    ran.write_text(json.dumps({"run_id": "r1", "run_dir": "cvs/runs/r1", "target": "box"}))
    archive.parent.mkdir()
    archive.write_text(json.dumps({"run_id": "an earlier one"}))
    with pytest.raises(UserError, match="not verified here"):
        release_machine(settings, said.append)
    assert [run.run_id for run in known_runs(settings.config.results_dir, "box")] == ["r1"]
    archive.write_text(json.dumps({"run_id": "r1", "left_on_machine": True}))
    with pytest.raises(UserError, match="not verified here"):
        release_machine(settings, said.append)
    archive.write_text(json.dumps({"run_id": "r1"}))
    assert release_machine(settings, said.append)
    assert release_machine(settings, said.append), "a second time there is nothing to do"
    assert (tmp_path / "calls").read_text() == "called\n"
    assert any("is released after" in line for line in said)


def test_discarded_on_demand(settings: Settings, tmp_path: Path) -> None:
    settings = by_command(settings, tmp_path)
    note_held(settings)
    started(settings)
    assert release_machine(settings, print, even_unfetched=True)
    assert not (tmp_path / "machine").exists()


def test_a_machine_at_work_is_not_destroyed(settings: Settings, tmp_path: Path, root_there: Path) -> None:
    settings = by_command(settings, tmp_path)
    note_held(settings)
    assert isinstance(settings.target.connection, Ssh)
    with connect(settings.target.connection, settings.target) as machine:
        machine.install_agent()
        machine.launch("ws/runs/r", key="k", workspace="ws", arguments=["-c", "import time; time.sleep(30)"])
    with pytest.raises(UserError, match=r"ws/runs/r is still at work there"):
        release_machine(settings, print, even_unfetched=True)
    end_all(root_there)


def test_a_command_that_fails_and_a_tag_that_fits_nothing_are_told(settings: Settings, tmp_path: Path) -> None:
    note_held(settings)
    failing = with_release(
        settings, how="destroy", provider="command", command="echo quota; exit 9", gone_command="false"
    )
    with pytest.raises(UserError, match=r"release.command failed \(exit code 9\): quota"):
        release_machine(failing, print)
    wrong = with_release(settings, how="destroy", provider="command", command="true", gone_command="true")
    with pytest.raises(UserError, match=r"ALARM: release.gone_command says .* but 127.0.0.1 answers"):
        release_machine(wrong, print)
    assert held_file(settings).exists(), "it is still held"


@pytest.fixture
def offline(settings: Settings) -> Settings:
    """The target's address where nothing answers: this laptop is offline, or the machine hangs."""
    ssh = settings.target.connection
    assert isinstance(ssh, Ssh)
    return dataclasses.replace(
        settings, target=settings.target.model_copy(update={"connection": ssh.model_copy(update={"port": free_port()})})
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def at(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, settings: Settings, tag: str = "gonogo") -> Settings:
    for module in (giving, ways_to_go):
        monkeypatch.setattr(module, "provider", lambda release: DigitalOcean("good-token", release.tag, cloud.url))
    return with_release(settings, how="destroy", provider="digitalocean", tag=tag)


@pytest.mark.parametrize("by", ["tag", "command"])
def test_gone_is_not_said_of_a_machine_that_was_never_listed(
    offline: Settings, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    settings = with_release(offline, how="destroy", provider="command", command="exit 3", gone_command="true")
    if by == "tag":
        settings = at(cloud, monkeypatch, offline, tag="gonoog")
    said: list[str] = []
    note_held(settings)
    with pytest.raises(Unknown, match=r"ALARM: WHETHER 127.0.0.1 IS GONE IS UNKNOWN: .* then run: gonogo release"):
        release_machine(settings, said.append)
    assert state(settings) == "unknown" and not [line for line in said if "released" in line]
    assert sorted(cloud.droplets) == [7, 8]


def test_what_would_keep_it_from_being_released_is_said_when_it_is_first_held(
    offline: Settings, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    doubt = note_held(at(cloud, monkeypatch, offline, tag="gonoog"))
    assert doubt == "the provider lists no machine with the tag 'gonoog', though 127.0.0.1 is in use"
    cloud.fails = [503]
    assert "503" in note_held(at(cloud, monkeypatch, offline))
    (held,) = held_machines(held_file(offline))
    assert [one.what.partition(":")[0] for one in held.evidence[1:]] == ["not listed by its provider"] * 2
    cloud.droplets[7] = ("gonogo-h200", "127.0.0.1", ["gonogo"])
    assert note_held(at(cloud, monkeypatch, offline)) == ""


def test_what_was_listed_when_it_was_first_held_is_found_by_its_id(
    offline: Settings, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = at(cloud, monkeypatch, offline)
    cloud.droplets[7] = ("gonogo-h200", "127.0.0.1", ["gonogo"])
    note_held(settings)
    cloud.droplets[7] = ("gonogo-h200", "127.0.0.1", [])  # somebody took its tag
    said: list[str] = []
    assert release_machine(settings, said.append)
    assert "destroying gonogo-h200" in said and list(cloud.droplets) == [8]
    cloud.droplets[9] = ("gonogo-h200", "127.0.0.1", ["gonogo"])
    note_held(settings)
    del cloud.droplets[9]
    assert release_machine(settings, said.append), "it was destroyed by hand"
    released = [json.loads(line) for line in held_file(settings).with_name("released.jsonl").read_text().splitlines()]
    assert [(one["machine"]["id"], one["state"]) for one in released] == [("7", "gone"), ("9", "gone")]
    assert released[0]["evidence"][-1]["what"] == "gone: the provider lists gonogo-h200 no longer"
    assert "listed no longer, and nothing answers" in released[1]["evidence"][-1]["what"]


def test_the_only_machine_with_the_tag_is_not_destroyed_at_another_address(
    offline: Settings, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = at(cloud, monkeypatch, offline)
    note_held(settings)
    for _ in range(2):
        with pytest.raises(Alarm, match=r"no machine with the tag 'gonogo' has the address of 127.0.0.1 \(gonogo-h200"):
            release_machine(settings, print)
    assert sorted(cloud.droplets) == [7, 8] and state(settings) == "alarm"


def test_of_the_machine_that_was_held_and_the_one_at_its_address_now_neither_is_destroyed(
    offline: Settings, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = at(cloud, monkeypatch, offline)
    cloud.droplets[7] = ("gonogo-h200", "127.0.0.1", ["gonogo"])
    note_held(settings)
    cloud.droplets |= {7: ("gonogo-h200", "203.0.113.7", []), 9: ("a-newer", "127.0.0.1", ["gonogo"])}
    with pytest.raises(UserError, match=r"ALARM: gonogo-h200 \(7\) was held, and a-newer \(9\) is at 127.0.0.1 now"):
        release_machine(settings, print)
    assert sorted(cloud.droplets) == [7, 8, 9]


def moved(settings: Settings, host: str) -> Settings:
    """The target with another host."""
    assert isinstance(settings.target.connection, Ssh)
    there = settings.target.connection.model_copy(update={"host": host})
    return dataclasses.replace(settings, target=settings.target.model_copy(update={"connection": there}))


def test_a_machine_that_was_exchanged_is_asked_about_too_and_both_are_destroyed(
    offline: Settings, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = at(cloud, monkeypatch, offline)
    cloud.droplets |= {7: ("old", "127.0.0.1", ["gonogo"]), 9: ("new", "127.0.0.2", ["gonogo"])}
    note_held(first, "cvs")
    second = moved(first, "127.0.0.2")
    note_held(second, "eeg")
    held = held_machines(held_file(second))
    assert [(one.host, one.experiments, one.machine and one.machine.id) for one in held] == [
        ("127.0.0.1", ["cvs"], "7"), ("127.0.0.2", ["eeg"], "9"),
    ]  # fmt: skip
    said: list[str] = []
    assert release_machine(second, said.append)
    assert list(cloud.droplets) == [8] and not held_file(second).exists()
    assert [line.partition(" is released")[0] for line in said if "is released" in line] == [
        "127.0.0.1 (old, 7)", "127.0.0.2 (new, 9)",
    ]  # fmt: skip


def test_a_machine_with_a_new_address_is_the_same_machine(
    offline: Settings, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = at(cloud, monkeypatch, offline)
    cloud.droplets[7] = ("gonogo-h200", "127.0.0.1", ["gonogo"])
    note_held(first)
    cloud.droplets[7] = ("gonogo-h200", "127.0.0.3", ["gonogo"])
    note_held(moved(first, "127.0.0.3"))
    (held,) = held_machines(held_file(first))
    assert held.host == "127.0.0.3" and "no longer at 127.0.0.1" in held.evidence[-1].what


def test_a_command_about_another_machine_is_not_run_for_the_one_before(settings: Settings, tmp_path: Path) -> None:
    settings = by_command(settings, tmp_path)
    note_held(settings)
    changed = moved(settings, "203.0.113.7")
    with pytest.raises(Alarm, match=r"127.0.0.1 is held, but connection.host of the target is 203.0.113.7 now"):
        release_machine(changed, print)
    assert (tmp_path / "machine").exists() and state(settings) == "alarm"
    assert giving.forget(changed, "127.0.0.1").state == "gone" and not held_file(settings).exists()
    with pytest.raises(UserError, match=r"no machine 127.0.0.1 of target box is held here; held: none"):
        giving.forget(changed, "127.0.0.1")


def test_off_is_not_said_of_a_machine_that_was_never_asked(offline: Settings) -> None:
    settings = with_release(offline, how="shutdown")
    note_held(settings)
    note_run(settings, "ws/runs/r")
    with pytest.raises(Unknown, match=r"ALARM: WHETHER 127.0.0.1 IS OFF IS UNKNOWN"):
        release_machine(settings, print)
    with changing(held_file(settings)) as machines:
        machines[0].asked_at = time.time()
    assert release_machine(settings, print), "it was asked before, and is down"


@pytest.mark.parametrize("failures", [[503], ["cut", "drop"], ["odd", 429]])
def test_a_provider_that_fails_in_passing_is_asked_again(
    offline: Settings, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, failures: list[int | str]
) -> None:
    settings = at(cloud, monkeypatch, offline)
    cloud.droplets[7] = ("gonogo-h200", "127.0.0.1", ["gonogo"])
    note_held(settings)
    monkeypatch.setattr(providers, "PATIENCE_S", 30.0)
    cloud.fails = [*failures]
    said: list[str] = []
    assert release_machine(settings, said.append)
    assert list(cloud.droplets) == [8] and any("Trying again" in line for line in said)


def test_one_that_fails_for_good_is_an_alarm_and_no_traceback(
    offline: Settings, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = at(cloud, monkeypatch, offline)
    note_held(settings)
    cloud.fails = [503] * 1000
    with pytest.raises(Alarm, match=r"ALARM: 127.0.0.1 MAY NOT BE RELEASED: DigitalOcean: GET /v2/droplets: 503"):
        release_machine(settings, print)

    def odd(*_: object) -> None:
        raise KeyError("droplets")

    monkeypatch.setattr(ways_to_go, "provider", odd)
    with pytest.raises(Alarm, match=r"ALARM: 127.0.0.1 MAY NOT BE RELEASED: KeyError: 'droplets'"):
        release_machine(settings, print)
    assert state(settings) == "alarm"


def test_an_alarm_is_told_to_whom_notify_names(
    offline: Settings, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = at(cloud, monkeypatch, offline)
    settings.config.notify.append(f'printf %s "$GONOGO_EVENT: $GONOGO_SENTENCE" > {tmp_path}/told.txt')
    note_held(settings)
    cloud.fails = [503] * 1000
    with pytest.raises(Alarm):
        release_machine(settings, print)
    told = tmp_path / "told.txt"
    wait_for(lambda: told.exists() and "MAY NOT BE RELEASED" in told.read_text(), LIMIT_S)
    assert told.read_text().startswith("alarm: ALARM: 127.0.0.1")


def test_an_answer_that_does_not_come_ends_no_waiting(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    there = DigitalOcean("good-token", "gonogo", cloud.url)
    (found,) = there.find()
    there.destroy(found)
    cloud.fails = [503, "drop", "cut"]
    monkeypatch.setattr(ways_to_go, "LOOK_EVERY_S", 0.01)
    ways_to_go.wait_until_gone(there, found, within_s=30)
    cloud.fails = [503] * 1000
    with pytest.raises(Unknown, match="WHETHER IT IS GONE IS UNKNOWN"):
        ways_to_go.wait_until_gone(there, found, within_s=0.1)


def test_a_gone_command_that_fails_open_is_not_believed_before_anything_was_destroyed(
    offline: Settings, tmp_path: Path
) -> None:
    settings = by_command(offline, tmp_path)
    note_held(settings)
    fails_open = with_release(settings, how="destroy", provider="command", command="exit 1", gone_command="true")
    with pytest.raises(Unknown, match=r"WHETHER 127.0.0.1 IS GONE IS UNKNOWN: .* though nothing here has destroyed it"):
        release_machine(fails_open, print)
    assert state(settings) == "unknown" and (tmp_path / "machine").exists()


def test_a_machine_that_cannot_be_asked_goes_when_it_is_discarded(settings: Settings, tmp_path: Path) -> None:
    settings = by_command(settings, tmp_path)
    without = dataclasses.replace(settings, target=settings.target.model_copy(update={"python": "python3.99"}))
    note_held(without)
    with pytest.raises(Alarm, match=r"127.0.0.1 IS NOT RELEASED, and bills on: it cannot be asked .*--discard"):
        release_machine(without, print)
    assert (tmp_path / "machine").exists()
    said: list[str] = []
    assert release_machine(without, said.append, even_unfetched=True)
    assert not (tmp_path / "machine").exists() and "cannot be asked" in said[0]


def test_results_of_another_folder_or_laptop_keep_it_and_so_does_an_upload(
    settings: Settings, tmp_path: Path, root_there: Path
) -> None:
    settings = by_command(settings, tmp_path)
    note_held(settings)
    assert isinstance(settings.target.connection, Ssh)
    with connect(settings.target.connection, settings.target) as machine:
        machine.install_agent()
        for run, keep in (("theirs/runs/r", True), ("theirs/runs/canary", False)):
            machine.launch(run, key="k", workspace="theirs", arguments=["-c", ""], keep=keep)
            wait_for(lambda run=run: machine.run_agent("status", run)["state"] != "running")  # type: ignore[misc]
        with pytest.raises(UserError, match=r"the results of theirs/runs/r there were never downloaded"):
            release_machine(settings, print)
        machine.run_agent("collected", "theirs/runs/r")
        with machine.start_agent("receive", "theirs", "--owner=them"):
            wait_for(lambda: machine.run_agent("busy", ".")["under_way"])
            with pytest.raises(UserError, match=r"an upload is under way there"):
                release_machine(settings, print, even_unfetched=True)
        wait_for(lambda: not machine.run_agent("busy", ".")["under_way"])
    assert (tmp_path / "machine").exists() and state(settings) == "held"
    assert release_machine(settings, print)
    end_all(root_there)


def test_two_releases_at_once_run_the_command_once(settings: Settings, tmp_path: Path) -> None:
    settings = by_command(settings, tmp_path)
    slow = settings.target.release.model_copy(update={"command": f"sleep 0.5; {settings.target.release.command}"})
    settings = dataclasses.replace(settings, target=settings.target.model_copy(update={"release": slow}))
    note_held(settings)
    said: list[str] = []
    with ThreadPoolExecutor(2) as pool:
        assert all(pool.map(lambda _: release_machine(settings, said.append), range(2)))
    assert (tmp_path / "calls").read_text() == "called\n"
    assert any("another release of target box is under way" in line for line in said)


def test_a_full_disk_here_keeps_no_machine(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = by_command(settings, tmp_path)
    note_held(settings)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(held_machines_module, "write_json", full)
    assert release_machine(settings, print)
    assert not (tmp_path / "machine").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_on_a_full_disk_here_a_machine_that_is_gone_is_held_no_longer(settings: Settings, tmp_path: Path) -> None:
    settings = by_command(settings, tmp_path)
    results = settings.config.results_dir
    results.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(results)], check=False, timeout=LIMIT_S
    ).returncode:
        pytest.skip("a tmpfs cannot be mounted here")
    try:
        note_held(settings)
        with contextlib.suppress(OSError):
            (results / "ballast").write_bytes(bytes(1 << 20))
        assert release_machine(settings, print)
        assert not (tmp_path / "machine").exists() and not held_file(settings).exists()
    finally:
        subprocess.run(["umount", "-l", str(results)], check=True, timeout=LIMIT_S)


@pytest.mark.parametrize(
    ("listing", "gone"),
    [("echo 11 12345 13", False), ("echo 11 13", True), ("false", False), ("no-such-program-here", False)],
)
def test_the_shipped_gone_command_fails_closed(root: Path, listing: str, gone: bool) -> None:
    command = yaml.safe_load((root / "config/targets/h200.yaml").read_text())["release"]["gone_command"]
    assert command.count("your-provider list") == 1
    shipped = providers.CommandProvider("false", command.replace("your-provider list", listing))
    assert shipped.is_gone(Rented("", "the machine", None)) == gone


def test_kept_where_nothing_was_asked_for_with_what_it_costs(settings: Settings) -> None:
    note_held(settings)
    with changing(held_file(settings)) as machines:
        machines[0].since -= 7200
    said: list[str] = []
    assert not release_machine(settings, said.append)
    assert "bills on (release: none)" in said[0] and "$6.00" in said[0]


@pytest.mark.parametrize("code", [0, 7])
def test_shut_down_through_the_agent_exactly_once(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    settings = with_release(settings, how="shutdown")
    monkeypatch.setattr(ways_to_go, "LOOK_EVERY_S", 0.1)
    note_held(settings)
    assert isinstance(settings.target.connection, Ssh)
    argv = ["sh", "-c", f"echo called >> '{tmp_path}/calls'; echo not allowed; exit {code}"]
    order = {"argv": argv, "collected_s": None, "uncollected_s": None}
    with connect(settings.target.connection, settings.target) as machine:
        machine.install_agent()
        machine.launch("ws/runs/r", key="k", workspace="ws", arguments=["-c", ""], release=order)
        wait_for(lambda: machine.run_agent("status", "ws/runs/r")["state"] != "running")
        machine.run_agent("collected", "ws/runs/r")
    note_run(settings, "ws/runs/r")
    note_run(settings, "ws/runs/never started")
    brisk = wrapped_python(tmp_path / "python", **timings_of(RELEASE_PAUSE_S=0.1))
    settings = dataclasses.replace(settings, target=settings.target.model_copy(update={"python": brisk}))
    told = "WAS SHUT DOWN AND STILL ANSWERS" if code == 0 else r"COULD NOT BE SHUT DOWN \(3 tries, exit code 7: not al"
    for _ in range(2):
        with pytest.raises(UserError, match=told):
            release_machine(settings, print)
    assert len((tmp_path / "calls").read_text().splitlines()) == (1 if code == 0 else 3)


def test_what_a_release_needs_is_asked_for() -> None:
    assert Target.model_validate({"release": "shutdown"}).release.how == "shutdown"
    for keys, told in (
        ({"how": "destroy"}, "destroy needs a provider"),
        ({"how": "destroy", "provider": "digitalocean"}, "needs tag"),
        ({"how": "destroy", "provider": "ec2", "tag": "a=b"}, "needs region"),
        ({"gone_command": "! your-provider show 12345"}, "begins with `!`"),
    ):
        with pytest.raises(ValueError, match=told):
            Release.model_validate(keys)
