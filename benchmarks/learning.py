"""Does the learning gate call each way to fail by its name, and leave good runs alone? Trained for real.

    python benchmarks/learning.py [--json FILE] [--rows FILE] [--seeds 0] [--families …] [--setups …]

A run takes one to four CPU seconds. Rows are appended to `--rows` (default: benchmarks/learning_rows.jsonl below the
system's folder for temporary files) as they come, and are not run again; several processes may share it.

Keys of the JSON: for the families that thresholds were chosen with and for those kept aside, good runs stopped, faults
named; `seconds` that the gate takes beside the training steps, and its judge alone, medians and the longest; and
`setups`: a row for each fault and good set-up.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import torch

from benchmarks.figures import save
from benchmarks.learning_families import ASIDE, FAMILIES
from benchmarks.learning_runs import run
from benchmarks.learning_setups import FAULTS, GOOD

Row = dict[str, Any]


def wanted(families: list[str], setups: list[str], seeds: list[int]) -> Iterator[tuple[str, str, int]]:
    """Each set-up once, then each with another family, so that a part of them says something of all."""
    for seed in seeds:
        for turn in range(len(families)):
            for place, name in enumerate(setups):
                family = families[(place + turn) % len(families)]
                if (FAULTS.get(name) or GOOD[name]).suits(FAMILIES[family]):
                    yield family, name, seed


def rows_in(file: Path) -> list[Row]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def claimed(file: Path, key: tuple[str, str, int]) -> bool:
    """Whether this process is to do it: nobody else has, or is about to."""
    with file.with_suffix(".claims").open("a+") as claims:
        fcntl.flock(claims, fcntl.LOCK_EX)
        claims.seek(0)
        if json.dumps(key) in claims.read().splitlines():
            return False
        claims.write(json.dumps(key) + "\n")
        return True


def summary(rows: list[Row]) -> dict[str, Any]:
    good, bad = ([row for row in rows if row["good"] is side] for side in (True, False))
    return {
        "families": len({row["family"] for row in rows}),
        "good_runs": len(good), "good_stopped": sum(not row["right"] for row in good),
        "fault_runs": len(bad), "faults_stopped": sum(row["cause"] not in ("", "CRASH") for row in bad),
        "faults_named": sum(row["named"] for row in bad),
    }  # fmt: skip


def figures(rows: list[Row]) -> dict[str, Any]:
    order = [*FAULTS, *GOOD]
    tuned, aside = ([row for row in rows if (row["family"] in ASIDE) is side] for side in (False, True))
    setups = []
    for name in sorted({row["setup"] for row in rows}, key=order.index):
        of_it = [row for row in rows if row["setup"] == name]
        otherwise = sorted({f"{row['family']}: {row['cause'] or 'passed'}" for row in of_it if not row["named"]})
        setups.append({
            "setup": name, "causes": list((FAULTS.get(name) or GOOD[name]).causes), "runs": len(of_it),
            "named": sum(row["named"] for row in of_it), "otherwise": otherwise,
            "cpu_s": round(sum(row["cpu_s"] for row in of_it) / len(of_it), 1),
        })  # fmt: skip
    return {"tuned": summary(tuned), "aside": summary(aside), "faults": len(FAULTS), "good": len(GOOD),
            "seconds": {name: seconds(rows, name) for name in ("gate_s", "steps_s", "judge_s")},
            "setups": setups}  # fmt: skip


def seconds(rows: list[Row], name: str) -> dict[str, float] | None:
    """Of the runs that measured it; None: none did."""
    known = [row[name] for row in rows if row.get(name) is not None]
    return {"runs": len(known), "median": statistics.median(known), "most": max(known)} if known else None


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--rows", type=Path, default=Path(tempfile.gettempdir()) / "learning_rows.jsonl")
    parser.add_argument("--seeds", default="0", help="0,1,…")
    parser.add_argument("--families", default=",".join(name for name in FAMILIES))
    parser.add_argument("--setups", default="", help="names, separated by `;`; nothing: all")
    parser.add_argument("--tally", action="store_true", help="run nothing: figures of the rows that are there")
    arguments = parser.parse_args()
    os.nice(5)
    torch.set_num_threads(1)
    setups = [name for name in arguments.setups.split(";") if name] or [*FAULTS, *GOOD]
    seeds = [int(seed) for seed in arguments.seeds.split(",")]
    done = {(row["family"], row["setup"], row["seed"]) for row in rows_in(arguments.rows)}
    keys = list(wanted(arguments.families.split(","), setups, seeds))
    for key in keys:
        if arguments.tally or key in done or not claimed(arguments.rows, key):
            continue
        row = run(*key)
        with arguments.rows.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(json.dumps(row) + "\n")
        mark = "" if row["named"] else "  <<< " + json.dumps(row["said"])[:400]
        print(f"{key[0]:9s}{key[1]:32s}{key[2]}  {row['cause'] or 'passes':14s}{row['cpu_s']:5.1f} s{mark}", flush=True)
    rows = [row for row in rows_in(arguments.rows) if (row["family"], row["setup"], row["seed"]) in set(keys)]
    found = figures(rows)
    print(json.dumps({name: found[name] for name in ("tuned", "aside")}, indent=1))
    if arguments.json:
        save(arguments.json, found)


if __name__ == "__main__":
    main()
