"""`gonogo review`: a run at a glance: the flags in its log, its success criteria, its files."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from gonogo.base.errors import UserError
from gonogo.base.text import shown
from gonogo.cli import site
from gonogo.report.log_flags import LogLines, flags
from gonogo.report.success_criteria import Criterion, criteria, files_to_monitor
from gonogo.verdict import Status, worst


def add_review(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "Exit code: 0 no red flag and no failed criterion, 1 there is one, 2 it could not be read."
    parser.set_defaults(run=_run, on_error=2)
    parser.add_argument(
        "about", type=Path, metavar="EXPERIMENT|FOLDER",
        help="an experiment (its downloaded run, or its open boxes before that), or the folder of a run, such as "
        "archive/EXPERIMENT/RUN, which may still be running",
    )  # fmt: skip
    parser.add_argument("--mode", help="of the experiment (default: config.yaml's)")


def _run(arguments: argparse.Namespace) -> int:
    folder, named = arguments.about, str(arguments.about)
    if not folder.exists() and (Path("config", "experiments") / f"{named}.yaml").exists():
        fetched = _fetched(named, arguments.mode)
        if fetched is None:
            print(f"{named}: no run was downloaded yet\n\n{_boxes(criteria(folder))}")
            return 0
        folder = fetched
    text, status = review(folder)
    print(shown(text))
    return 1 if status is Status.NO_GO else 0


def _fetched(experiment: str, mode: str | None) -> Path | None:
    """The folder of its paid run, once it was downloaded."""
    report = site.settings(Path(), experiments=[experiment], mode=mode).paths(experiment).archive
    return Path(json.loads(report.read_text())["folder"]) if report.exists() else None


def _boxes(asked: Sequence[Criterion]) -> str:
    return "\n".join(["Success criteria", *(f"  {criterion.box}" for criterion in asked)])


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
    lines += ["", _boxes(asked), "", "Files"]
    lines += [f"  {path}: {asks}" for path, asks in files_to_monitor(run)]
    return "\n".join(lines), worst([*(flag.status for flag in raised), *(criterion.status for criterion in asked)])
