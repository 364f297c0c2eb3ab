"""`gonogo show`: everything that was recorded of one run."""

from __future__ import annotations

import argparse

from gonogo.cli.recorded import RUN_HELP, add_form, ledger_file, say
from gonogo.report.run_page import run_facts, run_page
from gonogo.report.run_record import RunRecord
from gonogo.report.tables import to_json
from gonogo.runtime import ledger, run_table


def add_show(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_run)
    parser.add_argument("name", metavar="RUN", help=RUN_HELP)
    add_form(parser, with_csv=False)


def _run(arguments: argparse.Namespace) -> int:
    path = ledger_file(arguments)
    run = run_table.named(run_table.lines(path), arguments.name)
    stages = ledger.rows(path, session=run.session, experiment=run.experiment, running=True)
    record = RunRecord.read(run_table.record(path, run))
    say(to_json(run_facts(run, stages, record)) if arguments.json else run_page(run, stages, record))
    return 0
