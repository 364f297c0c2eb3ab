"""A run on the machine, the canary or the paid run: started, or attached to, and followed to its end.

One run at a time holds the lock of the experiment's workspace, whoever starts it.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gonogo.base.digests import digest
from gonogo.base.errors import UserError
from gonogo.config.command import placeholders
from gonogo.remote.answers import (
    Exit,
    Heartbeat,
    Launched,
    MachineRun,
    MachineRuns,
    RunAtWork,
    Unparsed,
    quoted,
    read,
)
from gonogo.remote.errors import RemoteError
from gonogo.remote.follow import follow, once
from gonogo.remote.machine import Machine
from gonogo.remote.transfer import Saved, fetching_checkpoints, verify
from gonogo.runtime.context import Run
from gonogo.stages.held import StartedRun, started_file
from gonogo.stages.held_limit import run_at_most_s
from gonogo.stages.held_machines import note_run, spent_before_run
from gonogo.stages.local_log import LocalLog, safe_line
from gonogo.stages.log_watcher import LogWatcher
from gonogo.stages.machine import environment, in_turn, is_alone, machine, our_turn, ssh_settings, workspace
from gonogo.stages.machine_bill import spent_usd
from gonogo.stages.run_news import RunNews
from gonogo.stages.run_progress import RunView
from gonogo.stages.run_terms import checkpoint_room, cpu_fallback, release_terms, secrets
from gonogo.stages.tell import launched
from gonogo.training.spec import TrainingResult


def run_to_end(
    run: Run,
    kind: str,
    inputs_digest: str,
    options: Sequence[str] = (),
    *,
    on_line: Callable[[str], None] = lambda line: None,
    on_beat: Callable[[Heartbeat], None] = lambda beat: None,
    planned_hours: float | None = None,
    oom_ladder: Sequence[dict[str, Any]] = (),
) -> tuple[str, Exit]:
    """Start a run of this kind, or attach to the one that is there, and follow it. Returns its folder and its exit.

    Args:
        kind: `canary`, or the mode.
        inputs_digest: of what it trains, on what, and how.
        options: of `gonogo.stages.train`.
    """
    log_path = started_file(run.paths, kind).with_name("log.txt")
    run_dir = in_turn(run, lambda there: start_or_attach(run, there, kind, inputs_digest, options, oom_ladder))
    watcher = LogWatcher(run.target.usd_per_hour, planned_hours, run.say)
    view = RunView(run.progress, log_path.parent, lambda: spent_usd(run.settings))
    news = None if kind == "canary" else RunNews(run, Path(run_dir).name, watcher)

    with contextlib.closing(LocalLog(log_path, run.say)) as log:

        def line(text: str) -> None:
            text = safe_line(text)
            log.line(text)
            watcher.line(text)
            latest = text.split(" ", 1)[-1]
            on_line(latest)
            view.line(latest, watcher.left_s)
            if news:
                news.line()

        def heartbeat(beat: Heartbeat) -> None:
            on_beat(beat)
            view.beat(beat, watcher.left_s)
            if news:
                news.beat(beat, view.machine_usd)

        signal.signal(signal.SIGINT, once)
        into = log_path.parent / "checkpoints"
        every_s, saved = 60 * run.target.fetch_checkpoints_minutes, saved_by(run, run_dir)
        try:
            with fetching_checkpoints(lambda: ssh_settings(run), run.target, run_dir, into, every_s, run.say, saved):
                ended = follow(lambda: ssh_settings(run), run.target, run_dir, line, heartbeat)
        except KeyboardInterrupt:
            run.end_progress()
            name = Path(run_dir).name
            run.say(f"interrupted; {name} continues on the machine, and the same command attaches to it again")
            raise
    run.end_progress()
    return run_dir, ended


def saved_by(run: Run, run_dir: str) -> Saved | None:
    """Where the run's checkpoints are, of a command; None: in its own folder, as Lightning's are."""
    command = run.experiment_config.command
    if command is None or not command.saves:
        return None
    in_out = "out" in placeholders(command.train)
    patterns = command.saves if command.checkpoints or not command.is_watched else seen_saving(run) or command.saves
    return Saved(f"{run_dir}/out" if in_out else f"{workspace(run)}/code", patterns)


def seen_saving(run: Run) -> tuple[str, ...]:
    """Patterns of what the script saved in its rehearsal; empty where it saved nothing, or was not seen."""
    from gonogo.script.learning_gate import Measurements
    from gonogo.script.saved_names import patterns_of

    measurements = run.paths.experiment / "learning" / "measurements.json"
    if not measurements.is_file():
        return ()
    return patterns_of(Measurements.read(measurements).script.reached.saved)


def start_or_attach(
    run: Run,
    there: Machine,
    kind: str,
    inputs_digest: str,
    options: Sequence[str],
    oom_ladder: Sequence[dict[str, Any]],
) -> str:
    """One run for one key, which says what is trained, on what, and how. Returns its folder.

    What is remembered here is written from the machine's answer: a run that was refused is not remembered.
    """
    key, paid = run_key(kind, inputs_digest, options), kind != "canary"
    file = started_file(run.paths, kind)
    known = StartedRun.read(file)
    run_id = known.run_id if known and known.key == key else run_name(kind, key)
    run_dir = f"{workspace(run)}/runs/{run_id}"
    if at_work(there, workspace(run)) is None:
        if is_alone(run):
            our_turn(there, run_dir)
        verify(there, workspace(run))  # what is trained on is what was sent
    answer = _launch(run, there, run_dir, key, options, oom_ladder, paid=paid)
    if answer.state == "already" and answer.key != key:
        raise UserError(
            f"another run is training on the machine ({quoted(answer.run_dir)}), with other data, code or config. "
            f"Wait for it, or stop it: gonogo stop {quoted(answer.run_dir).rpartition('/')[2]}"
        )
    found = run_dir if answer.run_dir == run_dir else attached_to(answer, f"{workspace(run)}/runs", kind, key)
    _remember(run, found, StartedRun(found.rpartition("/")[2], key, run.config.target), file)
    if answer.state != "started":
        run.say(f"attached to {Path(found).name}, which is {answer.state}")
    elif found != run_dir:
        run.say(f"resuming {Path(found).name}, which began with the same data, code and config")
    if paid and answer.state in ("started", "already"):
        launched(run, Path(found).name, again=answer.state == "started" and found != run_dir)
    if answer.state == "started" and paid and (spent := spent_before_run(run.settings)):
        run.say(f"CAUTION: {spent}")
    return found


def _launch(
    run: Run,
    there: Machine,
    run_dir: str,
    key: str,
    options: Sequence[str],
    oom_ladder: Sequence[dict[str, Any]],
    *,
    paid: bool,
) -> Launched:
    """Ask the machine to start this run, or to name the one of this key."""
    target, accelerator, saved = run.target, run.settings.accelerator, saved_by(run, run_dir)
    return there.launch(
        run_dir,
        arguments=["-m", "gonogo.stages.train", f"run_{run.mode}.json", "{run_dir}/out", *options],
        packages=environment(run),
        key=key,
        workspace=workspace(run),
        alone=is_alone(run),
        keep=paid,
        once=paid,
        cwd=f"{workspace(run)}/code",
        environment={**accelerator.environment, **target.environment, **secrets(target)},
        max_s=run_at_most_s(run),
        max_usd=run.config.budget_usd,
        usd_per_hour=target.usd_per_hour,
        lease_s=60 * target.lease_minutes,
        first_s=60 * target.first_step_minutes,
        stall_s=60 * target.stall_minutes,
        progress=r"^step \d",
        checkpoints="out/checkpoints" if saved is None else os.path.relpath(saved.folder, run_dir),
        patterns=[] if saved is None else list(saved.patterns),
        room=checkpoint_room(run),
        resume=["--resume", "{checkpoint}"] if paid and run.load_experiment().resumes else [],
        override=["--changes", "{overrides}"],
        ladder=list(oom_ladder),
        cpu=cpu_fallback(run.experiment_config, run.training, accelerator, target),
        release=release_terms(target),
    )


def _remember(run: Run, found: str, started: StartedRun, file: Path) -> None:
    """On a disk that is full here the run is followed even so: the machine knows it by its key."""
    try:
        started.write(file)
        note_run(run.settings, found)
    except (OSError, UserError) as error:
        run.say(f"CAUTION: that {started.run_id} was started cannot be noted here: {error}")


def run_key(kind: str, inputs_digest: str, options: Sequence[str] = ()) -> str:
    """The same key is the same run: the same kind (canary, or the mode) with the same data, code, config and target."""
    return digest(kind, list(options), inputs_digest)[:16]


def canary_options(run: Run) -> list[str]:
    """Of `gonogo.stages.train`."""
    return ["--max-steps", str(run.gates.canary.steps)]


def canary_key(run: Run, inputs_digest: str) -> str:
    return run_key("canary", inputs_digest, canary_options(run))


def at_work(there: Machine, workspace: str, *, install: bool = False) -> RunAtWork | None:
    """The run that holds the workspace.

    Args:
        install: send the agent along, as on a machine that is new.
    """
    answer = there.ask(Unparsed, "active", workspace, install=install)
    return None if answer is None else read(RunAtWork, answer, f"{there.where}: agent active")


def paid_run(there: Machine, experiment: str, key: str, *, finished: bool = True) -> str | None:
    """Name of the paid run of this key that is at work on the machine, or (`finished`) has finished there."""
    for known in machine_runs(there):
        folder, _, name = known.run_dir.rpartition("/")
        counts = known.state == "running" or (finished and known.cause == "finished")
        if folder == f"{experiment}/runs" and known.key == key and counts:
            return name
    return None


def machine_runs(there: Machine) -> list[MachineRun]:
    """Every run that the machine knows, the latest first."""
    return there.ask(MachineRuns, "runs", ".")


def attached_to(answer: Launched, runs_dir: str, kind: str, key: str) -> str:
    """The folder of the run that the machine names; it is ours by its name, which becomes one of a folder here.

    Raises:
        RemoteError: no run of this key has such a name.
    """
    folder, _, name = answer.run_dir.rpartition("/")
    if folder != runs_dir or not re.fullmatch(r"[0-9]{8}-[0-9]{6}" + re.escape(f"_{kind}_{key[:6]}"), name):
        raise RemoteError(
            f"the machine says that this run is {answer.state} in {quoted(answer.run_dir)!r}, which is not a folder "
            "of a run of ours: nothing was fetched. Check the machine before using it again."
        )
    return answer.run_dir


def run_name(kind: str, key: str) -> str:
    """Of a run's own folder, which nothing else writes into: runs with other data, code or config have other keys."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}_{kind}_{key[:6]}"


def training_result(run: Run, run_dir: str) -> TrainingResult | None:
    """What the run measured about itself; None where it ended before it could."""
    path = f"{run_dir}/out/training.json"
    with machine(run) as there:
        text = there.read_text(path)
    return parsed_result(text.encode(errors="replace"), path) if text else None


def parsed_result(text: bytes, path: str) -> TrainingResult:
    """Raises RemoteError where the machine's file is not what training writes."""
    try:
        return TrainingResult.parsed(text)
    except ValueError as error:
        said = str(error)
        if isinstance(error, ValidationError):
            said = error.errors(include_url=False, include_input=False)[0]["msg"]
        raise RemoteError(
            f"{path} of the machine is not what training writes ({quoted(said)}); something else wrote it. Check the "
            "machine before using it again."
        ) from None
