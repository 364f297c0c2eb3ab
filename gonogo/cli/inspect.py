"""`gonogo inspect`: the quality gate on a folder of data, without a workflow."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from gonogo.cli import site
from gonogo.quality.registry import KINDS


def add_inspect(parser: argparse.ArgumentParser) -> None:
    parser.description = "Read every file of a folder once, and judge whether the data is worth training on."
    parser.epilog = "Exit code: 0 GO (with or without caution), 1 NO-GO, 2 it could not be judged."
    parser.set_defaults(run=_run, on_error=2)
    parser.add_argument("folder", type=Path, help="folder of data; train/, val/ and test/ in it are its splits")
    parser.add_argument("--kind", default="", choices=list(KINDS), help="what the data is; without: it is recognised")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the verdict and every file's checks")
    site.add_for_ci(parser)
    parser.add_argument("--table", type=Path, metavar="FILE", help="write a CSV of every file's statistics")
    parser.add_argument("--distributions", type=Path, metavar="FILE", help="write an SVG: statistics and thresholds")
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="write a PNG of the worst items, with reasons")
    parser.add_argument("--gate", type=Path, metavar="FILE", help="YAML of thresholds, with the keys of gates.quality")
    parser.add_argument("--sample", action="store_true", help="judge a larger set, of which this folder is a sample")


def _run(arguments: argparse.Namespace) -> int:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy: files are worked on side by side, not their parts
    from gonogo.quality.inspect import inspect, read_gate
    from gonogo.quality.outputs import Outputs

    found = inspect(
        arguments.folder,
        arguments.kind,
        read_gate(arguments.gate) if arguments.gate else None,
        sampled=arguments.sample,
        json_file=arguments.json,
        outputs=Outputs(arguments.table, arguments.distributions, arguments.sheet),
        progress=_progress if sys.stderr.isatty() else None,
    )
    if sys.stderr.isatty():
        print("\r\x1b[2K", end="", file=sys.stderr)
    if not arguments.kind:
        print("recognised " + "; ".join(found.kinds))
    site.show(found.verdict)
    site.write_for_ci(arguments, found.verdict, arguments.folder)
    if found.worst:
        print("\nThe worst files:")
        print("\n".join(f"  {row['path']}: {row['reasons']}" for row in found.worst))
    return found.verdict.status.exit_code


def _progress(done: int, total: int) -> None:
    if done % 50 == 0 or done == total:
        print(f"\r\x1b[2K{done} of {total} items", end="", file=sys.stderr, flush=True)
