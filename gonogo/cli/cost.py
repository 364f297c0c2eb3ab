"""`gonogo cost`: what everything in the ledger took, what of it was wasted, and what the NO-GOs saved."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from gonogo.base.units import dollars, duration
from gonogo.cli.recorded import add_form, ledger_file, say
from gonogo.cli.runs import held
from gonogo.report.run_list import ESTIMATE, saved_rows, saved_text
from gonogo.report.tables import aligned, to_csv, to_json
from gonogo.runtime import ledger, run_table

HEADS = ("experiment", "stage", "times", "time", "cost")


def add_cost(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_run)
    parser.add_argument("--experiment", default="", help="only of this experiment")
    add_form(parser)


def _run(arguments: argparse.Namespace) -> int:
    path = ledger_file(arguments)
    rows = ledger.rows(path, experiment=arguments.experiment or None, running=True)
    runs = run_table.lines(path, experiment=arguments.experiment)
    sums = stage_sums(rows)
    if arguments.csv:
        say(to_csv(sums).rstrip("\n"))
    elif arguments.json:
        saved = saved_rows(runs)
        whole = {
            "stages": sums, "stages_s": sum(row.wall_s for row in rows), "usd": sum(row.usd for row in rows),
            "wasted_usd": ledger.wasted_usd(rows),
            "held_usd": sum(row.usd for row in rows if row.stage == ledger.HELD),
            "saved": {"estimate": ESTIMATE, "seconds": sum(it["seconds"] or 0.0 for it in saved),
                      "usd": sum(it["usd"] or 0.0 for it in saved), "by": saved},
        }  # fmt: skip
        say(to_json(whole))
    else:
        cells = [
            (it["experiment"], it["stage"], str(it["times"]), duration(it["stages_s"]), dollars(it["usd"]))
            for it in sums
        ]  # fmt: skip
        table = aligned(HEADS, cells, ("times", "time", "cost")) if cells else ""
        say("\n".join(filter(None, [table, total(rows), saved_text(runs), *held(path.parent)])))
    return 0


def stage_sums(rows: Sequence[ledger.Row]) -> list[dict[str, Any]]:
    """Each stage of each experiment, all of its executions together; experiments in the order of their first."""
    sums: dict[tuple[str, str], list[ledger.Row]] = {}
    for row in rows:
        sums.setdefault((row.experiment, row.stage), []).append(row)
    order = {name: index for index, name in enumerate(dict.fromkeys(row.experiment for row in rows))}
    return [
        {"experiment": experiment, "stage": stage, "times": len(of_it),
         "stages_s": round(sum(row.wall_s for row in of_it), 3), "usd": round(sum(row.usd for row in of_it), 6)}
        for (experiment, stage), of_it in sorted(sums.items(), key=lambda item: order[item[0][0]])
    ]  # fmt: skip


def total(rows: Sequence[ledger.Row]) -> str:
    """What the rows cost together, the wasted part, and the part in which a machine was held between stages."""
    parts = {
        "wasted on stages that failed or were done again": ledger.wasted_usd(rows),
        "while a machine was held between stages": sum(row.usd for row in rows if row.stage == ledger.HELD),
    }
    said = [f"{dollars(usd)} {what}" for what, usd in parts.items() if usd]
    of_it = f", of which {', '.join(said)}" if said else ""
    count = "1 stage" if len(rows) == 1 else f"{len(rows)} stages"
    return f"{count}, {dollars(sum(row.usd for row in rows))} in all{of_it}"
