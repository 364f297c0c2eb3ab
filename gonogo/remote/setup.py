"""Making a machine ready: agent and environment, once; and a report of the machine."""

from __future__ import annotations

import re
import time
from pathlib import Path

from pydantic import BaseModel, Field

from gonogo.base.errors import UserError
from gonogo.base.units import gigabytes
from gonogo.config.accelerator import Accelerator
from gonogo.config.target import Ssh, Target
from gonogo.remote.answers import MachineFacts, Turn, read
from gonogo.remote.errors import NotOurTurn
from gonogo.remote.machine import ANSWER_S, ENVIRONMENT, Machine

INSTALL_S = 3600.0
CLOCK_SKEW_S = 30.0
TOO_OLD = "is too old for torch"  # in a problem that the agent reports
PREFETCHED = 2  # batches that wait for each worker, torch's default
LEAST_OF_EXPECTED = 0.97  # visible memory differs by a few hundred MB from driver to driver


class SetupReport(BaseModel):
    """The machine, and whether something had to be installed."""

    python: str = Field(description="version of the interpreter that the agent was started with")
    interpreter: str = Field(description="the one that trains, on the machine")
    torch_version: str = Field(description="empty: torch cannot be imported")
    torch_build: str = Field(description="what torch was built for: cuda, hip or cpu")
    device: str = Field(description="name of the GPU, or CPU; empty: not known")
    device_bytes: int = Field(description="the GPU's memory, as the framework sees it; 0: none")
    device_count: int = Field(0, description="GPUs, or the cores of a CPU; 0: not known")
    gpu: str = Field("", description="name of the first NVIDIA card, as its driver gives it; empty: none, or no driver")
    driver: str = Field("", description="version of its driver")
    gpu_used_bytes: int = Field(0, description="of its memory, before the run")
    gpu_total_bytes: int = Field(0, description="of its memory, as the driver sees it")
    gpu_processes: list[str] = Field(default_factory=list, description="that compute on it: pid, name, memory")
    torch_index: str = Field("", description="package index that was taken because of an old driver; empty: none")
    shared_memory_bytes: int | None = Field(None, description="free below /dev/shm; null: there is none")
    cannot_switch_off: str = Field("", description="why the machine cannot switch itself off; empty: nothing is known")
    disk_free_bytes: int = Field(description="below the target's root")
    memory_bytes: int = Field(description="RAM, or the container's limit where that is less")
    clock_skew_s: float = Field(description="the machine's clock minus ours")
    problems: list[str] = Field(description="what keeps a run from working, each with its fix; empty: ready")
    cautions: list[str] = Field(default_factory=list, description="what a person should know, though a run will work")
    changed: bool = Field(description="something was sent or installed")


class RunNeeds(BaseModel):
    """What the planned run takes of the machine."""

    gpu_bytes: int | None = Field(None, description="of the card, by the memory plan; null: not known")
    num_workers: int = Field(0, description="processes that load batches")
    batch_bytes: int = Field(0, description="of one batch")
    devices: int = Field(1, description="that train together")


def set_up(
    machine: Machine,
    target: Target,
    accelerator: Accelerator,
    requirements: Path,
    needs: RunNeeds = RunNeeds(),  # noqa: B008  (never changed)
    environment: str = ENVIRONMENT,
    install_s: float = INSTALL_S,
) -> SetupReport:
    """Install the agent and, unless the target's python is `this`, the `environment` from `requirements`.

    What is done already is not done again: a second call changes nothing.

    Args:
        install_s: after which the machine itself ends the installation.

    Raises:
        UserError: `requirements` cannot be read.
        RemoteError: the installation failed, with its last words.
        NotOurTurn: something is to be installed, and a run or another setup is at work.
    """
    changed = machine.install_agent()
    options = [f"--forbid={name}" for name in accelerator.forbidden_environment]
    options += [f"--seconds={install_s:.0f}"]
    options += [f"--torch-index={accelerator.torch_index}"]
    if switches_itself_off(target):
        options += [f"--shutdown={target.release.shutdown_command}"]
    if target.python != "this":
        there = f"{environment}.txt" if environment != ENVIRONMENT else "requirements.txt"
        changed |= _put_requirements(machine, requirements, there)
        options += ["--requirements", there, "--environment", environment]
    answer = machine.run_agent("setup", *options, timeout_s=install_s + ANSWER_S)
    if isinstance(answer, dict) and "waiting_for" in answer:
        raise NotOurTurn(machine.where, read(Turn, answer, f"{machine.where}: agent setup").waiting_for)
    facts = read(MachineFacts, answer, f"{machine.where}: agent setup")
    report = SetupReport(clock_skew_s=round(facts.time - time.time(), 3), **facts.model_dump(exclude={"time"}))
    report.changed |= changed
    report.problems += [
        f"{name} is set by the target's environment, and {accelerator.title} must not have it: remove it there"
        for name in accelerator.forbidden_environment
        if name in target.environment
    ]
    if report.device and not any(TOO_OLD in problem for problem in report.problems):
        report.problems += other_device(report, accelerator)
    report.problems += too_little(report, needs)
    report.cautions += oddities(report, target)
    free_gb = report.disk_free_bytes / 1e9
    if isinstance(target.connection, Ssh) and free_gb < target.min_free_gb:
        report.problems.append(
            f"{free_gb:.1f} GB free below {target.root}, {target.min_free_gb:g} GB needed (min_free_gb): "
            "free some disk space"
        )
    if abs(report.clock_skew_s) > CLOCK_SKEW_S:
        report.cautions.append(
            f"the machine's clock is {report.clock_skew_s:+.0f} s off from this one: its log has its own times; limits "
            "and leases do not depend on it"
        )
    return report


def switches_itself_off(target: Target) -> bool:
    """Whether the machine is to do so: for `shutdown`, and where no client comes."""
    release = target.release
    alone = release.collected_minutes is not None or release.unattended_hours is not None
    return isinstance(target.connection, Ssh) and release.how != "none" and (release.how == "shutdown" or alone)


def too_little(report: SetupReport, needs: RunNeeds) -> list[str]:
    """Problems where there are too few cards, one is in use already, or the loader's workers have no room."""
    problems = []
    if 0 < report.device_count < needs.devices:
        problems.append(
            f"training.devices asks for {needs.devices} devices, and the machine has {report.device_count} "
            f"({report.device}): rent one with as many, or set training.devices: {report.device_count}"
        )
    free = report.gpu_total_bytes - report.gpu_used_bytes
    if needs.gpu_bytes and report.gpu_total_bytes and free < needs.gpu_bytes <= report.gpu_total_bytes:
        listed = "; ".join(report.gpu_processes)
        fix = f"end what is on it ({listed})" if listed else "no process is listed, so reboot the machine"
        problems.append(
            f"{gigabytes(report.gpu_used_bytes)} of {report.gpu} are in use already: {gigabytes(free)} are free, the "
            f"plan needs {gigabytes(needs.gpu_bytes)}: {fix}"
        )
    waiting = needs.num_workers * PREFETCHED * needs.batch_bytes
    shared = report.shared_memory_bytes
    if shared is not None and waiting > shared:
        problems.append(
            f"/dev/shm has {gigabytes(shared)} free, and {needs.num_workers} workers put up to {gigabytes(waiting)} of "
            "batches there, which ends in a bus error: set num_workers: 0, or give the container more (docker run "
            "--shm-size=8g, or --ipc=host)"
        )
    return problems


def oddities(report: SetupReport, target: Target) -> list[str]:
    """What a person should know of the machine, though a run will work."""
    found = []
    if report.torch_index:
        found.append(
            f"driver {report.driver} of {report.gpu} is too old for the usual build of torch: torch comes from "
            f"{report.torch_index}"
        )
    if report.cannot_switch_off:
        release = target.release
        keys = ["release: shutdown"] if release.how == "shutdown" else []
        keys += ["collected_minutes"] if release.collected_minutes is not None else []
        keys += ["unattended_hours"] if release.unattended_hours is not None else []
        found.append(
            f"the machine cannot switch itself off ({report.cannot_switch_off}): {', '.join(keys)} will not work. Give "
            "the provider's own command as release.shutdown_command (RunPod: runpodctl stop pod $RUNPOD_POD_ID), or "
            "stay until the end"
        )
    return found


def other_device(report: SetupReport, accelerator: Accelerator) -> list[str]:
    """A problem where the device is not the one that the plan was made for."""
    name = accelerator.device_name
    named = re.compile(rf"\b{re.escape(name)}\b", re.IGNORECASE)  # L4 is not L40
    if name and named.search(report.gpu) and not named.search(report.device):
        return [
            f"{report.gpu} is there (driver {report.driver}), and torch {report.torch_version}, built for "
            f"{report.torch_build}, does not see it: set torch_index of the accelerator to a build for the card"
        ]
    if name and not named.search(report.device):
        return [
            f"the device is {report.device} and not {accelerator.title} (torch {report.torch_version}, built for "
            f"{report.torch_build}): rent the right machine, or set its accelerator in the target"
        ]
    expected = accelerator.visible_bytes
    if expected and 0 < report.device_bytes < LEAST_OF_EXPECTED * expected:
        return [
            f"{report.device} has {gigabytes(report.device_bytes)} of the {gigabytes(expected)} that the plan needs: "
            "is it partitioned or shared?"
        ]
    return []


def _put_requirements(machine: Machine, requirements: Path, there: str) -> bool:
    """Send them unless the machine has the same; returns whether that was needed."""
    try:
        text = requirements.read_text()
    except OSError as error:
        raise UserError(f"{requirements}: cannot be read ({error.strerror})") from None
    if machine.read_text(there) == text:
        return False
    machine.put_text(there, text)
    return True
