"""`gonogo sweep`: the variants of a sweep side by side."""

from __future__ import annotations

import argparse
from pathlib import Path

from gonogo.base.errors import UserError
from gonogo.cli import site
from gonogo.report.sweep_table import to_csv, to_json, to_text
from gonogo.stages.sweep_rows import sweep_rows


def add_sweep(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_run)
    parser.add_argument("experiment", help="name in config/experiments/ of a file with `sweep:`")
    parser.add_argument("--mode", help="mode of the runs (default: config.yaml's)")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print it as JSON")
    form.add_argument("--csv", action="store_true", help="print it as CSV, with a column for each key")
    site.add_results(parser)


def _run(arguments: argparse.Namespace) -> int:
    name = arguments.experiment
    settings = site.settings(Path(), experiments=[name], mode=arguments.mode, results_dir=arguments.results)
    if name not in settings.sweeps:
        raise UserError(f"config/experiments/{name}.yaml: sweep: missing; write one (docs/sweeps.md)")
    rows = sweep_rows(settings, name)
    if arguments.json or arguments.csv:
        print((to_json if arguments.json else to_csv)(rows), end="")
        return 0
    print(to_text(name, rows))
    return 0
