"""A machine is made ready once, and says what it is like."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

from gonogo.agent import environment as setup_environment
from gonogo.agent import machine_checks, setup
from gonogo.agent.environment import environment
from gonogo.agent.json_files import Problem
from gonogo.config.accelerator import Accelerator
from gonogo.config.load import load_accelerator
from gonogo.config.target import Release, Ssh, Target
from gonogo.quality.workers import available_cores
from gonogo.remote.errors import RemoteError
from gonogo.remote.machine import connect
from gonogo.remote.setup import (
    RunNeeds,
    SetupReport,
    oddities,
    other_device,
    set_up,
    switches_itself_off,
    too_little,
)
from tests.conftest import ROOT
from tests.remote.wheels import wheel
from tests.remote.workspace import Workspace, run

REAL = sys.executable


def _accelerator(*forbidden: str) -> Accelerator:
    return Accelerator(title="CPU", visible_bytes=None, source="a test", forbidden_environment=list(forbidden))


def test_this_python_needs_nothing_and_is_probed_once(
    ssh: Ssh, target: Target, root_there: Path, tmp_path: Path
) -> None:
    with connect(ssh, target) as machine:
        first = set_up(machine, target, _accelerator(), tmp_path / "none.txt")
        probed_at = (root_there / ".probe.json").stat().st_mtime_ns
        second = set_up(machine, target, _accelerator(), tmp_path / "none.txt")
        assert (root_there / ".probe.json").stat().st_mtime_ns == probed_at, "no second probe"
    assert first.changed and not second.changed
    assert second.model_copy(update={"changed": True, "disk_free_bytes": 0, "clock_skew_s": 0}) == first.model_copy(
        update={"disk_free_bytes": 0, "clock_skew_s": 0}
    )
    assert first.problems == []
    assert first.torch_version == torch.__version__
    assert first.interpreter == sys.executable
    assert first.device
    assert first.disk_free_bytes > 0 and first.memory_bytes > 0
    assert abs(first.clock_skew_s) < 60

    target = target.model_copy(update={"environment": {"HSA_OVERRIDE_GFX_VERSION": "9.4.2"}})
    forbidden = _accelerator("HSA_OVERRIDE_GFX_VERSION", "LOGNAME", "NOT_SET")
    with connect(ssh, target) as machine:
        there, here = set_up(machine, target, forbidden, tmp_path / "none.txt").problems
    assert there.startswith("LOGNAME is set on the machine")
    assert here.startswith("HSA_OVERRIDE_GFX_VERSION is set by the target's environment")


@pytest.mark.parametrize(
    "answer", [[], {}, {"time": "now"}, {"time": 1.0, "changed": True, "problems": [], "device": 7}]
)
def test_an_answer_that_is_not_the_agents_is_one_error(
    ssh: Ssh, target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    with connect(ssh, target) as machine:
        monkeypatch.setattr(
            machine, "run_agent", lambda name, *_, **__: {"new": True} if name == "installed" else answer
        )
        with pytest.raises(RemoteError, match=r"agent setup answered .* which is not an answer of gonogo's agent"):
            set_up(machine, target, _accelerator(), tmp_path / "none.txt")


def test_another_device_than_the_plan_was_made_for(ssh: Ssh, target: Target, tmp_path: Path) -> None:
    with connect(ssh, target) as machine:
        h200 = Accelerator(title="NVIDIA H200", visible_bytes=150_000_000_000, source="-", device_name="H200")
        (problem,) = set_up(machine, target, h200, tmp_path / "none.txt").problems
    assert problem.startswith("the device is CPU and not NVIDIA H200")


def test_less_memory_than_the_plan_counts_on() -> None:
    report = SetupReport(
        python="3.12", interpreter="python", torch_version="2.13.0", torch_build="cuda 12.8", device="NVIDIA H200 MIG",
        device_bytes=18_000_000_000, disk_free_bytes=1, memory_bytes=1, clock_skew_s=0, problems=[], changed=False,
    )  # fmt: skip
    h200 = Accelerator(title="NVIDIA H200", visible_bytes=150_000_000_000, source="-", device_name="H200")
    (problem,) = other_device(report, h200)
    assert "18.00 GB of the 150.0 GB" in problem and "partitioned or shared" in problem
    assert not other_device(report.model_copy(update={"device_bytes": 149_000_000_000}), h200)
    unnamed = h200.model_copy(update={"device_name": ""})
    assert "18.00 GB of the 150.0 GB" in other_device(report, unnamed)[0]


def test_more_devices_than_the_machine_has_is_one_sentence(ssh: Ssh, target: Target, tmp_path: Path) -> None:
    cpu = Accelerator(title="CPU", visible_bytes=None, is_this_machine=True, source="-")
    with connect(ssh, target) as machine:
        found = set_up(machine, target, cpu, tmp_path / "none.txt")
        assert found.device_count == available_cores() and not found.problems
        too_many = RunNeeds(devices=found.device_count + 1)
        (problem,) = set_up(machine, target, cpu, tmp_path / "none.txt", too_many).problems
    assert problem == (
        f"training.devices asks for {too_many.devices} devices, and the machine has {found.device_count} (CPU): rent "
        f"one with as many, or set training.devices: {found.device_count}"
    )


@pytest.mark.parametrize(
    ("device", "fits"), [("NVIDIA L4", True), ("NVIDIA L40S", False), ("NVIDIA A100-SXM4-80GB", False), ("cpu", False)]
)
def test_the_card_is_the_catalogues(device: str, fits: bool) -> None:
    report = SetupReport(
        python="3.12", interpreter="python", torch_version="2.13.0", torch_build="cuda 12.8", device=device,
        device_bytes=85_000_000_000, disk_free_bytes=1, memory_bytes=1, clock_skew_s=0, problems=[], changed=False,
    )  # fmt: skip
    assert bool(other_device(report, load_accelerator(ROOT / "config", "l4"))) != fits


@pytest.fixture
def torch_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module `torch`, to be written, that the probe's child imports in place of the real one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lib").mkdir()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "lib"))
    return tmp_path / "lib" / "torch.py"


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("import os; os.abort()", "at 'import': the process was ended by SIGABRT"),
        ("raise OSError('no lib')", "at 'import': OSError: no lib"),
        ("", "at 'device': AttributeError: module 'torch' has no attribute 'manual_seed'"),
    ],
)
def test_a_torch_that_fails_is_reported_by_where_it_did(torch_that: Path, fault: str, told: str) -> None:
    torch_that.write_text(fault)
    assert setup.probe(Path(sys.executable))[1] == f"torch cannot be used on the machine, {told}"


def test_a_device_that_aborts_is_found_by_setup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent / "health/device"))
    monkeypatch.setenv("FAULT", "miscopies")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert setup.probe(Path(sys.executable))[1] == (
        "torch cannot be used on the machine, at 'copy': values copied to the device and back differ"
    )


def test_a_torch_that_hangs_is_killed(torch_that: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch_that.write_text("import time; time.sleep(60)")
    monkeypatch.setattr(setup, "PROBE_S", 4.0)
    assert setup.probe(Path(sys.executable))[1] == "torch hangs on the machine, at 'import': killed after 4 s"


def test_an_older_agent_on_the_machine_passes_its_commands_on(
    ssh: Ssh, target: Target, root_there: Path, tmp_path: Path
) -> None:
    root_there.mkdir()
    (root_there / "agent.py").write_text("print('older')")
    with connect(ssh, target) as machine:
        set_up(machine, target, _accelerator(), tmp_path / "none.txt")
        assert run(machine, [sys.executable, "agent.py", "adopt", "."], cwd=".").stdout.strip() == "{}"


def _wheel(folder: Path, version: str) -> Path:
    """A package `tiny` that defines nothing but its version."""
    return wheel(folder, "tiny", version, {"tiny.py": f"version = {version!r}\n"})


def test_an_environment_is_made_once_for_each_requirements(ssh: Ssh, target: Target, tmp_path: Path) -> None:
    target = target.model_copy(update={"python": sys.executable})
    requirements = tmp_path / "requirements.lock"
    with connect(ssh, target) as machine:
        requirements.write_text(f"{_wheel(tmp_path, '1.0')}\n")
        assert set_up(machine, target, _accelerator(), requirements).changed
        again = set_up(machine, target, _accelerator(), requirements)
        assert not again.changed
        assert again.interpreter.endswith("/env/bin/python")
        assert [problem.partition(":")[0] for problem in again.problems] == [
            "torch cannot be used on the machine, at 'import'"
        ]
        show = ["-c", "import tiny; print(tiny.version)"]
        assert run(machine, ["./env/bin/python", *show], cwd=".").stdout == "1.0\n"

        requirements.write_text(f"{_wheel(tmp_path, '2.0')}\n")
        assert set_up(machine, target, _accelerator(), requirements).changed
        assert run(machine, ["./env/bin/python", *show], cwd=".").stdout == "2.0\n"

        requirements.write_text(f"{_wheel(tmp_path, '1.0')}\n")
        other = set_up(machine, target, _accelerator(), requirements, environment=".env-other")
        assert other.changed and other.interpreter.endswith("/.env-other/bin/python")
        assert run(machine, [other.interpreter, *show], cwd=".").stdout == "1.0\n"
        assert run(machine, ["./env/bin/python", *show], cwd=".").stdout == "2.0\n", "of another experiment"

        requirements.write_text("/no/such/package.whl\n")
        with pytest.raises(RemoteError, match=r"pip install failed on the machine:(.|\n)*no/such/package"):
            set_up(machine, target, _accelerator(), requirements)


# --- what a rented machine may lack ----------------------------------------------------------------------

DEBIAN = """The virtual environment was not created successfully because ensurepip is not
available.  On Debian/Ubuntu systems, you need to install the python3-venv
package using the following command.

    apt install python3.10-venv

You may need to use sudo with that command.  After installing the python3-venv
package, recreate your virtual environment.
"""


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Puts a shell script of this name on PATH, where this process is the machine; its root is the working folder."""
    (tmp_path / "root").mkdir()
    (tmp_path / "bin").mkdir()
    monkeypatch.chdir(tmp_path / "root")
    monkeypatch.setattr(setup, "probe", lambda interpreter: (setup.UNPROBED, ""))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")

    def add(name: str, script: str) -> None:
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "bin" / name).chmod(0o755)

    return add


# makes an environment whose interpreter does nothing, slowly enough for two to meet
VENV = """
mkdir -p "$3/bin"; echo made >> "$3/../venvs"; sleep 0.2
printf '#!/bin/sh\\nexit 0\\n' > "$3/bin/python"; chmod +x "$3/bin/python"
"""


def _python_that(makes: str) -> str:
    """A script that is this interpreter, but for `-m venv`."""
    return f'case "$*" in "-m virtualenv"*) exit 1;; "-m venv"*) {makes} exit $code;; esac\nexec {REAL} "$@"'


def test_a_missing_ensurepip_is_named_and_repaired_afterwards(
    tools: Callable[[str, str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "none.txt").write_text("")
    tools("uv", "exit 1")
    tools("python3", _python_that(f"code=1; {VENV}\ncat <<END\n{DEBIAN}END\n"))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin/python3"))
    version = ".".join(map(str, sys.version_info[:2]))
    with pytest.raises(Problem, match=f"run the same command again: sudo apt install python{version}-venv"):
        environment(tmp_path / "none.txt", "")
    assert not Path("env").exists(), "nothing is left half made"
    tools("python3", _python_that(f"code=0; {VENV}"))
    assert environment(tmp_path / "none.txt", "") == (Path("env/bin/python").absolute(), True)
    assert environment(tmp_path / "none.txt", "")[1] is False


def test_what_is_half_made_is_made_again(
    tools: Callable[[str, str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "none.txt").write_text("")
    Path("env/bin").mkdir(parents=True)
    Path("env/bin/python").symlink_to(REAL)  # as far as `venv` had come: no pip
    tools("python3", _python_that(f"code=0; {VENV}"))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin/python3"))
    assert environment(tmp_path / "none.txt", "")[1] is True
    assert Path("venvs").read_text() == "made\n"


@pytest.mark.parametrize("other", ["virtualenv", "uv"])
def test_without_ensurepip_what_else_makes_environments_is_taken(
    tools: Callable[[str, str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    (tmp_path / "none.txt").write_text("")
    by_virtualenv = f"{VENV} exit 0" if other == "virtualenv" else "exit 1"
    by_uv = f'shift $(($# - 1)); set -- _ _ "$1"; {VENV} exit 0' if other == "uv" else "exit 1"
    tools("uv", by_uv)
    tools("python3", f'case "$*" in "-m virtualenv"*) {by_virtualenv};; "-m venv"*) exit 1;; esac\nexec {REAL} "$@"')
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin/python3"))
    assert environment(tmp_path / "none.txt", "") == (Path("env/bin/python").absolute(), True)
    assert Path("venvs").read_text() == "made\n"


def test_two_setups_at_once_make_one_environment(
    tools: Callable[[str, str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "none.txt").write_text("")
    tools("python3", _python_that(f"code=0; {VENV}"))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin/python3"))
    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(lambda _: environment(tmp_path / "none.txt", "")[1], range(2)))
    assert sorted(made) == [False, True]
    assert Path("venvs").read_text() == "made\n"


H200 = Accelerator(title="NVIDIA H200", visible_bytes=150_000_000_000, source="-", device_name="H200")
SMI = """case "$1" in
  --query-gpu*) echo "NVIDIA H200, {driver}, {used}, 143771";;
  --query-compute-apps*) {processes};;
esac"""


def _smi(driver: str = "580.65.06", used: int = 0, processes: str = "true") -> str:
    return SMI.format(driver=driver, used=used, processes=processes)


def _facts(**changes: Any) -> SetupReport:
    found = {
        "python": "3.12", "interpreter": "python", "torch_version": "2.13.0", "torch_build": "cuda 13.0", "device": "",
        "device_bytes": 0, "disk_free_bytes": 1, "memory_bytes": 1, "clock_skew_s": 0, "problems": [], "changed": False,
    }  # fmt: skip
    return SetupReport(**{**found, **machine_checks.card(), **changes})


@pytest.mark.parametrize(
    ("driver", "index", "taken"),
    [
        ("550.54.15", "", "https://download.pytorch.org/whl/cu126"),
        ("550.54.15", "https://download.pytorch.org/whl/cu130", "https://download.pytorch.org/whl/cu126"),
        ("550.54.15", "https://download.pytorch.org/whl/cu128", "https://download.pytorch.org/whl/cu128"),
        ("580.65.06", "", ""),
        ("", "", ""),
        ("[N/A]", "", ""),
        ("470.1", "", ""),  # no build of today runs there
        ("550.54.15", "https://download.pytorch.org/whl/rocm7.1", "https://download.pytorch.org/whl/rocm7.1"),
    ],
)
def test_the_build_of_torch_that_the_driver_runs(driver: str, index: str, taken: str) -> None:
    assert machine_checks.index_for(driver, index) == taken


def test_an_old_driver_is_named_and_another_build_is_taken(
    tools: Callable[[str, str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools("nvidia-smi", _smi("550.54.15"))
    asked: list[list[str]] = []

    def run_nothing(argv: list[str], lock: int, until: float) -> tuple[int, str]:
        asked.append(argv)
        Path("env").mkdir(exist_ok=True)
        return 0, ""

    monkeypatch.setattr(setup_environment, "_run", run_nothing)
    monkeypatch.setattr(setup, "probe", lambda interpreter: ({**setup.UNPROBED, "torch_build": "cuda 12.6"}, ""))
    (tmp_path / "lock.txt").write_text("torch==2.13.0\n")
    found = setup.setup(tmp_path / "lock.txt", "", [])
    assert asked[1][-3:] == ["--index-url", "https://download.pytorch.org/whl/cu126", "torch==2.13.0"]
    assert not found["problems"] and found["torch_index"] == "https://download.pytorch.org/whl/cu126"

    monkeypatch.setattr(setup, "probe", lambda interpreter: ({**setup.UNPROBED, "torch_build": "cuda 13.0"}, ""))
    (problem,) = setup.setup(None, "", [])["problems"]
    assert "NVIDIA H200 is there, and its driver 550.54.15 is too old for torch" in problem


def test_a_card_that_torch_does_not_see_is_not_called_another_machine() -> None:
    report = _facts(torch_build="cpu", device="CPU", gpu="NVIDIA H200", driver="580.1")
    (problem,) = other_device(report, H200)
    assert "does not see it: set torch_index" in problem and "rent" not in problem


def test_a_card_in_use_is_told_with_what_is_on_it(tools: Callable[[str, str], None]) -> None:
    needs = RunNeeds(gpu_bytes=60_000_000_000)
    tools("nvidia-smi", _smi(used=100_000, processes="echo '4711, python, 99000 MiB'"))
    (problem,) = too_little(_facts(), needs)
    assert "104.9 GB of NVIDIA H200 are in use already" in problem and "4711, python, 99000 MiB" in problem
    tools("nvidia-smi", _smi(used=100_000))
    assert "no process is listed, so reboot the machine" in too_little(_facts(), needs)[0]
    assert not too_little(_facts(), RunNeeds(gpu_bytes=30_000_000_000))
    tools("nvidia-smi", "echo No devices were found; exit 6")
    assert not too_little(_facts(), needs)


def test_little_shared_memory_is_told_against_what_the_workers_need() -> None:
    report = _facts(shared_memory_bytes=64 << 20)
    (problem,) = too_little(report, RunNeeds(num_workers=4, batch_bytes=40 << 20))
    assert "67 MB free, and 4 workers put up to 336 MB" in problem and "--shm-size" in problem
    assert not too_little(report, RunNeeds(num_workers=0, batch_bytes=40 << 20))
    assert not too_little(_facts(shared_memory_bytes=None), RunNeeds(num_workers=4, batch_bytes=40 << 20))


DEFAULT_SHUTDOWN = Release().shutdown_command


def test_a_machine_that_cannot_switch_itself_off_is_told(
    tools: Callable[[str, str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    why = machine_checks.why_not_switched_off
    assert why(DEFAULT_SHUTDOWN) == "it has no shutdown"
    tools("shutdown", "exit 0")
    monkeypatch.setattr(machine_checks, "_name_of", lambda pid: "docker-init")
    assert "it is a container, whose first process is docker-init" in why(DEFAULT_SHUTDOWN)
    assert why("runpodctl stop pod 1") == "it has no runpodctl"
    tools("runpodctl", "exit 0")
    assert why("runpodctl stop pod 1") == ""
    monkeypatch.setattr(machine_checks, "_name_of", lambda pid: "systemd")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "nor use sudo without a password" in why(DEFAULT_SHUTDOWN)
    tools("sudo", 'shift; exec "$@"')
    tools("echo", "printf yes")
    assert why(DEFAULT_SHUTDOWN) == ""

    rented = Target(connection=Ssh(host="h", user="u"), release="shutdown")
    (caution,) = oddities(_facts(cannot_switch_off="it has no shutdown"), rented)
    assert "release: shutdown, collected_minutes will not work. Give the provider's own command" in caution
    assert switches_itself_off(rented) and not switches_itself_off(Target(connection=rented.connection))


LOGINCTL = (
    'case "$1" in show-session) echo KillUserProcesses=yes; echo KillExcludeUsers=nobody;; *) echo Linger={};; esac'
)


def test_a_machine_that_ends_runs_at_logout_is_told(tools: Callable[[str, str], None]) -> None:
    tools("loginctl", LOGINCTL.format("no"))
    (problem,) = setup.setup(None, "", [])["problems"]
    assert "KillUserProcesses=yes" in problem and "loginctl enable-linger" in problem
    tools("loginctl", LOGINCTL.format("yes"))
    assert not setup.setup(None, "", [])["problems"]
    tools("loginctl", "exit 1")
    assert not setup.setup(None, "", [])["problems"]


def test_where_it_lingers_a_run_is_started_outside_of_the_login(
    tools: Callable[[str, str], None], tmp_path: Path
) -> None:
    work = Workspace(tmp_path / "root")
    tools("loginctl", LOGINCTL.format("yes"))
    tools("systemd-run", f'echo "$@" > {tmp_path}/scoped; shift 3; exec "$@"')
    assert work.launch(["true"])["state"] == "started"
    assert work.ended()["cause"] == "finished"
    assert (tmp_path / "scoped").read_text().startswith("--user --scope --quiet")
