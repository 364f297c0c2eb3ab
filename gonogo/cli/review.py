"""`gonogo review`: a run at a glance: the flags in its log, its success criteria, its files."""

from __future__ import annotations

import argparse
from pathlib import Path

from gonogo.base.errors import UserError
from gonogo.base.text import shown
from gonogo.report.log_flags import LogLines, flags
from gonogo.report.success_criteria import criteria, files_to_monitor
from gonogo.verdict import Status, worst


def add_review(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "Exit code: 0 no red flag and no failed criterion, 1 there is one, 2 it could not be read."
    parser.set_defaults(run=_run, on_error=2)
    parser.add_argument("folder", type=Path, help="folder of a run, such as archive/EXPERIMENT/RUN; it may be running")


def _run(arguments: argparse.Namespace) -> int:
    text, status = review(arguments.folder)
    print(shown(text))
    return 1 if status is Status.NO_GO else 0


def review(run: Path) -> tuple[str, Status]:
    """The page, and the gravest status on it.

    Raises:
        UserError: the folder holds no run.
    """
    log = run / "log.txt"
    if not log.is_file():
        raise UserError(f"{run}: no log.txt there; name the folder of a run, such as archive/EXPERIMENT/RUN")
    raised = flags(LogLines(log))
    asked = criteria(run, raised)
    lines = ["Flags", *(f"  {flag.status.light} {flag.meaning}\n      {flag.line}" for flag in raised)]
    lines += [] if raised else ["  none"]
    lines += ["", "Success criteria", *(f"  {criterion.box}" for criterion in asked), "", "Files"]
    lines += [f"  {path}: {asks}" for path, asks in files_to_monitor(run)]
    return "\n".join(lines), worst([*(flag.status for flag in raised), *(criterion.status for criterion in asked)])
