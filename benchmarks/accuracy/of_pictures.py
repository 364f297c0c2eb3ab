"""Sets of single pictures, good and bad, as the gate judges them: how many are stopped, and how many items are bad."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from accuracy.intervals import share, show_shares
from accuracy.packages import Packages
from accuracy.photographs import Photographs
from accuracy.picture_faults import FAULTS, UNDECIDED
from accuracy.picture_sets import GOOD, PACKAGED, write_set
from gonogo.quality.inspect import inspect
from gonogo.verdict import Status

PREVALENCES = (1.0, 0.3)
GOOD_SETS, BAD_SETS = 2, 1  # of each make; of each fault and prevalence, from photographs


def judge_picture_sets(folder: Path, seed: int, photographs: Photographs, packages: Packages) -> list[dict[str, Any]]:
    """One row for each make of good sets, and for each fault and prevalence."""
    rows: dict[tuple[str, str, float], dict[str, Any]] = {}
    for number, (make, fault, prevalence) in enumerate(_sets(packages)):
        where = folder / "set"
        write_set(where, make, fault, prevalence, np.random.default_rng([seed, 4, number]), photographs, packages)
        row = rows.setdefault(
            (make, fault, prevalence),
            {
                **{"make": make, "fault": fault, "prevalence": prevalence if fault else 0, "sets": 0, "stopped": 0},
                **{
                    "caution": 0,
                    "items": 0,
                    "bad_items": 0,
                    "checks": [],
                    "faults": Counter(),
                    "promised": fault not in UNDECIDED,
                },
            },
        )
        _judge(where, folder / "listing.json", row)
        shutil.rmtree(where)
    return list(rows.values())


def _sets(packages: Packages) -> Iterator[tuple[str, str, float]]:
    for make in GOOD:
        if make not in PACKAGED or make in packages.kinds:
            yield from [(make, "", 0.0)] * GOOD_SETS
    for fault in FAULTS:
        for prevalence in PREVALENCES:
            yield from [("photographs", fault, prevalence)] * BAD_SETS


def _judge(folder: Path, listing: Path, row: dict[str, Any]) -> None:
    verdict = inspect(folder, "images", json_file=listing).verdict
    items = json.loads(listing.read_text())["items"]
    row["sets"] += 1
    row["stopped"] += verdict.status in (Status.NO_GO, Status.UNKNOWN)
    row["caution"] += verdict.status is Status.CAUTION
    row["items"] += len(items)
    row["bad_items"] += sum(item["item_bad"] for item in items)
    row["faults"].update(check for item in items if item["item_bad"] for check in item["checks"])
    row["checks"] = sorted({*row["checks"], *(check.id for check in verdict.checks if check.status is Status.NO_GO)})


def summed(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The rates with their intervals, and the rows that they come from."""
    good = [row for row in rows if not row["fault"]]
    found: dict[str, Any] = {
        "good_sets_stopped": share(good, "stopped", "sets"),
        "good_items_bad": share(good, "bad_items", "items"),
    }
    for prevalence in PREVALENCES:
        bad = [row for row in rows if row["fault"] and row["promised"] and row["prevalence"] == prevalence]
        found[f"bad_sets_stopped_at_{prevalence:.0%}"] = share(bad, "stopped", "sets")
    return {**found, "rows": rows}


def show_picture_sets(result: dict[str, Any]) -> None:
    for row in result["rows"]:
        name = f"{row['fault']} at {row['prevalence']:.0%}" if row["fault"] else row["make"]
        what = f"{row['stopped']} of {row['sets']} stopped, {row['bad_items']} of {row['items']} items bad"
        print(f"  {name:36s} {what}  {dict(row['faults'])}")
    show_shares(result)
