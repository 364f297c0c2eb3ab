"""`gonogo attach` and `stop`: what people do with a paid run beside the workflow."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gonogo.base.errors import UserError
from gonogo.base.files import read_json
from gonogo.base.units import dollars, duration
from gonogo.cli import site
from gonogo.config.load import Settings
from gonogo.config.target import Embedded, Slurm, Ssh
from gonogo.remote.answers import Heartbeat, RunState
from gonogo.runtime.terminal import end_progress, progress
from gonogo.stages.held import started_runs
from gonogo.stages.local_log import safe_line

GAUGES_EVERY_S = 60.0


@dataclass(frozen=True)
class KnownRun:
    """A run that this folder's workflow started, or that the machine knows."""

    run_id: str
    run_dir: str
    target: str


def add_attach(parser: argparse.ArgumentParser) -> None:
    _add(parser, _attach)


def add_stop(parser: argparse.ArgumentParser) -> None:
    _add(parser, _stop)


def _add(parser: argparse.ArgumentParser, run: Callable[[argparse.Namespace], int]) -> None:
    parser.set_defaults(run=run)
    parser.add_argument("name", nargs="?", default="", metavar="RUN", help="run id or experiment (default: the latest)")
    parser.add_argument("--target", help="name in config/targets/ (default: config.yaml's)")
    site.add_results(parser)


def _settings(arguments: argparse.Namespace) -> Settings:
    return site.settings(Path(), target=arguments.target, results_dir=arguments.results)


def known_runs(results: Path, target: str) -> list[KnownRun]:
    """The runs on this target that this workflow started, the latest last."""
    found = {}
    for experiment, run in started_runs(results):
        found[run.run_id] = KnownRun(run.run_id, f"{experiment}/runs/{run.run_id}", run.target)
    for path in sorted(results.glob("*/*/cloud_train/run.json"), key=lambda path: path.stat().st_mtime):
        ran = read_json(path)
        found.setdefault(ran["run_id"], KnownRun(ran["run_id"], ran["run_dir"], ran.get("target", "")))
    return [run for run in found.values() if run.target == target]


def _choose(settings: Settings, name: str, *, unnamed: bool = True) -> KnownRun:
    """The run of this name, experiment, or the latest: of those known here, else of those that the machine knows.

    Args:
        unnamed: also of the machine's one without a name is enough.
    """
    known = known_runs(settings.config.results_dir, settings.config.target)
    if fitting := _fitting(known, name):
        return fitting[-1]
    there = _on_the_machine(settings)
    if (name or unnamed) and (fitting := _fitting(there, name)):
        return fitting[-1]
    words = {"known here": known, "on the machine": there}
    listed = "; ".join(f"{where}: {', '.join(run.run_id for run in runs) or 'none'}" for where, runs in words.items())
    raise UserError(f"no run{f' {name!r}' if name else ''} on target {settings.config.target}; {listed}")


def _fitting(runs: list[KnownRun], name: str) -> list[KnownRun]:
    return [run for run in runs if name in ("", run.run_id, run.run_dir.partition("/")[0])]


def _on_the_machine(settings: Settings) -> list[KnownRun]:
    """The runs that the machine knows, whoever started them: the latest last, and those at work after all others."""
    from gonogo.remote.machine import connect
    from gonogo.stages.remote_run import machine_runs

    target = settings.target
    if isinstance(target.connection, Embedded) and not (settings.config.results_dir / "instance").exists():
        return []
    with connect(_ssh(settings), target) as machine:
        machine.install_agent()
        found = machine_runs(machine)[::-1]
    at_work = [run for run in found if run.state == "running"]
    ordered = [run for run in found if run.state != "running"] + at_work
    return [KnownRun(run.run_dir.rpartition("/")[2], run.run_dir, settings.config.target) for run in ordered]


def _ssh(settings: Settings) -> Ssh:
    from gonogo.remote import allocation, embedded_server

    connection = settings.target.connection
    if isinstance(connection, Slurm):
        return allocation.running(allocation.folder_of(settings.config.results_dir, settings.config.target))
    if not isinstance(connection, Embedded):
        return connection
    return embedded_server.running(settings.config.results_dir / "instance") or embedded_server.ensure(
        settings.config.results_dir / "instance", os.getpid()
    )


def _attach(arguments: argparse.Namespace) -> int:
    from gonogo.remote.follow import follow, once
    from gonogo.report.exit_causes import why

    settings = _settings(arguments)
    run = _choose(settings, arguments.name)
    print(f"{run.run_id}; Ctrl-C detaches, the run continues", file=sys.stderr)
    signal.signal(signal.SIGINT, once)
    try:
        ended = follow(lambda: _ssh(settings), settings.target, run.run_dir, _show, _Gauges(settings))
    except KeyboardInterrupt:
        end_progress()
        print(f"\ndetached; {run.run_id} continues on the machine", file=sys.stderr)
        return 130
    end_progress()
    finished = ended.cause == "finished"
    how = "finished" if finished else why(ended)
    print(f"{run.run_id}: {how} {duration(ended.elapsed_s)}, {dollars(ended.usd)}", file=sys.stderr)
    return 0 if finished else 1


def _show(line: str) -> None:
    end_progress()
    print(safe_line(line), flush=True)


class _Gauges:
    """Time, dollars and GPU of the run below its log; where nobody looks at a terminal, as a line every minute."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._said_at = settings, float("-inf")

    def __call__(self, beat: Heartbeat) -> None:
        from gonogo.stages.machine_bill import spent_usd
        from gonogo.stages.run_progress import progress_line

        line = progress_line(beat, None, "", spent_usd(self._settings)).rstrip()
        if sys.stderr.isatty():
            progress(line)
        elif time.monotonic() - self._said_at > GAUGES_EVERY_S:
            self._said_at = time.monotonic()
            print(line, file=sys.stderr, flush=True)


def _stop(arguments: argparse.Namespace) -> int:
    from gonogo.remote.machine import connect

    settings = _settings(arguments)
    run = _choose(settings, arguments.name, unnamed=False)
    with connect(_ssh(settings), settings.target) as machine:
        state = machine.ask(RunState, "stop", run.run_dir).state
    words = {"running": "was told to stop", "lost": "was already lost; it will not be resumed"}
    print(f"{run.run_id} {words.get(state, f'is not running ({state})')}")
    return 0 if state in words else 1
