"""Sets of ten scenes in each of which one view of four is bad: how many are stopped."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from accuracy.bad import KINDS
from accuracy.intervals import share, show_shares
from accuracy.photographs import Photographs
from accuracy.sets import write_set
from gonogo.quality.inspect import inspect
from gonogo.verdict import Status

SETS = 2  # of each kind


def judge_one_view_sets(folder: Path, seed: int, photographs: Photographs) -> list[dict[str, Any]]:
    """One row for each kind of bad view."""
    rows = []
    for number, (kind, bad) in enumerate(KINDS.items()):
        row = {"kind": kind, "knowable": bad.knowable, "sets": SETS, "stopped": 0, "caution": 0}
        for turn in range(SETS):
            write_set(folder / "set", kind, np.random.default_rng([seed, 5, number, turn]), photographs, one_view=True)
            status = inspect(folder / "set", "views").verdict.status
            row["stopped"] += status in (Status.NO_GO, Status.UNKNOWN)
            row["caution"] += status is Status.CAUTION
            shutil.rmtree(folder / "set")
        rows.append(row)
    return rows


def summed_one_view(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The share of sets that were stopped, of the kinds that a view beside its input can show; and the rows."""
    return {"stopped": share([row for row in rows if row["knowable"]], "stopped", "sets"), "rows": rows}


def show_one_view_sets(result: dict[str, Any]) -> None:
    for row in result["rows"]:
        told = "" if row["knowable"] else "  one view cannot show it"
        print(f"  {row['kind']:30s} {row['stopped']} of {row['sets']} stopped, {row['caution']} CAUTION{told}")
    show_shares({f"one bad view of four, {name}": found for name, found in result.items()})
