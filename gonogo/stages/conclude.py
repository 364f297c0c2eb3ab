"""The end of an invocation, whatever it ended with: the machine is released first, then it is said where time went."""

from __future__ import annotations

import atexit
import contextlib
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

from gonogo.base.errors import UserError
from gonogo.base.files import write_json
from gonogo.base.processes import started_at
from gonogo.base.text import shown
from gonogo.config.load import Settings
from gonogo.config.target import Slurm
from gonogo.experiment.starting_checkpoint import waiting
from gonogo.runtime import ledger
from gonogo.runtime.relay import FromJobs
from gonogo.runtime.session import owner_pid, session_name
from gonogo.stages.held import unfetched
from gonogo.stages.held_machines import held_file, held_machines
from gonogo.stages.tell import alarm, not_told

WIDEST = 100  # columns
ON_THE_MACHINE = ("upload", "setup", "canary", "cloud_train", "download")


def conclude(settings: Settings, *, partial: bool = False) -> bool:
    """Nothing that goes wrong with the ledger, the disk or the terminal keeps the machine from being released.

    Args:
        partial: less than the whole workflow was asked for: the machine that it has made ready is kept.

    Returns:
        Whether everything is as it should be: no machine bills on that should be gone.
    """
    rows: list[ledger.Row] = []
    problem = ""
    path = settings.config.results_dir / "ledger.sqlite"
    try:
        rows = ledger.rows(path, session=session_name())
    except Exception as error:
        problem = f"error: {path} cannot be read: {error}"
    released = _release(settings, rows, partial)
    if problem:
        _tell(problem)
    try:
        _report(settings, rows)
    except Exception as error:
        _tell(f"error: timing.json was not written: {error}")
    _pages(settings, rows)
    _tables(settings, rows)
    _records(settings, rows)
    _not_told(settings)
    return released


def _records(settings: Settings, rows: list[ledger.Row]) -> None:
    """What each experiment of this invocation was, for `gonogo runs`."""
    for experiment in dict.fromkeys(row.experiment for row in rows):
        if experiment in settings.experiments and experiment not in settings.sweeps:
            try:
                from gonogo.stages.run_record import keep_run

                own = [row for row in rows if row.experiment == experiment]
                keep_run(settings, experiment, session_name(), own)
            except Exception as error:
                _tell(f"error: the run of {experiment} was not recorded: {error}")


def _not_told(settings: Settings) -> None:
    """Nobody misses a message that never came."""
    with contextlib.suppress(Exception):
        for line in not_told(settings):
            _tell(f"CAUTION: {line}")


def _pages(settings: Settings, rows: list[ledger.Row]) -> None:
    """The page of each experiment that this invocation left elsewhere than at `halt` and `report`, which write it."""
    wanted = {*settings.config.experiments, *(one.name for found in settings.sweeps.values() for one in found)}
    last = {row.experiment: row.stage for row in rows if row.experiment in wanted - settings.sweeps.keys()}
    for experiment, stage in last.items():
        if stage not in ("halt", "report"):
            try:
                from gonogo.report.page.state import chain_state
                from gonogo.stages.page import write_page

                state = chain_state(settings.config.results_dir, experiment, settings.config.mode)
                stands = state.status.label if state.finished else "not finished"
                _tell(f"{experiment}: {stands}; its page: {write_page(settings, experiment)}")
            except Exception as error:
                _tell(f"error: the page of {experiment} was not written: {error}")


def _tables(settings: Settings, rows: list[ledger.Row]) -> None:
    """How the variants of each sweep of this invocation stand, side by side."""
    for sweep in settings.sweeps if rows else ():
        try:
            from gonogo.stages.sweep_rows import write_table

            _tell(f"{sweep}: its variants side by side: {write_table(settings, sweep)}, or: gonogo sweep {sweep}")
        except Exception as error:
            _tell(f"error: the table of {sweep} was not written: {error}")


class AtTheEnd:
    """`conclude`, once for an invocation: also where Snakemake fails and calls none of its own hooks.

    Exit code 1 where a machine bills on that should be gone.
    """

    def __init__(self, settings: Settings, partial: Callable[[], bool]) -> None:
        self._settings, self._partial, self._done = settings, partial, False
        self._from_jobs: FromJobs | None = None

    def watch(self) -> None:
        """From now on an end without a hook is an end, too; what jobs on a cluster say is said here."""
        self._from_jobs = FromJobs(self._settings.config.results_dir)
        atexit.register(self._unless_done)

    def __call__(self) -> None:
        self._end()
        if not conclude(self._settings, partial=self._partial()):
            sys.exit(1)

    def _unless_done(self) -> None:
        if not self._done:
            self._end()
            conclude(self._settings, partial=self._partial())

    def _end(self) -> None:
        self._done = True
        if self._from_jobs:
            self._from_jobs.end()


def _release(settings: Settings, rows: list[ledger.Row], partial: bool) -> bool:
    """Whether no machine bills on that should be gone."""
    try:
        if not held_file(settings).exists():
            _end_job(settings, rows, partial)
            return True
        if _kept(held_file(settings), rows, partial):
            return True
        from gonogo.stages.release import release_machine

        release_machine(settings, _tell)
        return True
    except UserError as error:
        _tell(f"error: release: {error}")
    except KeyboardInterrupt:
        _tell("interrupted while the machine was being released: it may bill on. Run gonogo release")
    except Exception as error:
        words = (
            f"ALARM: THE MACHINE OF TARGET {settings.config.target} MAY NOT BE RELEASED: {type(error).__name__}: "
            f"{error}. It may bill on. Run gonogo release, or destroy it in your provider's console."
        )
        _tell(words)
        alarm(settings, words)
    return False


def _end_job(settings: Settings, rows: list[ledger.Row], partial: bool) -> None:
    """Cancel the job that was the machine; kept by whoever means to continue, and for results not fetched yet."""
    if not isinstance(settings.target.connection, Slurm):
        return
    from gonogo.remote import allocation

    folder = allocation.folder_of(settings.config.results_dir, settings.config.target)
    if not (folder / "job.json").exists():
        return
    continues = any(row.outcome == "interrupted" for row in rows) or (partial and not _reported(rows))
    if continues or unfetched(settings):
        if job := allocation.at_work(folder):
            _tell(f"job {job} of Slurm is kept, because its run is not fetched yet; end it with: scancel {job}")
    elif job := allocation.cancel(folder):
        _tell(f"job {job} of Slurm has ended: what it was for is done")


def _kept(path: Path, rows: list[ledger.Row], partial: bool) -> bool:
    """Whether it is kept, with the reason told: whoever interrupts, or asks for a part, means to continue."""
    if any(row.outcome == "interrupted" for row in rows):
        _tell(f"interrupted: the machine is held, and bills on{_cost(path)}; release it with: gonogo release")
        return True
    if partial and not _reported(rows):
        _tell(
            f"the machine of target {path.stem} is held, and bills on{_cost(path)}, because less than the whole "
            "workflow was asked for; release it with: gonogo release"
        )
        return True
    return any(row.stage == "release" for row in rows)  # it has said how that ended, and failed where it did


def _cost(path: Path) -> str:
    """What is held so far costs, where that is known."""
    with contextlib.suppress(OSError):
        return " (" + ", ".join(f"{held.name}: {held.cost}" for held in held_machines(path)) + ")"
    return ""


def _reported(rows: list[ledger.Row]) -> bool:
    """Whether each experiment that used the machine in this invocation came to its last stage."""
    used = {row.experiment for row in rows if row.stage in ON_THE_MACHINE}
    return used <= {row.experiment for row in rows if row.stage == "report" and row.outcome == "done"}


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
    _print(timing_table(stages, wall_s, work_s, colour=sys.stderr.isatty(), width=width))


def _tell(text: str) -> None:
    """What may quote a machine, a provider or a file: it cannot draw on the terminal."""
    _print(shown(text))


def _print(text: str) -> None:
    with contextlib.suppress(OSError):  # nobody reads it any more
        print(text, file=sys.stderr, flush=True)
