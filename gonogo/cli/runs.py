"""`gonogo runs` and `gonogo search`: the recorded runs, a line each."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from gonogo.base.text import clean
from gonogo.base.units import dollars
from gonogo.cli.recorded import add_form, ledger_file, put
from gonogo.report.run_list import run_rows, run_text, saved_text
from gonogo.runtime import run_table

MOST_PLACES = 3  # shown of one run that a text was found in


def add_runs(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "A run is what one invocation of the workflow did for one experiment. `gonogo show` has all of one."
    parser.set_defaults(run=_run)
    parser.add_argument("--note", default="", metavar="WORDS", help="only runs whose note contains these words")
    parser.add_argument("--experiment", default="", help="only runs of this experiment")
    add_form(parser)


def _run(arguments: argparse.Namespace) -> int:
    path = ledger_file(arguments)
    runs = run_table.lines(path, experiment=arguments.experiment, note=arguments.note)
    total = f"{len(runs)} {'run' if len(runs) == 1 else 'runs'}, {dollars(sum(run.usd for run in runs))} in all"
    parts = [run_text(runs) if runs else "", total, saved_text(runs), *held(path.parent)]
    put(arguments, run_rows(runs), "\n".join(filter(None, parts)))
    return 0


def held(results: Path) -> list[str]:
    """A line for each machine that is held, and bills on beside the rows."""
    files = sorted((results / "held").glob("*.json"))
    if not files:
        return []
    from gonogo.stages.held_machines import held_machines

    lines = []
    for machine in (machine for file in files for machine in held_machines(file)):
        unbilled_usd = max(0.0, time.time() - machine.billed_to) / 3600 * machine.usd_per_hour
        since = f"{dollars(unbilled_usd)} since the last row, {machine.cost} in all"
        lines.append(f"{machine.name} is held and bills on: {since}")
    return lines


def add_search(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "Upper and lower case are the same. Exit code: 0 found, 1 not found."
    parser.set_defaults(run=_search)
    parser.add_argument("text", metavar="TEXT", help="part of a name, note, setting, cause, check or metric")
    add_form(parser)


def _search(arguments: argparse.Namespace) -> int:
    from gonogo.report.run_record import RunRecord

    path, wanted = ledger_file(arguments), clean(arguments.text).casefold()
    rows, lines = [], []
    for run in run_table.lines(path):
        text = run_table.record(path, run)
        places = [("run", run.name), ("mode", run.mode), ("verdict", run.word), ("note", run.note)]
        if text and (record := RunRecord.read(text)):
            places += list(record.texts())
        found = dict.fromkeys(f"{name}: {value}" for name, value in places if wanted in f"{name}: {value}".casefold())
        if found:
            rows.append({"run": run.name, "found": "; ".join(list(found)[:MOST_PLACES]), "places": len(found)})
            more = f"\n    and {len(found) - MOST_PLACES} more" if len(found) > MOST_PLACES else ""
            lines.append("\n    ".join([f"{run.name}  {run.word}", *list(found)[:MOST_PLACES]]) + more)
    put(arguments, rows, "\n".join(lines) or f"nothing recorded holds {clean(arguments.text)!r}")
    return 0 if rows else 1
