"""A machine that lies to every command of the client in every way: what that costs the laptop.

python -m benchmarks.hostile [--lie NAME …] [--json benchmarks/hostile.json]

Each way of lying is put to a client in a process of its own, which runs all its operations against it over SSH on
loopback. `tests/faults/test_hostile_machine.py` asks the same, and that nothing was written outside.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.figures import save
from gonogo.config.target import Ssh, Target
from gonogo.remote import embedded_server
from tests.faults import lying_agent
from tests.faults.lying_agent import LIES

ROOT = Path(__file__).parents[1]
LIMIT_S = 600


def lied_to(lie: str, ssh: Ssh, folder: Path) -> tuple[list[dict[str, Any]], int]:
    """What each operation of a client came to, and the client's peak of memory.

    Args:
        folder: an empty one; the client writes into `here`, the machine into `root`.

    Raises:
        RuntimeError: the client did not come to its end.
    """
    python, here = folder / "python", folder / "here"
    here.mkdir()
    (folder / "root").mkdir()
    words = shlex.join([sys.executable, "-S", str(Path(lying_agent.__file__)), lie])
    python.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    python.chmod(0o755)
    target = Target(root=str(folder / "root"), python=str(python))
    client = [sys.executable, "-m", "tests.faults.hostile_client", ssh.model_dump_json(), target.model_dump_json()]
    done = subprocess.run(
        [*client, str(here)], cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{lie}: {done.stderr}")
    *asked, measured = map(json.loads, done.stdout.splitlines())
    return asked, measured["peak_bytes"]


def longest(cases: list[dict[str, Any]], key: str) -> dict[str, Any]:
    """The case that took most of these seconds, and what it was."""
    case = max(cases, key=lambda one: one[key])
    return {key: round(case[key], 2), "operation": case["name"], "lie": case["lie"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lie", nargs="+", default=list(LIES), choices=LIES, metavar="NAME", help="default: all")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    cases: list[dict[str, Any]] = []
    peaks: dict[str, int] = {}
    with tempfile.TemporaryDirectory(prefix="gonogo-hostile-") as folder:
        ssh = embedded_server.ensure(Path(folder) / "machine", os.getpid())
        for number, lie in enumerate(arguments.lie):
            own = Path(folder) / str(number)
            own.mkdir()
            asked, peaks[lie] = lied_to(lie, ssh, own)
            cases += [{**one, "lie": lie} for one in asked]
            wall, cpu = (max(one[key] for one in asked) for key in ("seconds", "cpu_s"))
            print(f"{lie:40s} {peaks[lie] / 1e6:6.0f} MB {wall:7.1f} s {cpu:7.2f} s of CPU", flush=True)
        embedded_server.stop(Path(folder) / "machine")
    most = max(peaks, key=lambda lie: peaks[lie])
    figures = {
        "lies": len(peaks),
        "operations": len({case["name"] for case in cases}),
        "cases": len(cases),
        "tracebacks": [f"{case['lie']}, {case['name']}" for case in cases if case["fault"]],
        "peak": {"mb": round(peaks[most] / 1e6), "lie": most},
        "least_peak_mb": round(min(peaks.values()) / 1e6),
        "longest_wall": longest(cases, "seconds"),
        "longest_cpu": longest(cases, "cpu_s"),
    }
    print(json.dumps(figures, indent=1))
    if arguments.json:
        save(arguments.json, figures)


if __name__ == "__main__":
    main()
