"""The machine of a run: its connection and its folder there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gonogo.config.target import Embedded, Ssh
from gonogo.remote import embedded_server
from gonogo.remote.machine import Machine, connect
from gonogo.runtime.context import Run
from gonogo.runtime.session import owner_pid
from gonogo.stages.release import note_held


def ssh_settings(run: Run) -> Ssh:
    """How to reach the target; the embedded one is started where it is not running."""
    connection = run.target.connection
    if isinstance(connection, Embedded):
        return embedded_server.ensure(run.config.results_dir / "instance", owner_pid())
    return connection


@contextmanager
def machine(run: Run) -> Iterator[Machine]:
    note_held(run.settings)
    with connect(ssh_settings(run), run.target) as connected:
        yield connected


def workspace(run: Run) -> str:
    """The experiment's folder on the machine, from the root."""
    return run.experiment
