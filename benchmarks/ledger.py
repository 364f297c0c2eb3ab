"""How long `gonogo runs` takes to list runs, without the interpreter's start: PYTHONPATH=. python benchmarks/ledger.py.

`--json FILE` writes the same figures. The ledger holds, for each run, rows of 30 stages and a record of a real size.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import platform
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

from gonogo.cli.main import main
from gonogo.runtime import ledger, run_table

STAGES, RECORD_BYTES, TIMES = 30, 50_000, 5


def fill(path: Path, runs: int) -> None:
    noise = random.Random(0)
    found = run_table.Found(
        "NO-GO", "learning", "WIRING", "nothing is learned", "d1" * 32, "d2" * 32, "d3" * 32, {"skill": 0.5}, 3600, 6.0
    )
    stage = ledger.Row("", "mine", "fast", "sample", 1.0, 2.0)
    record = json.dumps({"text": "".join(noise.choices("abcdef ", k=RECORD_BYTES))})
    ledger.add(path, stage)
    with ledger.opened(path) as file:
        columns = "session, experiment, mode, stage, started_at, wall_s, usd, outcome, note"
        rows = (
            (f"s{run}", "mine", "fast", f"stage_{number}", 60.0 * run + number, 2.0, 0.01, "done", "a note")
            for run in range(runs)
            for number in range(STAGES)
        )
        file.executemany(f"INSERT INTO stages ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    for run in range(runs):
        run_table.keep(path, f"s{run}", "mine", found, record, {})


def seconds(*words: str) -> float:
    """Median over several times, of the command in this process."""
    taken = []
    for _ in range(TIMES):
        start = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            main(words)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def measure(runs: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder, "ledger.sqlite"), runs)
        start = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            main(["runs", "--results", folder])
        first_s = time.perf_counter() - start
        return {
            "runs": runs, "first_s": first_s,
            **{f"{'_'.join(words)}_s": seconds(*words, "--results", folder)
               for words in (("runs",), ("runs", "--csv"), ("search", "wiring"), ("cost",))},
        }  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    figures = {
        "python": platform.python_version(), "cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1),
        "ledgers": [measure(runs) for runs in (100, 1000)],
    }  # fmt: skip
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")
    json.dump(figures, sys.stdout, indent=1)
