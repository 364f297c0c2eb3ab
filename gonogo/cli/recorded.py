"""What the commands about recorded runs share: the ledger, and the form of the answer."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gonogo.base.errors import UserError
from gonogo.base.text import shown
from gonogo.cli import site
from gonogo.report.tables import to_csv, to_json

RUN_HELP = "SESSION/EXPERIMENT or the begin of it, EXPERIMENT for its latest run, EXPERIMENT~1 for the one before"


def add_form(parser: argparse.ArgumentParser, *, with_csv: bool = True) -> None:
    """The options --json, --csv and --results."""
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    if with_csv:
        form.add_argument("--csv", action="store_true", help="print CSV")
    site.add_results(parser)


def ledger_file(arguments: argparse.Namespace) -> Path:
    """The ledger of the results folder.

    Raises:
        UserError: there is none.
    """
    path = site.results_dir(arguments) / "ledger.sqlite"
    if not path.exists():
        raise UserError(f"{path} is not there: nothing has run in this results folder")
    return path


def put(arguments: argparse.Namespace, rows: Sequence[dict[str, Any]], text: str) -> None:
    """Print rows in the form that was asked for.

    Args:
        text: for people.
    """
    say(to_json(rows) if arguments.json else to_csv(rows).rstrip("\n") if arguments.csv else text)


def say(text: str) -> None:
    """Print; whoever has read enough of it (`| head`) is no error."""
    try:
        print(shown(text), flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
