"""What one pass over a script is asked to do: written by the parent, read by the child."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from gonogo.base.models import StrictModel
from gonogo.config.accelerator import Architecture

PassName = Literal["card", "processor"]


class ScriptCommand(StrictModel):
    """A training script as it was asked for, without whatever started it."""

    words: list[str] = Field(description="as typed after `--`")
    path: str = Field("", description="file to run; empty: `module` is run")
    module: str = Field("", description="module to run, as after `python -m`")
    arguments: list[str] = Field(default_factory=list, description="the script's own")
    processes: int = Field(1, description="that a launcher such as torchrun was asked to start")
    launcher: str = Field("", description="torchrun, accelerate …; empty: none")
    environment: dict[str, str] = Field(default_factory=dict, description="that a launcher or `A=B` before it sets")
    interpreter_options: list[str] = Field(default_factory=list, description="of python, as -X dev")
    notes: list[str] = Field(default_factory=list, description="what was assumed or left out of a launcher's options")


class PassRequest(StrictModel):
    """One pass over a script, in a child process."""

    kind: PassName
    command: ScriptCommand
    folder: Path = Field(description="working directory of the script")
    scratch: Path = Field(description="folder for whatever the script writes")
    steps: int = Field(description="optimizer steps after which the pass may end")
    only_steps: bool = Field(False, description="the pass ends after these steps, whatever was not reached")
    limit_s: float = Field(description="the pass ends itself after this many seconds")
    architecture: Architecture = "ampere"
    card_name: str = Field("a card that is not there", description="as reported to the script")
    card_bytes: int = Field(80 << 30, description="memory of the card, as reported to the script")
