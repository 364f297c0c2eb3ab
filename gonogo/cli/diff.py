"""`gonogo diff`: two recorded runs held against each other, as a table or as a page."""

from __future__ import annotations

import argparse
from pathlib import Path

from gonogo.base.errors import UserError
from gonogo.base.files import write_text
from gonogo.base.text import clean
from gonogo.cli.recorded import RUN_HELP, add_form, ledger_file, put
from gonogo.report.run_diff import RecordedRun, diff_rows, diff_text, differences
from gonogo.report.run_record import RunRecord
from gonogo.runtime import run_table


def add_diff(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_run)
    parser.add_argument("old", metavar="A", help=RUN_HELP)
    parser.add_argument("new", metavar="B", help="another run, named likewise")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with pictures and losses side by side")
    add_form(parser)


def _run(arguments: argparse.Namespace) -> int:
    path = ledger_file(arguments)
    runs = run_table.lines(path)
    old, new = (_recorded(path, run_table.named(runs, name)) for name in (arguments.old, arguments.new))
    found = differences(old, new)
    if arguments.html:
        from gonogo.report.page.diff import diff_page

        write_text(arguments.html, diff_page(old, new, found, lambda digest: run_table.picture(path, digest)))
    put(arguments, diff_rows(found), diff_text(old.line, new.line, found))
    return 0


def _recorded(path: Path, line: run_table.RunLine) -> RecordedRun:
    record = RunRecord.read(run_table.record(path, line))
    if record is None:
        raise UserError(
            f"{clean(line.name)}: its settings and verdicts were not recorded; `gonogo show` has its stages"
        )
    return RecordedRun(line, record)
