"""The end of an invocation, whatever it ended with: the machine is released first, then it is said where time went."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import sys
import time

from gonogo.base.errors import UserError
from gonogo.base.files import write_json
from gonogo.base.processes import started_at
from gonogo.config.load import Settings
from gonogo.experiment.starting_checkpoint import waiting
from gonogo.runtime import ledger
from gonogo.runtime.session import owner_pid, session_name
from gonogo.stages.held import held_file

WIDEST = 100  # columns


def conclude(settings: Settings) -> None:
    """Nothing that goes wrong with the ledger, the disk or the terminal keeps the machine from being released."""
    rows: list[ledger.Row] = []
    problem = ""
    try:
        rows = ledger.rows(settings.config.results_dir / "ledger.sqlite", session=session_name())
    except (OSError, sqlite3.Error) as error:
        problem = f"error: the ledger cannot be read: {error}"
    _release(settings, rows)
    if problem:
        _tell(problem)
    try:
        _report(settings, rows)
    except OSError as error:
        _tell(f"error: timing.json was not written: {error}")


def _release(settings: Settings, rows: list[ledger.Row]) -> None:
    """After an interruption the machine is kept, because whoever interrupts means to continue."""
    if not held_file(settings).exists():
        return
    if any(row.outcome == "interrupted" for row in rows):
        _tell("interrupted: the machine is held, and bills on; release it with: gonogo release")
        return
    if any(row.stage == "release" for row in rows):
        return  # it has said how that ended
    try:
        from gonogo.stages.release import release_machine

        release_machine(settings, _tell)
    except UserError as error:
        _tell(f"error: release: {error}")
    except Exception as error:
        _tell(
            f"ALARM: THE MACHINE OF TARGET {settings.config.target} MAY NOT BE RELEASED: {type(error).__name__}: "
            f"{error}. It may bill on. Run gonogo release, or destroy it in your provider's console."
        )


def _report(settings: Settings, rows: list[ledger.Row]) -> None:
    """Stage by stage what this invocation took, also in `timing.json`.

    The overhead is what was neither generating, training, predicting, tracing nor transferring; work that ran side by
    side counts once.
    """
    for line in waiting(settings):
        _tell(line)
    if not rows:
        return
    from gonogo.report.timing import timing_table, timings

    wall_s = time.time() - started_at(owner_pid())
    work_s = ledger.union_s(
        [(r.work_started_at, r.work_ended_at) for r in rows if r.work_started_at and r.work_ended_at]
    )
    stages = timings(rows)
    figures = {"wall_s": wall_s, "work_s": work_s, "overhead_s": wall_s - work_s}
    write_json(
        settings.config.results_dir / "timing.json",
        {
            **{name: round(seconds, 2) for name, seconds in figures.items()},
            "stages": [stage.model_dump() for stage in stages],
        },
    )
    width = min(shutil.get_terminal_size((WIDEST, 24)).columns, WIDEST)
    _tell(timing_table(stages, wall_s, work_s, colour=sys.stderr.isatty(), width=width))


def _tell(text: str) -> None:
    with contextlib.suppress(OSError):  # nobody reads it any more
        print(text, file=sys.stderr, flush=True)
