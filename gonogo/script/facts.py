"""What a pass over a script saw. Measurements: thresholds are the judge's."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

Ending = Literal["enough", "script_ended", "script_failed", "out_of_time", "asks", "out_of_memory", "killed"]


class ScriptError(BaseModel):
    """The script's own error, in its terms."""

    name: str = Field(description="class of the exception")
    message: str
    where: str = Field("", description="file:line in the script's own code, where it was raised")
    lines: list[str] = Field(default_factory=list, description="its traceback, from the script on")
    ours: bool = Field(False, description="raised in gonogo itself: nothing is known about the script then")


class PassFacts(BaseModel):
    """What both passes know."""

    ending: Ending = "killed"
    error: ScriptError | None = None
    steps: int = Field(0, description="optimizer steps that were reached")
    seconds: float = Field(0, description="from the start of the script")
    written: list[str] = Field(default_factory=list, description="files that it wrote, which went to scratch; bounded")
    started: list[str] = Field(
        default_factory=list, description="processes that it started: commands, copies of itself"
    )
    question: str = Field("", description="what the script asked on its standard input, where that ended the pass")
    workers: int = Field(0, description="processes that load data, as the script asks for; the pass has none")
    processes: int = Field(
        1, description="that train together, as the script or its launcher asks for; the pass has one"
    )
    guesses: list[str] = Field(default_factory=list, description="what was assumed and nothing proves")
    notes: list[str] = Field(default_factory=list, description="what was changed around the script, for people")
    printed: list[str] = Field(default_factory=list, description="its last lines")
    exit_code: int = Field(0, description="of the pass's process; negative: the signal that ended it")
    peak_bytes: int = Field(0, description="memory of all processes of the pass, at most")
