"""A run at a glance, for the terminal: its flags, its success criteria, its files."""

from __future__ import annotations

from pathlib import Path

from gonogo.base.errors import UserError
from gonogo.report.log_flags import flags
from gonogo.report.success_criteria import criteria, files_to_monitor
from gonogo.verdict import Status


def to_text(run: Path) -> tuple[str, bool]:
    """The page, and whether nothing in it is red.

    Raises:
        UserError: the folder holds no run.
    """
    log = run / "log.txt"
    if not log.is_file():
        raise UserError(f"{run}: no log.txt there; name the folder of a run, such as archive/EXPERIMENT/RUN")
    raised, asked = flags(log.read_text(errors="replace").splitlines()), criteria(run)
    lines = ["Flags", *(f"  {flag.status.light} {flag.meaning}\n      {flag.line}" for flag in raised)]
    lines += [] if raised else ["  none"]
    lines += ["", "Success criteria", *(f"  {criterion.box}" for criterion in asked), "", "Files"]
    lines += [f"  {path}: {asks}" for path, asks in files_to_monitor(run)]
    return "\n".join(lines), Status.NO_GO not in [
        *(flag.status for flag in raised),
        *(criterion.status for criterion in asked),
    ]
