"""What the agent should run, and on what terms. It travels by stdin: every user can read a command line."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from gonogo.base.models import StrictModel
from gonogo.config.device_choice import HIDDEN

Overrides = dict[str, Any]


class CpuFallback(StrictModel):
    """How a run continues without its device, once that has aborted it."""

    overrides: Overrides = Field(default_factory=dict, description="training keys, retuned for a processor")
    environment: dict[str, str] = Field(
        default_factory=lambda: dict(HIDDEN),
        description="variables that hide the device from the framework",
    )


class ReleaseTerms(StrictModel):
    """What the machine does by itself when nobody releases it."""

    argv: list[str] = Field(min_length=1, description="the command that releases the machine, run there")
    collected_s: float | None = Field(description="this long after the results were downloaded; null: never by itself")
    uncollected_s: float | None = Field(
        description="this long after the end, or the last client, results not downloaded; null: never"
    )


class CheckpointRoom(StrictModel):
    """What a run keeps at most, for which its disk must have room before it starts."""

    files: int = Field(ge=0)
    each_bytes: int = Field(ge=0)


class RunRequest(StrictModel):
    """One run. A limit of 0 is none; what the ladder and the fallback need is used from the last good checkpoint."""

    key: str = Field(min_length=1, description="what is run, on what and how: the same key is the same run")
    argv: list[str] = Field(
        min_length=1,
        description="the command; a path in its first word begins at the root, {run_dir} is the run's folder",
    )
    workspace: str = Field("", description="folder whose lock the run holds, from the root; empty: the run's parent")
    alone: bool = Field(False, description="begins only when no other workspace's run, and no setup, is at work there")
    keep: bool = Field(True, description="what it leaves exists nowhere else until it is downloaded")
    once: bool = Field(
        False, description="a run of this key in any folder beside this one is attached to, or resumed, in its place"
    )
    cwd: str = Field("", description="where the command runs, from the root; empty: the run's folder")
    environment: dict[str, str] = Field(default_factory=dict, repr=False, description="variables, secrets among them")
    max_s: float = Field(0.0, ge=0, description="the run is ended then, attempts and lost time together")
    max_usd: float = Field(0.0, ge=0)
    usd_per_hour: float = Field(0.0, ge=0)
    lease_s: float = Field(0.0, ge=0, description="the run is ended after this time without a client")
    first_s: float = Field(0.0, ge=0, description="grace for the first progress")
    stall_s: float = Field(0.0, ge=0, description="after this time without progress the run counts as hung")
    progress: str = Field("", description="regular expression of a log line that is progress; empty: any line")
    checkpoints: str = Field("", description="folder of checkpoints, from the run's folder")
    patterns: list[str] = Field(
        default_factory=list, description="of their names, in any folder below; none: *.ckpt in the folder itself"
    )
    room: CheckpointRoom | None = Field(None, description="what it will keep in `checkpoints`; null: not known")
    resume: list[str] = Field(
        default_factory=list, description="words that resume, with {checkpoint}; none: it cannot, and is not retried"
    )
    override: list[str] = Field(default_factory=list, description="words that change training keys, with {overrides}")
    ladder: list[Overrides] = Field(
        default_factory=list, description="training keys for each retry after running out of memory, in order"
    )
    cpu: CpuFallback | None = Field(None, description="how it goes on when the device aborts; null: it does not")
    release: ReleaseTerms | None = None
