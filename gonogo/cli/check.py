"""`gonogo check`: an unmodified training script, on a card that is not there and on the processor."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from types import TracebackType

from gonogo.base.files import write_text
from gonogo.cli import site
from gonogo.script.check import LIMIT_S, STEPS
from gonogo.script.check_script import check_script
from gonogo.script.command import read_command
from gonogo.script.request import PassName

EXAMPLES = """examples:
  gonogo check -- python train.py --batch-size 32
  gonogo check --card h200 -- torchrun --nproc_per_node 8 train.py
  gonogo check --vary "--batch-size {}" -- python train.py
  gonogo check --rehearse-with "--batch-size 2 --image-size 64" -- accelerate launch train.py

Nothing is written into the folder: checkpoints and logs of the script go to a temporary one.
Each pass has --minutes from the script's start; one that has reached no training step by then gets them once more.
Exit code: 0 GO (with or without caution), 1 NO-GO, 2 it could not be judged."""
INTERRUPTED = 130  # as a shell says of a command that Ctrl-C ended


def add_check(parser: argparse.ArgumentParser) -> None:
    parser.epilog, parser.formatter_class = EXAMPLES, argparse.RawDescriptionHelpFormatter
    parser.set_defaults(run=_run, on_error=2)
    parser.add_argument(
        "--card",
        default="h200",
        metavar="NAME",
        help="card to train on, as in config/accelerators.yaml (default: h200)",
    )
    parser.add_argument(
        "--steps",
        type=int,
        default=STEPS,
        metavar="N",
        help=f"optimizer steps that each pass waits for (default: {STEPS})",
    )
    parser.add_argument(
        "--minutes", type=float, default=LIMIT_S / 60, metavar="M", help="limit of each pass (default: 1)"
    )
    parser.add_argument(
        "--rehearse-with", default="", metavar="ARGS", help="more arguments, in the pass on the CPU only"
    )
    parser.add_argument(
        "--vary", default="", metavar="ARG", help="find the largest that the card holds: --vary '--batch-size {}'"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the verdict as JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the verdict as a page, with the loss curve")
    site.add_for_ci(parser)
    parser.add_argument("--verbose", "-v", action="store_true", help="show what the script prints")
    parser.add_argument("command", nargs="*", metavar="-- COMMAND", help="what you type to train, after two dashes")


def _run(arguments: argparse.Namespace) -> int:
    shown = Progress(arguments.verbose)
    try:
        with shown:
            verdict = check_script(
                arguments.command, arguments.card, steps=arguments.steps, minutes=arguments.minutes,
                rehearse_with=arguments.rehearse_with, vary=arguments.vary, say=shown.line, report=shown.reached,
            )  # fmt: skip
    except KeyboardInterrupt:
        print("stopped; no process of the script is left", file=sys.stderr)
        return INTERRUPTED
    site.show(verdict)
    for part in verdict.parts:
        print(f"  {part.status.mark} {part.name:9s} {part.status.label:8s} {part.summary}")
    for check in verdict.checks:
        if check.id == "memory.largest_batch":
            print(f"\n{check.title}: {'not known' if check.value is None else check.value} ({check.why})")
    if arguments.json:
        write_text(arguments.json, verdict.model_dump_json(indent=2) + "\n")
    if arguments.html:
        from gonogo.report.script_report import script_html

        write_text(arguments.html, script_html(verdict))
    site.write_for_ci(arguments, verdict, Path(read_command(arguments.command, Path.cwd()).path))
    return verdict.status.exit_code


class Progress:
    """The script's lines where they are asked for, else one line that says which step each pass has reached."""

    def __init__(self, verbose: bool) -> None:
        self._verbose = verbose
        self._quiet = verbose or not sys.stderr.isatty()

    def __enter__(self) -> None:
        self.reached({}, 0)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._quiet:
            print("\r\x1b[2K", end="", file=sys.stderr)

    def line(self, kind: PassName, line: str) -> None:
        if self._verbose:
            print(f"{kind}: {line}", file=sys.stderr)

    def reached(self, steps: dict[PassName, int], seconds: float) -> None:
        """One line that is drawn over itself."""
        if not self._quiet:
            passes = [f"{kind}: {count or 'no'} step{'' if count == 1 else 's'}" for kind, count in steps.items()]
            said = "   ".join(passes or ["both passes are being started"])
            print(f"\r\x1b[2K{seconds:4.0f} s   {said}", end="", file=sys.stderr, flush=True)
