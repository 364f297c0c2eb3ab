"""`gonogo runs`: the ledger, one line for each stage that ran."""

from __future__ import annotations

import argparse
import time

from gonogo.base.errors import UserError
from gonogo.base.units import dollars
from gonogo.cli import site
from gonogo.runtime import ledger


def add_runs(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_run)
    parser.add_argument("--note", default="", metavar="WORDS", help="only runs whose note contains these words")
    parser.add_argument("--experiment", help="only runs of this experiment")
    site.add_results(parser)


def _run(arguments: argparse.Namespace) -> int:
    path = site.results_dir(arguments) / "ledger.sqlite"
    if not path.exists():
        raise UserError(f"{path} is not there: nothing has run in this results folder")
    for row in ledger.rows(path, experiment=arguments.experiment, note=arguments.note, running=True):
        began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(row.started_at))
        what = f"{row.experiment} {row.mode} {row.stage}".replace("  ", " ")
        print(f"{began}  {what:40s} {row.outcome:11s} {row.wall_s:8.1f} s  {dollars(row.usd):>8s}  {row.note}".rstrip())
    return 0
