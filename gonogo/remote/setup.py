"""Making a machine ready: agent and environment, once; and what it is like."""

from __future__ import annotations

import time
from pathlib import Path

from pydantic import BaseModel, Field

from gonogo.config import Accelerator, Target
from gonogo.errors import UserError
from gonogo.remote.machine import Machine

REQUIREMENTS = "requirements.txt"
INSTALL_S = 3600.0


class SetupReport(BaseModel):
    """What was found on the machine, and whether something had to be done."""

    python: str = Field(description="version of the interpreter that the agent was started with")
    interpreter: str = Field(description="the one that trains, on the machine")
    torch_version: str = Field(description="empty: torch cannot be imported")
    device: str = Field(description="name of the GPU, or CPU; empty: not known")
    disk_free_bytes: int = Field(description="below the target's root")
    memory_bytes: int = Field(description="RAM, or the container's share of it")
    clock_skew_s: float = Field(description="the machine's clock minus ours")
    problems: list[str] = Field(description="what keeps a run from working, with the mend; empty: ready")
    changed: bool = Field(description="something was sent or installed")


def set_up(machine: Machine, target: Target, accelerator: Accelerator, requirements: Path) -> SetupReport:
    """Install the agent and, unless the target's python is `this`, an environment from `requirements`.

    What is done already is not done again: a second call changes nothing.

    Raises:
        UserError: `requirements` cannot be read.
        RemoteError: the installation failed, with its last words.
    """
    changed = machine.install_agent()
    options = [f"--forbid={name}" for name in accelerator.forbidden_environment]
    if target.python != "this":
        changed |= _put_requirements(machine, requirements)
        options += ["--requirements", REQUIREMENTS]
    found = machine.run_agent("setup", *options, timeout_s=INSTALL_S)
    found["clock_skew_s"] = round(found.pop("time") - time.time(), 3)
    found["changed"] |= changed
    found["problems"] += [
        f"{name} is set by the target's environment, and {accelerator.title} must not have it: remove it there"
        for name in accelerator.forbidden_environment
        if name in target.environment
    ]
    return SetupReport.model_validate(found)


def _put_requirements(machine: Machine, requirements: Path) -> bool:
    """Whether they had to be sent."""
    try:
        text = requirements.read_text()
    except OSError as error:
        raise UserError(f"{requirements}: cannot be read ({error.strerror})") from None
    if machine.read_text(REQUIREMENTS) == text:
        return False
    machine.put_text(REQUIREMENTS, text)
    return True
