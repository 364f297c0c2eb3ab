"""What can be done now: each experiment's state, what keeps it, and the command or the mending that comes next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import yaml

from gonogo.base.commands import rerun_command
from gonogo.base.errors import UserError
from gonogo.config.load import Settings, load
from gonogo.experiment.load import load_experiment
from gonogo.experiment.starting_checkpoint import start_of
from gonogo.forecast.forecast import Forecast
from gonogo.forecast.schedule import Job
from gonogo.gates import standing

State: TypeAlias = Literal["can run", "blocked", "stopped", "under way", "done"]
ORDER: tuple[State, ...] = ("can run", "under way", "stopped", "blocked", "done")


@dataclass(frozen=True)
class Action:
    """What comes next for one experiment.

    Attributes:
        why: what keeps it, or where it stands.
        what: a command, or what to mend.
    """

    experiment: str
    state: State
    why: str
    what: str

    def line(self) -> str:
        why = f"{self.why}: " if self.why else ""
        return f"  {self.experiment:20s} {why}{self.what}"


def actions(root: Path, names: Sequence[str], mode: str = "validate") -> list[Action]:
    """One for each experiment named, judged by its files alone; nothing is run."""
    return [_action(root, name, mode) for name in names]


def known_experiments(root: Path) -> list[str]:
    return sorted(path.stem for path in (root / "config" / "experiments").glob("*.yaml"))


def told(found: Sequence[Action]) -> str:
    """What can be run first."""
    parts = []
    for state in ORDER:
        if mine := [action for action in found if action.state == state]:
            parts.append("\n".join([f"{state}:", *(action.line() for action in mine)]))
    return "\n".join(parts)


def jobs(root: Path, names: Sequence[str], mode: str, hours: float | None) -> list[Job]:
    """Runs of these experiments and of those that they start from, as long as they were forecast.

    Raises:
        UserError: one was never forecast, and no hours are given for such.
    """
    raw = yaml.safe_load((root / "config" / "config.yaml").read_text())
    settings = load({**raw, "experiments": list(names), "mode": mode}, root)
    found = []
    for name, config in settings.experiments.items():
        path = root / settings.paths(name).forecast
        forecast = Forecast.model_validate_json(path.read_text()).hours if path.exists() else None
        if forecast is None and hours is None:
            raise UserError(f"{name}: no forecast ({path}). Run it up to there, or say how long: --hours 5")
        takes = forecast.mid if forecast is not None else hours
        assert takes is not None
        after = (config.starts_from,) if isinstance(config.starts_from, str) else ()
        found.append(Job(name, takes, after, config.data_ready))
    return found


def _action(root: Path, name: str, mode: str) -> Action:
    try:
        raw = yaml.safe_load((root / "config" / "config.yaml").read_text())
        settings = load({**raw, "experiments": [name], "mode": mode}, root)
        experiment = load_experiment(name, settings.experiments[name], root)
        experiment.check_packages()
        experiment.check_kind()
    except UserError as error:
        return Action(name, "blocked", "", str(error))
    command = rerun_command(experiments=name, mode=mode)
    paths = settings.paths(name)
    verdicts = standing.verdicts(root / paths.experiment, paths.mode)
    if verdicts and verdicts[-1].gate == "results" and verdicts[-1].go:
        return Action(name, "done", "", f"report: {paths.report}")
    if verdicts and not verdicts[-1].go and not verdicts[-1].more:
        last = verdicts[-1]
        hint = next((check.hint for check in last.failed if check.hint), "")
        return Action(name, "stopped", f"{last.title} gate, {last.cause or last.status.label}", hint or last.summary)
    if lacking := experiment.lacking():
        return Action(name, "blocked", "", "; ".join(lacking))
    if verdicts:
        return Action(name, "under way", f"passed {verdicts[-1].title}", command)
    return Action(name, "can run", _before(settings, name), command)


def _before(settings: Settings, name: str) -> str:
    """That earlier experiments are run first."""
    start = settings.experiments[name].starts_from
    if not isinstance(start, str) or start_of(settings, name) is not None:
        return ""
    return f"runs {', '.join(other for other in settings.experiments if other != name)} first"
