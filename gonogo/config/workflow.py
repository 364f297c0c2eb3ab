"""What to run: each key of config.yaml, which `--config` can set, too."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from gonogo.base.models import StrictModel
from gonogo.config.gate_thresholds import Gates
from gonogo.config.notify import Entry
from gonogo.config.tracking import Tracker
from gonogo.verdict import Override


def _names(value: Any) -> Any:
    """`a,b` as the command line gives it, or a list."""
    return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value


def _one_or_more(value: Any) -> Any:
    """An entry alone, or a list of them."""
    return ([value] if value else []) if isinstance(value, str) else value


class Config(StrictModel):
    """What to run. Each key can be given with `--config`."""

    experiments: Annotated[list[str], BeforeValidator(_names)] = Field(
        ["cvs"],
        min_length=1,
        description="names in config/experiments/; on the command line with commas: `a,b`",
    )
    mode: str = Field("validate", description="one of the experiment's `modes`")
    target: str = Field("local", description="a name in config/targets/")
    seed: int = Field(0, ge=0, description="seed of everything random")
    training: dict[str, Any] = Field(
        default_factory=dict,
        description="keys of the experiments' `training` to change, each also alone: `--config epochs=150`. The run "
        "is of a mode `custom` then, made from `mode`",
    )
    settings: dict[str, Any] = Field(
        default_factory=dict,
        description="keys of their `settings` to change, by dotted path: `--config 'settings={data.image_size: 64}'`; "
        "also a mode `custom`",
    )
    stages: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="experiment → keys of `training` for it only, and `starts_from: FILE`, a checkpoint in place of "
        "the stages before it: `--config 'stages={cad_mllm.epochs: 1}'`; also a mode `custom`",
    )
    note: str = Field("", description="free text about this run; `gonogo runs --note WORDS` finds it")
    mounts: dict[str, str] = Field(
        default_factory=dict,
        description="beginning of a path as written elsewhere → where it is here, in all experiments' files: "
        "`{/content/drive/MyDrive: 'W:\\Drive'}`",
    )
    results_dir: Path = Field(Path("results"), description="folder of all that a run creates; can be deleted")
    archive_dir: Path = Field(Path("archive"), description="folder of what was downloaded; nothing is ever overwritten")
    budget_usd: float = Field(
        20.0, ge=0, description="for one run of one experiment, or for a sweep, including the buffer"
    )
    over_budget: Literal["stop", "continue"] = Field(
        "stop",
        description="what a paid run does once its estimate, made from its first two epochs or two tenths of its "
        "steps, exceeds `budget_usd` or `max_hours`: `stop` and keep its checkpoint, or `continue` until the limit "
        "ends it",
    )
    tracking: Annotated[list[Tracker], BeforeValidator(_names)] = Field(
        ["csv"],
        description="where canary and paid run log metrics: `csv`, which is always written, `tensorboard`, `wandb` "
        "(offline without WANDB_API_KEY on the machine), `mlflow`, `trackio`; on the command line `a,b`",
    )
    notify: Annotated[list[Entry], BeforeValidator(_one_or_more)] = Field(
        default_factory=list,
        description="who is notified of a NO-GO, an approval that is wanted, the launch, the run's estimate, a stall, "
        "80 % of the budget, the end and an ALARM: each entry a URL (`https://ntfy.sh/TOPIC`; Slack, Discord, "
        "Telegram; any that takes JSON; apprise's), or a command, as a list or a line for `sh`. `${NAME}` in a URL is "
        "read from the environment. Try them: `gonogo notify --test`",
    )
    overrides: list[Override] = Field(default_factory=list, description="gates that a named person decided to pass")
    gates: Gates = Gates()

    @property
    def is_custom(self) -> bool:
        """Whether keys of experiments are changed here."""
        return bool(self.training or self.settings or self.stages)
