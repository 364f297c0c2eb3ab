"""`gonogo runs`: the ledger, one line for each stage that ran, and what they cost together."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

from gonogo.base.errors import UserError
from gonogo.base.units import dollars
from gonogo.cli import site
from gonogo.runtime import ledger
from gonogo.stages.held_machines import held_folder, held_machines


def add_runs(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_run)
    parser.add_argument("--note", default="", metavar="WORDS", help="only runs whose note contains these words")
    parser.add_argument("--experiment", help="only runs of this experiment")
    site.add_results(parser)


def _run(arguments: argparse.Namespace) -> int:
    path = site.results_dir(arguments) / "ledger.sqlite"
    if not path.exists():
        raise UserError(f"{path} is not there: nothing has run in this results folder")
    rows = ledger.rows(path, experiment=arguments.experiment, note=arguments.note, running=True)
    for row in rows:
        began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(row.started_at))
        what = f"{row.experiment} {row.mode} {row.stage}".replace("  ", " ")
        print(f"{began}  {what:40s} {row.outcome:11s} {row.wall_s:8.1f} s  {dollars(row.usd):>8s}  {row.note}".rstrip())
    if rows:
        print(total(rows))
    for held in (held for file in sorted(held_folder(path.parent).glob("*.json")) for held in held_machines(file)):
        unbilled_usd = max(0.0, time.time() - held.billed_to) / 3600 * held.usd_per_hour
        print(f"{held.name} is held and bills on: {dollars(unbilled_usd)} since the last row, {held.cost} in all")
    return 0


def total(rows: Sequence[ledger.Row]) -> str:
    """What the rows cost together, the wasted part, and the part in which a machine was held between stages."""
    parts = {
        "wasted on stages that failed or were done again": ledger.wasted_usd(rows),
        "while a machine was held between stages": sum(row.usd for row in rows if row.stage == ledger.HELD),
    }
    said = [f"{dollars(usd)} {what}" for what, usd in parts.items() if usd]
    of_it = f", of which {', '.join(said)}" if said else ""
    return f"{len(rows)} stages, {dollars(sum(row.usd for row in rows))} in all{of_it}"
