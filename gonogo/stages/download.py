"""download: the run's folder, verified, into an archive folder of its own."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gonogo.base.commands import rerun_command
from gonogo.base.errors import UserError
from gonogo.base.files import write_json
from gonogo.remote.answers import Done, quoted
from gonogo.remote.errors import Unreachable
from gonogo.remote.machine import Machine
from gonogo.remote.transfer import (
    Transfer,
    note_known_there,
    note_reported,
    persistently,
    shown_missing,
    was_reported,
    without_the_machine,
)
from gonogo.remote.transfer import download as receive
from gonogo.runtime.context import Run
from gonogo.stages import transfers
from gonogo.stages.machine import ssh_settings
from gonogo.stages.machine_bill import on_the_bill
from gonogo.stages.monitoring import tracked
from gonogo.stages.release import note_held

LOOK_EVERY_S = 30.0


@on_the_bill
def download(run: Run, inputs: Any, outputs: Any) -> None:
    """Fetch the run's folder, verified, into an archive folder that no other download will ever use."""
    ran = json.loads(Path(inputs.run).read_text())
    fetch(run, ran["run_dir"], ran["run_id"], outputs.archive)


def fetch(run: Run, run_dir: str, name: str, report: str | None = None) -> Transfer:
    """The run's folder in the archive, verified, under a name that no other download has; the machine may go then.

    What was fetched before and is known to the machine as fetched needs no machine, which may be gone: it is reported
    at once where it was not yet, and where the machine of one that is asked for again does not answer.

    Args:
        name: of the archive's folder, in words of our own.
        report: of a run that has finished, which is fetched once; None: of one that may go on.

    Raises:
        UserError: the name leads out of the experiment's archive.
    """
    label = f"{name}_dummy" if run.experiment_config.dummy_data else name
    home = run.config.archive_dir / run.experiment
    folder = new_folder(home, f"{time.strftime('%Y%m%d-%H%M%S')}_{label}")
    partial = home / f".{name}.partial"
    for path in (folder, partial):
        if path.resolve().parent != home.resolve():
            raise UserError(f"{quoted(name)!r} is no name of a folder in {home}: nothing was fetched")

    def bring(there: Machine) -> Transfer:
        if was_reported(partial):
            shutil.rmtree(partial)
        show = _renewing_lease(there, run_dir, transfers.progress(run.progress))
        got = receive(there, run_dir, folder, show, partial)
        os.sync()  # a power cut here must not take what the machine may then forget
        if not got.lost:
            there.ask(Done, "collected", run_dir)
            note_known_there(partial)
        return got

    got = without_the_machine(partial) if report else None
    if got is None or was_reported(partial):
        got = _from_machine(run, bring, got)
    else:
        run.say("already downloaded: the machine is not needed")
    if report:
        facts = {"folder": got.folder, "run_id": Path(run_dir).name, **transfers.facts(got)}
        write_json(report, {**facts, "missing": got.missing, "left_on_machine": got.lost})
    if report and not got.lost:
        note_reported(partial)
    else:
        shutil.rmtree(partial, ignore_errors=True)
    run.say(f"{transfers.summary(got, 'verified')} in {got.folder}")
    tracked(run, Path(got.folder))
    if got.missing:
        run.say(f"CAUTION: not fetched: {shown_missing(got.missing)}")
    if got.lost:
        run.say(
            "CAUTION: the machine is held because of these. Copy them, or put them into the run's folder there and "
            f"fetch it again ({rerun_command(forcerun='download')}); or give them up: gonogo release --discard"
        )
    return got


def _from_machine(run: Run, bring: Callable[[Machine], Transfer], before: Transfer | None) -> Transfer:
    """What `bring` fetches; what was fetched `before`, where there is that, and the machine does not answer."""
    note_held(run.settings, run.experiment)
    patience_s = 0.0 if before else 60 * run.target.lease_minutes
    with run.work():
        try:
            return persistently(lambda: ssh_settings(run), run.target, bring, run.say, patience_s)
        except Unreachable as error:
            if before is None:
                raise
            run.say(f"{error} Reporting what was downloaded before.")
            return before


def _renewing_lease(there: Machine, run_dir: str, progress: Callable[[int, int], None]) -> Callable[[int, int], None]:
    """Progress that renews the run's lease now and then: the machine does not release itself meanwhile."""
    last = time.monotonic()

    def show(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last > LOOK_EVERY_S:
            last = time.monotonic()
            there.ask(Done, "lease", run_dir)
        progress(done, total)

    return show


def new_folder(parent: Path, name: str) -> Path:
    """`parent/name`, or `name-2`, … : two downloads in one second get two folders."""
    candidates = [parent / name, *(parent / f"{name}-{n}" for n in range(2, 100))]
    return next(path for path in candidates if not path.exists())
