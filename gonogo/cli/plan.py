"""`gonogo plan`: the memory gate's verdict and plan, and what the expected times cost, before there is any data."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from gonogo.base.errors import UserError
from gonogo.base.mappings import deep_merged, nested
from gonogo.base.units import dollars, duration
from gonogo.cli import site
from gonogo.config.load import Settings
from gonogo.experiment.command import CommandExperiment
from gonogo.experiment.contract import Experiment
from gonogo.experiment.load import load_experiment
from gonogo.forecast.plan_consistency import contradictions
from gonogo.training.spec import RunSpec
from gonogo.verdict import Status

if TYPE_CHECKING:
    from gonogo.memory.plan_search import Explored


def add_plan(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "Exit code: 0 it fits (with or without caution), 1 it does not, 2 it is not known."
    parser.set_defaults(run=_run, on_error=2)
    parser.add_argument("experiment", help="name in config/experiments/")
    parser.add_argument("--mode", help="one of the experiment's modes (default: config.yaml's)")
    parser.add_argument(
        "--config", nargs="+", default=[], metavar="KEY=VALUE",
        help="keys to change, by dotted path: micro_batch_size=24 settings.model.base_channels=64 "
        "gates.memory.larger_batches=true",
    )  # fmt: skip
    parser.add_argument("--target", help="name in config/targets/: its GPU and price (default: config.yaml's)")


def _run(arguments: argparse.Namespace) -> int:
    changes = changed_keys(arguments.config)
    text, status = planned(Path(), arguments.experiment, arguments.mode, arguments.target, changes)
    print(text)
    return status.exit_code


def changed_keys(words: Sequence[str]) -> dict[str, Any]:
    """`settings.model.width=64` as {"settings": {"model": {"width": 64}}}.

    Raises:
        UserError: a word is not KEY=VALUE.
    """
    changes: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not all(key.split(".")):
            raise UserError(f"--config: {word!r} should be KEY=VALUE, such as settings.model.width=64")
        changes = deep_merged(changes, nested(key, yaml.safe_load(value)))
    return changes


def planned(
    root: Path, name: str, mode: str | None, target: str | None, changes: Mapping[str, Any] | None = None
) -> tuple[str, Status]:
    """The memory plan as Markdown, then time and cost; and the gate's status.

    Args:
        changes: keys of config.yaml, nested.

    Raises:
        UserError: there is no such experiment, mode or target.
    """
    from gonogo.memory.judge import Measurements, judge
    from gonogo.memory.plan import plan_from
    from gonogo.report.memory_plan import memory_plan

    settings = site.settings(root, **{**(changes or {}), "experiments": name, "mode": mode, "target": target})
    experiment = load_experiment(name, settings.experiments[name], root)
    experiment.check_packages()
    gate, accelerator = settings.gates[name].memory, settings.accelerator
    measured = Measurements(accelerator=accelerator, explored=_explored(settings, name, experiment))
    judged = judge(measured, gate)
    plan = plan_from(measured.explored, accelerator, gate, judged.plan)
    verdict = [f"{check.status.light} {check.title}: {check.why or check.value}" for check in judged.checks]
    text = [memory_plan(plan, name, settings.config.mode, gate), "## Verdict", "", *verdict, "", "## Time and cost", ""]
    return "\n".join([*text, *times_of(settings, name, root)]), plan.status


def _explored(settings: Settings, name: str, experiment: Experiment) -> Explored:
    from gonogo.memory.plan_search_process import PlanSearch, explore_in_child
    from gonogo.memory.trace_lanes import free_cores

    config, training = settings.experiments[name], settings.training(name)
    if isinstance(experiment, CommandExperiment) and not config.memory:
        from gonogo.script.plans import explore_script

        data = [folder] if (folder := experiment.data_folder()) else []
        spec = RunSpec(
            experiment=name, experiment_config=config, training=training, data=data, seed=settings.config.seed
        )
        return explore_script(experiment, spec, settings.accelerator, settings.target.environment, lambda line: None)
    return explore_in_child(
        PlanSearch(
            experiment=name, experiment_config=config, training=training, accelerator=settings.accelerator,
            environment=settings.target.environment, lanes=free_cores(),
        )
    )  # fmt: skip


def times_of(settings: Settings, name: str, root: Path) -> list[str]:
    """Hours and dollars at the times that the experiment expects; the forecast needs a smoke run, and so data."""
    said, training = settings.experiments[name].expected.timeline, settings.training(name)
    price = settings.target.usd_per_hour
    steps = load_experiment(name, settings.experiments[name], root).planned_steps(training)
    found = []
    if steps and said.step_s:
        low, high = (steps * seconds / 3600 for seconds in said.step_s)
        found.append(
            f"{steps} steps of {said.step_s[0]:g} to {said.step_s[1]:g} s each, as expected: "
            f"{duration(3600 * low)} to {duration(3600 * high)}, {dollars(low * price)} to {dollars(high * price)} at "
            f"{dollars(price)}/h."
        )
        found += [f"{line}." for line in contradictions(said, steps // training.epochs, training.epochs)]
    return [*found, "Not forecast: the time of a step is measured by the smoke run, which needs data."]
