"""What the agent on the machine answers, parsed strictly: known words, finite numbers, bounded text without escapes.

A rented machine may be hostile, and so may what it trains: whatever does not fit is one clear error, and no key that is
not named here is read.
"""

from __future__ import annotations

import functools
from typing import Annotated, Any, Literal, TypeVar, cast, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from gonogo.base.bounded_json import SMALL, JsonBounds, parsed
from gonogo.base.text import clean
from gonogo.remote.errors import RemoteError

AT_MOST = 1e12  # seconds, dollars and bytes beyond it are not plausible
READ_CHARACTERS, SHOWN_CHARACTERS = 4096, 80  # of what is quoted from the machine

Cause = Literal[
    "finished", "failed", "oom", "killed", "aborted", "nan", "stopped_by_gate", "stalled", "over_time", "over_cost",
    "lease_lost", "stopped", "agent_lost", "disk_full", "stopped_by_watch", "over_estimate", "unknown",
]  # fmt: skip
CAUSES: tuple[str, ...] = get_args(Cause)


def quoted(text: object) -> str:
    """The beginning of something that the machine said, safe to show in a terminal."""
    return clean(str(text)[:READ_CHARACTERS])[:SHOWN_CHARACTERS]


Amount = Annotated[float, Field(ge=0, le=AT_MOST)]
Small = Annotated[int, Field(ge=-(1 << 31), lt=1 << 31)]
Short = Annotated[str, Field(max_length=4096)]
Shown = Annotated[Short, AfterValidator(quoted)]
Clean = Annotated[Short, AfterValidator(clean)]
Count = Annotated[int, Field(ge=0, lt=1 << 62)]


class AgentAnswer(BaseModel):
    """Keys that are not named are ignored: an agent of another version may say more."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", allow_inf_nan=False)


class Attempt(AgentAnswer):
    """How one attempt of a run ended."""

    # `unknown` where the machine gave a word that is not in CAUSES; `cause_said` is that word, safe to show
    cause: Cause
    cause_said: str
    code: Small | None = None
    signal: Small | None = None
    cpu: bool = False

    @model_validator(mode="before")
    @classmethod
    def _known_cause(cls, raw: Any) -> Any:
        if not isinstance(raw, dict):
            return raw
        said = raw.get("cause")
        known = isinstance(said, str) and said in CAUSES
        return {**raw, "cause": said if known else "unknown", "cause_said": "" if known else quoted(said)}


class Exit(Attempt):
    """How a run ended; `elapsed_s` and `usd` of all its attempts."""

    elapsed_s: Amount
    usd: Amount = 0.0
    attempts: list[Attempt] = Field(default_factory=list, max_length=1000)


class GpuReading(AgentAnswer):
    """What the first GPU is doing."""

    used_bytes: Amount
    total_bytes: Annotated[float, Field(gt=0, le=AT_MOST * 1000)]
    busy_percent: Amount
    temperature_c: Annotated[float, Field(ge=-300, le=10_000)]


def _reading_or_none(value: Any) -> Any:
    """A reading that does not parse counts as none: it must not end the watching."""
    try:
        return GpuReading.model_validate(value)
    except ValidationError:
        return None


class Heartbeat(AgentAnswer):
    """What a run is doing: its time and cost so far, and the seconds since its last step, where that is long ago."""

    at: Annotated[float, Field(ge=-AT_MOST, le=AT_MOST)] = 0.0
    elapsed_s: Amount | None = None
    usd: Amount = 0.0
    quiet_s: Amount = 0.0
    age_s: Amount = 0.0  # since it was written, by the machine's clock
    gpu: Annotated[GpuReading | None, BeforeValidator(_reading_or_none)] = None


class Message(AgentAnswer):
    """A line of `agent follow`: one of its keys, and beside `log` the byte at which its next line begins."""

    log: str | None = None
    offset: Annotated[int, Field(ge=0, lt=1 << 62)] | None = None
    heartbeat: Heartbeat | None = None
    exit: Exit | None = None
    state: Literal["none", "lost"] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Message:
        if self.log is None and self.exit is None and self.state is None and "heartbeat" not in self.model_fields_set:
            raise ValueError("none of log, heartbeat, exit and state")
        return self


class RunState(AgentAnswer):
    """Whether a run exists, and is alive."""

    state: Literal["none", "running", "exited", "lost", "adopted"]


class Turn(AgentAnswer):
    """What has to end on the machine before something begins; empty: nothing."""

    waiting_for: Shown = ""


class TimerState(AgentAnswer):
    """The run's second watcher."""

    ends_in_s: Amount | None = None


class Launched(AgentAnswer):
    """What became of a launch; `run_dir` and `key` are those of the run that holds the workspace."""

    state: Literal["started", "already", "done", "waiting"]
    run_dir: Short
    key: Short
    timer: TimerState = TimerState()


class Installed(AgentAnswer):
    """Whether the agent that was sent along replaced another one, or none."""

    new: bool


class Text(AgentAnswer):
    """A small file's text; None where there is no such file."""

    text: Annotated[str, Field(max_length=64 << 20)] | None


class RunAtWork(AgentAnswer):
    """The run that holds a workspace."""

    run_dir: Short
    key: Short


class MachineRun(AgentAnswer):
    """A run that the machine knows; `cause` of its end, safe to show."""

    run_dir: Clean
    key: Short
    state: Literal["none", "running", "exited", "lost"]
    cause: Shown = ""


MachineRuns = Annotated[list[MachineRun], Field(max_length=1000)]


class Released(AgentAnswer):
    """What became of the release command."""

    code: Small | None = None
    tries: Small = 0
    said: Shown = ""


class Fetched(AgentAnswer):
    """What the machine got from named addresses, beyond what it had already."""

    files: Count
    bytes: Count


class Done(AgentAnswer):
    """A command that answers nothing that is read."""


class MachineFacts(AgentAnswer):
    """What the machine is like; `gonogo.remote.setup.SetupReport` explains each key."""

    python: Shown
    interpreter: Clean
    torch_version: Shown
    torch_build: Shown
    device: Shown
    device_bytes: Count
    device_count: Count = 0
    gpu: Shown
    driver: Shown
    gpu_used_bytes: Count
    gpu_total_bytes: Count
    gpu_processes: Annotated[list[Shown], Field(max_length=100)]
    torch_index: Shown
    shared_memory_bytes: Count | None
    cannot_switch_off: Clean
    disk_free_bytes: Count
    memory_bytes: Count
    problems: list[Clean]
    changed: bool
    time: Annotated[float, Field(ge=0, le=AT_MOST)]


class Busy(AgentAnswer):
    """What would be lost with the machine: of any workspace on it."""

    runs: Annotated[list[Shown], Field(max_length=10_000)]  # at work
    unfetched: Annotated[list[Shown], Field(max_length=10_000)]  # ended, and never downloaded
    under_way: Shown = ""  # what else is being done there, such as an upload; empty: nothing


Unparsed: Any = Any  # whatever JSON says
Kind = TypeVar("Kind")


@functools.cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def read(kind: type[Kind], answer: Any, where: str, bounds: JsonBounds = SMALL) -> Kind:
    """The answer as a `kind` of this module, or of `gonogo.remote.file_lists`.

    Args:
        answer: JSON text as bytes, or what was parsed from it.
        where: who answered to what, for the error.

    Raises:
        RemoteError: it is not one, or holds more than `bounds`.
    """
    try:
        value = parsed(answer, bounds) if isinstance(answer, bytes) else answer
        return cast(Kind, _adapter(cast(Any, kind)).validate_python(value))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        problem = f"{'.'.join(str(part) for part in first['loc']) or 'all of it'}: {first['msg']}"
    except ValueError as error:
        problem = str(error)
    said = answer[: 8 * SHOWN_CHARACTERS].decode(errors="replace") if isinstance(answer, bytes) else repr(answer)
    raise RemoteError(
        f"{where} answered {quoted(said)!r}, which is not an answer of gonogo's agent ({quoted(problem)}). "
        "The training program or a login script there may have written it; check the machine before using it again."
    )
