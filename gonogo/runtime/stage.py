"""What every stage of the workflow has in common: its log, its ledger row, its errors, and its end with its owner.

A script's body is `with stage(snakemake) as run:`; inside, `with run.work():` marks what is the experiment's own
work (generating, training, predicting, tracing, transferring), so that the chain's overhead can be told.
"""

from __future__ import annotations

import contextlib
import sqlite3
import sys
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

from gonogo.base.commands import name_here
from gonogo.base.errors import ProgramError, UserError, explain
from gonogo.base.known_errors import hint_for
from gonogo.base.text import shown
from gonogo.base.torch_startup import skip_final_gc
from gonogo.config.load import load
from gonogo.runtime import ledger
from gonogo.runtime.context import Run
from gonogo.runtime.relay import from_job
from gonogo.runtime.session import end_with_owner, workflow_root

INTERRUPTED = 130  # as a shell's exit code says it


class stage:
    """Context of one script. A UserError, or a full disk, becomes one message and exit code 1."""

    def __init__(self, snakemake: Any) -> None:
        self._snakemake = snakemake

    def __enter__(self) -> Run:
        job = self._snakemake
        name = "_".join([name_here(job.rule), *([job.wildcards.scope] if "scope" in job.wildcards.keys() else [])])  # noqa: SIM118
        try:
            settings = load(job.config, workflow_root())
            end_with_owner(settings.config.results_dir)
            self._from_job = from_job(settings.config.results_dir)
            log_path = Path(job.log[0])
            log_path.parent.mkdir(parents=True, exist_ok=True)
            log = log_path.open("w", buffering=1)
        except UserError as error:
            _give_up(name, str(error))
        except OSError as error:
            _give_up(name, str(explain(error, Path.cwd()) or error))
        self._stdout = contextlib.redirect_stdout(log)  # what libraries print is for the log
        self._stdout.__enter__()
        self.run = Run(
            stage=name,
            experiment=getattr(job.wildcards, "experiment", ""),  # none: the stage is about the machine
            mode=getattr(job.wildcards, "mode", ""),
            settings=settings,
            log=log,
        )
        self._row: int | None = None
        with contextlib.suppress(OSError, sqlite3.Error):
            if self._from_job:
                self._from_job.row(self.run.row(ledger.RUNNING))
            else:
                self._row = ledger.begin(self.run.ledger_path, self.run.row(ledger.RUNNING))
        return self.run

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.run.end_progress()
        self._stdout.__exit__(kind, error, trace)
        skip_final_gc()
        failed = error is not None and not (isinstance(error, SystemExit) and not error.code)
        interrupted = isinstance(error, KeyboardInterrupt)
        row = self.run.row("interrupted" if interrupted else "failed" if failed else "done")
        with contextlib.suppress(OSError, sqlite3.Error):
            if self._from_job:
                self._from_job.row(row)
            elif self._row is None:
                ledger.add(self.run.ledger_path, row)
            else:
                ledger.end(self.run.ledger_path, self._row, row)
        if isinstance(error, Exception) and not isinstance(error, UserError):
            error = explain(error, self.run.config.results_dir) or error
        if isinstance(error, UserError):
            said = str(error)
            if isinstance(error, ProgramError) and (hint := hint_for(said)):
                said += f"\nhint: {hint}"
            self.run.note(said)
            _give_up(f"{self.run.experiment}: {self.run.stage}", said)
        if isinstance(error, KeyboardInterrupt):
            self.run.note("interrupted")
            sys.exit(INTERRUPTED)
        if error is not None and not isinstance(error, SystemExit):
            traceback.print_exception(kind, error, trace, file=self.run.log)
            if hint := hint_for(f"{type(error).__name__}: {error}"):
                self.run.note(f"hint: {hint}")
                print(f"hint: {hint}", file=sys.stderr, flush=True)
        with contextlib.suppress(OSError):
            self.run.log.close()


def _give_up(where: str, message: str) -> NoReturn:
    with contextlib.suppress(OSError):  # nobody reads it any more
        print(shown(f"error: {where}: {message}"), file=sys.stderr, flush=True)
    sys.exit(1)
