"""`gonogo next`: each experiment's state, what blocks it, and the command or the fix that comes next."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from gonogo.base.commands import rerun_command
from gonogo.base.errors import UserError
from gonogo.cli import site
from gonogo.config.load import Settings
from gonogo.experiment.load import load_experiment
from gonogo.experiment.starting_checkpoint import start_of
from gonogo.gates import standing

State: TypeAlias = Literal["can run", "blocked", "stopped", "under way", "done"]
ORDER: tuple[State, ...] = ("can run", "under way", "stopped", "blocked", "done")


def add_next(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_run)
    parser.add_argument("experiments", nargs="*", help="names in config/experiments/ (default: all)")
    parser.add_argument("--mode", help="mode of the runs (default: config.yaml's)")


def _run(arguments: argparse.Namespace) -> int:
    site.config(Path())  # one error of the whole, and not one for each experiment
    names = arguments.experiments or site.known_experiments(Path())
    print(as_text(actions(Path(), names, arguments.mode)))
    return 0


@dataclass(frozen=True)
class Action:
    """What comes next for one experiment."""

    experiment: str
    state: State
    why: str  # what blocks it, or where it stands
    what: str  # a command, or what to fix

    def line(self) -> str:
        why = f"{self.why}: " if self.why else ""
        return f"  {self.experiment:20s} {why}{self.what}"


def actions(root: Path, names: Sequence[str], mode: str | None = None) -> list[Action]:
    """One for each experiment named, judged by its files alone; nothing is run."""
    return [_action(root, name, mode) for name in names]


def as_text(found: Sequence[Action]) -> str:
    """By state, what can run first."""
    parts = []
    for state in ORDER:
        if mine := [action for action in found if action.state == state]:
            parts.append("\n".join([f"{state}:", *(action.line() for action in mine)]))
    return "\n".join(parts)


def _action(root: Path, name: str, mode: str | None) -> Action:
    try:
        settings = site.settings(root, experiments=[name], mode=mode)
        experiment = load_experiment(name, settings.experiments[name], root)
        experiment.check_packages()
        experiment.check_kind()
        experiment.check_commands()
    except UserError as error:
        return Action(name, "blocked", "", str(error))
    command = rerun_command(experiments=name, mode=settings.config.mode)
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
