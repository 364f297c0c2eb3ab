"""Does the learning gate call each way to fail by its name? Fixtures trained for real, over seeds and models.

    python benchmarks/learning.py [--json FILE] [--seeds 5] [--families mlp,conv,vectors]     # about 2 s a run

Keys of the JSON: named_right, named_total, and `fixtures`: a row for each fixture and family.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import torch

from benchmarks.figures import save
from tests.learning.fixtures import EXPECTED, FAMILIES, Family, outcome


def row(fixture: str, family: Family, seeds: int) -> dict[str, Any]:
    """How often the fixture is named rightly, by what names else, and in how many CPU seconds each."""
    began, named = time.process_time(), Counter[str]()
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as folder:
            named[outcome(fixture, family, seed, Path(folder)).cause or "OK"] += 1
    expected = EXPECTED[fixture] or "OK"
    return {
        "fixture": fixture,
        "family": family,
        "expected": expected,
        "right": named.pop(expected, 0),
        "seeds": seeds,
        "otherwise": dict(named),
        "cpu_s": round((time.process_time() - began) / seeds, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--families", default=",".join(FAMILIES))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    print(f"{'fixture':16s}{'family':10s}{'expected':15s}{'right':>8s}{'CPU s':>8s}  called otherwise")
    for fixture in EXPECTED:
        for family in [family for family in FAMILIES if family in arguments.families.split(",")]:
            if fixture == "dark" and family == "vectors":
                continue
            found = row(fixture, family, arguments.seeds)
            rows.append(found)
            score = f"{found['right']}/{found['seeds']}"
            otherwise = ", ".join(f"{name} {count}" for name, count in found["otherwise"].items())
            print(
                f"{fixture:16s}{family:10s}{found['expected']:15s}{score:>8s}{found['cpu_s']:8.1f}  {otherwise}",
                flush=True,
            )
    right, total = sum(r["right"] for r in rows), sum(r["seeds"] for r in rows)
    print(f"named rightly: {right} of {total}")
    if arguments.json:
        figures = {"named_right": right, "named_total": total, "fixtures": rows}
        save(arguments.json, figures)


if __name__ == "__main__":
    main()
