"""The memory gate's verdict and plan of an experiment, with what its own times come to, before there is any data."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from gonogo.base.units import dollars, duration
from gonogo.config.load import Settings, load
from gonogo.experiment.load import load_experiment
from gonogo.forecast.plan_consistency import contradictions
from gonogo.verdict import Status


def add_to(commands: Any) -> None:
    """The command `gonogo plan`."""
    plan = commands.add_parser(
        "plan",
        help="does an experiment's planned step fit the card, and what would? Before there is any data",
        epilog="Exit code: 0 it fits (with or without caution), 1 it does not, 2 it is not known.",
    )
    plan.set_defaults(run=_command, on_error=2)
    plan.add_argument("experiment", help="of config/experiments/")
    plan.add_argument("--mode", default="validate")
    plan.add_argument("--target", default="local", help="of config/targets/: whose card, at what price")


def _command(arguments: argparse.Namespace) -> int:
    text, status = planned(Path.cwd(), arguments.experiment, arguments.mode, arguments.target)
    print(text)
    return status.exit_code


def planned(root: Path, name: str, mode: str, target: str) -> tuple[str, Status]:
    """The memory plan as Markdown, then time and cost; and the gate's status.

    Raises:
        UserError: there is no such experiment, mode or target.
    """
    from gonogo.memory.judge import Measurements, judge
    from gonogo.memory.plan import plan_from
    from gonogo.memory.plan_search_process import Task, explore_in_child
    from gonogo.report.memory_plan import memory_plan

    settings = load({"experiments": name, "mode": mode, "target": target}, root)
    config, gate, accelerator = settings.experiments[name], settings.gates[name].memory, settings.accelerator
    task = Task(
        experiment=name, experiment_config=config, training=settings.training(name), accelerator=accelerator,
        environment=settings.target.environment,
    )  # fmt: skip
    measured = Measurements(accelerator=accelerator, explored=explore_in_child(task))
    judged = judge(measured, gate)
    plan = plan_from(measured.explored, accelerator, gate, judged.plan)
    told = [f"{check.status.light} {check.title}: {check.why or check.value}" for check in judged.checks]
    text = [memory_plan(plan, name, mode, gate), "## Verdict", "", *told, "", "## Time and cost", ""]
    return "\n".join([*text, *times_of(settings, name, root)]), plan.status


def times_of(settings: Settings, name: str, root: Path) -> list[str]:
    """What the times that the plan names come to; the forecast needs a smoke run, and so data."""
    said, training = settings.experiments[name].expected.timeline, settings.training(name)
    price = settings.target.usd_per_hour
    steps = load_experiment(name, settings.experiments[name], root).planned_steps(training)
    found = []
    if steps and said.step_s:
        low, high = (steps * seconds / 3600 for seconds in said.step_s)
        found.append(
            f"{steps} steps of the {said.step_s[0]:g} to {said.step_s[1]:g} s that are expected: "
            f"{duration(3600 * low)} to {duration(3600 * high)}, {dollars(low * price)} to {dollars(high * price)} at "
            f"{dollars(price)}/h."
        )
        found += [f"{line}." for line in contradictions(said, steps // training.epochs, training.epochs)]
    return [*found, "Not forecast: the smoke run, which needs data, measures what a step takes."]
