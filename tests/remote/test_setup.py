"""A machine is made ready once, and says what it is like."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from gonogo.agent import setup
from gonogo.config.accelerator import Accelerator
from gonogo.config.target import Ssh, Target
from gonogo.remote.errors import RemoteError
from gonogo.remote.machine import connect
from gonogo.remote.setup import SetupReport, other_device, set_up
from tests.remote.workspace import run


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
        monkeypatch.setattr(machine, "run_agent", lambda *words, **options: answer)
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
        assert run(machine, [sys.executable, "agent.py", "adopt", "."], cwd=".").stdout == "{}\n"


def _wheel(folder: Path, version: str) -> Path:
    """A package `tiny` that defines nothing but its version; enough for pip."""
    path = folder / f"tiny-{version}-py3-none-any.whl"
    info = f"tiny-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("tiny.py", f"version = {version!r}\n")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    return path


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
        assert run(machine, [machine.training_python, *show], cwd=".").stdout == "1.0\n"

        requirements.write_text(f"{_wheel(tmp_path, '2.0')}\n")
        assert set_up(machine, target, _accelerator(), requirements).changed
        assert run(machine, [machine.training_python, *show], cwd=".").stdout == "2.0\n"

        requirements.write_text("/no/such/package.whl\n")
        with pytest.raises(RemoteError, match=r"pip install failed on the machine:(.|\n)*no/such/package"):
            set_up(machine, target, _accelerator(), requirements)
