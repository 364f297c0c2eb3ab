"""`gonogo approve`: a person signs off a sample, which the launch gate can ask for."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from gonogo.base.errors import UserError
from gonogo.base.files import write_text
from gonogo.cli import site
from gonogo.config.result_paths import ResultPaths
from gonogo.gates.launch import Approval
from gonogo.stages.freshness import data_digest


def add_approve(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_run)
    parser.add_argument("experiment", help="name in config/experiments/")
    parser.add_argument("--by", required=True, metavar="NAME", help="who looked at the sample")
    parser.add_argument("--note", default="", help="what they saw")
    site.add_results(parser)


def _run(arguments: argparse.Namespace) -> int:
    approve(site.results_dir(arguments) / arguments.experiment, arguments.experiment, arguments.by, arguments.note)
    print(f"approved: {arguments.experiment}, by {arguments.by}. Run the workflow again; the launch gate will see it.")
    return 0


def approve(folder: Path, experiment: str, by: str, note: str) -> None:
    """Record that `by` looked at this very sample; another sample needs another look.

    Args:
        folder: the experiment's results.

    Raises:
        UserError: there is no sample, or no name.
    """
    sample = folder / "sample"
    if not sample.is_dir():
        raise UserError(f"{sample} is not there: run the workflow first, so that there is a sample to look at")
    if not by.strip():
        raise UserError("--by: an approval needs a name")
    approval = Approval(
        experiment=experiment, by=by, note=note, approved_at=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        inputs_digest=data_digest([sample]),
    )  # fmt: skip
    write_text(ResultPaths(folder, mode="").approval, approval.model_dump_json(indent=1) + "\n")
