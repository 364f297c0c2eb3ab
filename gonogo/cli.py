"""`gonogo`: what people do beside the workflow."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from gonogo.errors import UserError
from gonogo.evidence import data_digest
from gonogo.files import write_text
from gonogo.launch import Approval
from gonogo.remote.commands import add_to


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="gonogo", description=__doc__, epilog="The workflow itself: snakemake --profile local"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    approve = commands.add_parser("approve", help="sign off a sample after looking at its contact sheet")
    approve.add_argument("experiment")
    approve.add_argument("--by", required=True, metavar="NAME", help="who looked")
    approve.add_argument("--note", default="", help="what was seen")
    approve.add_argument(
        "--results",
        type=Path,
        default=Path("results"),
        metavar="FOLDER",
        help="results_dir (default: results)",
    )
    approve.set_defaults(run=_approve_command, on_error=1)
    add_to(commands)
    arguments = parser.parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
    return int(arguments.on_error)


def _approve_command(arguments: argparse.Namespace) -> int:
    print(_approve(arguments.results / arguments.experiment, arguments.experiment, arguments.by, arguments.note))
    return 0


def _approve(folder: Path, experiment: str, by: str, note: str) -> str:
    """Record that `by` looked at this very sample; another sample needs another look."""
    sample = folder / "sample"
    if not sample.is_dir():
        raise UserError(f"{sample} is not there: run the workflow first, so that there is a sample to look at")
    if not by.strip():
        raise UserError("--by: an approval needs a name")
    approval = Approval(
        experiment=experiment, by=by, note=note, approved_at=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        inputs_digest=data_digest([sample]),
    )  # fmt: skip
    write_text(folder / "approval.json", approval.model_dump_json(indent=1) + "\n")
    return f"approved: {experiment}, by {by}. Run the workflow again; the launch gate will see it."


if __name__ == "__main__":
    sys.exit(main())
