"""`gonogo schedule`: several runs on one machine, each once its data and the run before it are there."""

from __future__ import annotations

import argparse
import datetime as dt
from collections.abc import Sequence
from pathlib import Path

from gonogo.base.errors import UserError
from gonogo.base.models import read_model
from gonogo.cli import site
from gonogo.forecast.forecast import Forecast
from gonogo.forecast.schedule import Job, schedule, table


def add_schedule(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_run)
    parser.add_argument("experiments", nargs="+", help="names in config/experiments/; what they start from is added")
    parser.add_argument("--mode", help="mode of the runs (default: config.yaml's)")
    parser.add_argument(
        "--start", type=dt.datetime.fromisoformat, default=dt.datetime.now(), metavar="DATE",
        help="when the first may begin, such as 2026-03-02T08:00 (default: now)",
    )  # fmt: skip
    parser.add_argument("--hours", type=_hours, help="length of a run that has no forecast yet")


def _hours(text: str) -> float:
    hours = float(text)
    if not 0 < hours < float("inf"):
        raise argparse.ArgumentTypeError(f"{text}: should be a positive number of hours")
    return hours


def _run(arguments: argparse.Namespace) -> int:
    print(table(schedule(jobs(Path(), arguments.experiments, arguments.mode, arguments.hours), arguments.start)))
    return 0


def jobs(root: Path, experiments: Sequence[str], mode: str | None, hours: float | None) -> list[Job]:
    """Runs of these experiments and of those that they start from, as long as they were forecast.

    Raises:
        UserError: one was never forecast, and no hours are given for such.
    """
    settings = site.settings(root, experiments=list(experiments), mode=mode)
    found = []
    for name, config in settings.experiments.items():
        path = root / settings.config.results_dir / name / settings.config.mode / "forecast" / "forecast.json"
        forecast = read_model(Forecast, path).hours if path.exists() else None
        length = forecast.mid if forecast is not None else hours
        if length is None:
            raise UserError(f"{name}: no forecast ({path}). Run the workflow up to it, or give a length: --hours 5")
        after = (config.starts_from,) if isinstance(config.starts_from, str) else ()
        found.append(Job(name, length, after, config.data_ready))
    return found
