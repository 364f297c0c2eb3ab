"""`gonogo check`: an unmodified training script, on a card that is not there and on the processor."""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
from pathlib import Path

from gonogo.config.load import load_accelerator
from gonogo.script.check import LIMIT_S, STEPS, CheckRequest, run_check
from gonogo.script.facts import PassFacts
from gonogo.script.request import PassName

EXAMPLES = """examples:
  gonogo check -- python train.py --batch-size 32
  gonogo check --card h200 -- torchrun --nproc_per_node 8 train.py
  gonogo check --rehearse-with "--batch-size 2 --image-size 64" -- accelerate launch train.py

Nothing is written into the folder: checkpoints and logs of the script go to a temporary one.
Each pass has --minutes from the script's start; one that has reached no training step by then gets them once more.
Exit code: 0 GO (with or without caution), 1 NO-GO, 2 it could not be judged."""
INTERRUPTED = 130  # as a shell says of a command that Ctrl-C ended


def add_check(parser: argparse.ArgumentParser) -> None:
    parser.epilog, parser.formatter_class = EXAMPLES, argparse.RawDescriptionHelpFormatter
    parser.set_defaults(run=_run, on_error=2)
    parser.add_argument(
        "--card", default="h100", metavar="NAME", help="card to train on, as in config/accelerators.yaml"
    )
    parser.add_argument(
        "--steps", type=int, default=STEPS, metavar="N", help="optimizer steps that each pass waits for"
    )
    parser.add_argument("--minutes", type=float, default=LIMIT_S / 60, metavar="M", help="time limit of each pass")
    parser.add_argument("--rehearse-with", default="", metavar="ARGS", help="more arguments, on the processor only")
    parser.add_argument(
        "--vary", default="", metavar="ARGS", help="arguments with {} for a batch size: find the largest"
    )
    parser.add_argument("--verbose", "-v", action="store_true", help="show what the script prints")
    parser.add_argument("command", nargs="*", metavar="-- COMMAND", help="the command that trains, after two dashes")


def _run(arguments: argparse.Namespace) -> int:
    card = load_accelerator(Path("config"), arguments.card)
    request = CheckRequest(
        words=arguments.command, folder=Path.cwd(), card=card, steps=arguments.steps,
        limit_s=arguments.minutes * 60, rehearse_with=shlex.split(arguments.rehearse_with), vary=arguments.vary,
    )  # fmt: skip

    def say(kind: PassName, line: str) -> None:
        if arguments.verbose:
            print(f"{kind}: {line}", file=sys.stderr)

    with tempfile.TemporaryDirectory(prefix="gonogo-check-") as work:
        try:
            run = run_check(request, Path(work), say, _report if sys.stderr.isatty() else lambda steps, seconds: None)
        except KeyboardInterrupt:
            print("\nstopped; no process is left", file=sys.stderr)
            return INTERRUPTED
        print("\r\x1b[2K" if sys.stderr.isatty() else "", end="", file=sys.stderr)
        for kind, passed in run.passed.items():
            facts = passed.facts(PassFacts)
            print(f"{kind}: {facts.ending} after {facts.steps} steps, {facts.seconds:.1f} s")
            if facts.error:
                print(f"  {facts.error.name}: {facts.error.message} {facts.error.where}")
    return 2


def _report(steps: dict[PassName, int], seconds: float) -> None:
    """One line that is drawn over itself."""
    reached = "   ".join(f"{kind}: {count or 'no'} step{'' if count == 1 else 's'}" for kind, count in steps.items())
    print(f"\r\x1b[2K{seconds:4.0f} s   {reached}", end="", file=sys.stderr, flush=True)
