"""`gonogo approve`: a person looks at a sample and signs it off, which the launch gate can ask for."""

from __future__ import annotations

import argparse
import sys

from gonogo.base.errors import UserError
from gonogo.base.text import shown
from gonogo.cli import site
from gonogo.stages.approval import approve, contact_sheet, sample_digest


def add_approve(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "The contact sheet is drawn in a terminal that can (sixel, kitty); `gonogo serve` has a button, too."
    )
    parser.set_defaults(run=_run)
    parser.add_argument("experiment", help="name in config/experiments/")
    parser.add_argument("--by", metavar="NAME", help="who checked the sample (default: asks, in a terminal)")
    parser.add_argument("--note", default="", help="what they saw")
    site.add_results(parser)


def _run(arguments: argparse.Namespace) -> int:
    folder = site.results_dir(arguments) / arguments.experiment
    digest = sample_digest(folder)
    sheet = contact_sheet(folder)
    if sheet.is_file():
        from gonogo.report.terminal_picture import draw_picture

        drawn = draw_picture(sheet)
        print(shown(f"{'all of it' if drawn else 'the contact sheet'}: {sheet}"), flush=True)
    by = _name(arguments.experiment) if arguments.by is None else arguments.by
    if not by.strip() and arguments.by is None:
        print("not approved")
        return 1
    given = approve(folder, arguments.experiment, by, arguments.note, digest)
    print(shown(f"approved: {given.experiment}, by {given.by}. Run the workflow again; the launch gate will see it."))
    return 0


def _name(experiment: str) -> str:
    if not sys.stdin.isatty():
        raise UserError("--by: an approval needs a name")
    try:
        return input(shown(f"Approve the sample of {experiment}? Your name, or nothing: "))
    except EOFError:
        return ""
