"""Runs on the machine: the canary and the paid run are started, or attached to, and followed to their end.

What is left of a run that ended badly is fetched before its machine may go.

One run at a time holds the lock of the experiment's workspace, whoever starts it.
"""

from __future__ import annotations

import json
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
from gonogo.base.files import write_json
from gonogo.base.units import dollars, duration, gigabytes
from gonogo.config.accelerator import Accelerator
from gonogo.config.device_choice import SLOWER
from gonogo.config.experiment import training_on_cpu
from gonogo.config.gate_thresholds import MemoryGate
from gonogo.config.target import Ssh, Target
from gonogo.forecast.forecast import Forecast
from gonogo.memory.judge import Measurements as MemoryMeasurements
from gonogo.memory.plan import plan_from
from gonogo.memory.plan_search import Explored
from gonogo.remote.answers import Attempt, Exit, Gpu, Heartbeat, Launched, quoted
from gonogo.remote.errors import RemoteError
from gonogo.remote.follow import follow, once
from gonogo.remote.machine import Machine
from gonogo.remote.run_request import CpuFallback
from gonogo.remote.transfer import fetching_checkpoints, verify
from gonogo.runtime.context import Run
from gonogo.stages.download import fetch
from gonogo.stages.log_watcher import LogWatcher
from gonogo.stages.machine import machine, ssh_settings, workspace
from gonogo.stages.measure_launch import launch_digest
from gonogo.stages.release import note_run
from gonogo.training.spec import TrainingResult

NEARLY_FULL = 15 / 16  # of the GPU's memory


def run_training(run: Run, inputs: Any, report: str) -> None:
    """Start the paid run or attach to the one that is running, and watch it to its end.

    Raises:
        UserError: the run did not finish; what there is of it was fetched, and the next call goes on from its last
            good checkpoint while the machine is there.
    """
    forecast = Forecast.model_validate_json(Path(inputs.forecast).read_text())
    planned_hours = forecast.hours.mid if forecast.hours else None
    explored = MemoryMeasurements.read(inputs.memory).explored
    smaller = ladder(explored, run.settings.accelerator, run.gates.memory)
    with run.work():
        run_dir, ended = _run_to_end(
            run, run.mode, [], lambda line: None, planned_hours=planned_hours, oom_ladder=smaller
        )
        finished = ended.cause == "finished"
        result = _result(run, run_dir) if finished else None
    hours = ended.elapsed_s / 3600
    run.usd = hours * run.target.usd_per_hour
    if result is None:
        kept = fetch(run, run_dir, Path(run_dir).name + f"_{ended.cause}")
        _let_go(_state_file(run, run.mode), ended.cause)
        raise UserError(
            f"the run ended after {duration(ended.elapsed_s)} and {dollars(run.usd)}: {why(ended)} "
            f"{_advice(kept, ended.cause)}"
        )
    planned = "not forecast" if forecast.hours is None else duration(3600 * forecast.hours.mid)
    facts = {
        "run_id": Path(run_dir).name, "run_dir": run_dir, "target": run.config.target, "usd": run.usd, "hours": hours,
        "exit": ended.model_dump(mode="json"),
    }  # fmt: skip
    write_json(report, {**facts, "result": result.model_dump(mode="json")})
    _state_file(run, run.mode).unlink(missing_ok=True)
    for attempt in ended.attempts[:-1]:
        run.say(f"CAUTION: taken up again after it {_cause_words(attempt)}")
    if any(attempt.cpu for attempt in ended.attempts):
        run.say(f"CAUTION: the CPU trained in the device's place: {SLOWER}")
    run.say(f"{result.steps} steps in {duration(ended.elapsed_s)} (forecast {planned}), {dollars(run.usd)}")


def _run_to_end(
    run: Run,
    kind: str,
    options: list[str],
    on_line: Callable[[str], None],
    on_beat: Callable[[Heartbeat], None] = lambda beat: None,
    planned_hours: float | None = None,
    oom_ladder: Sequence[dict[str, Any]] = (),
) -> tuple[str, Exit]:
    """Start a run of this kind, or attach to the one that is there, and follow it. Returns its folder and its exit."""
    log_path = run.results / run.mode / ("canary" if kind == "canary" else "cloud_train") / "log.txt"
    log_path.parent.mkdir(parents=True, exist_ok=True)
    with machine(run) as there:
        run_dir = _start_or_attach(run, there, kind, options, list(oom_ladder))
    latest_line, latest_beat = "", Heartbeat()
    review = LogWatcher(run.target.usd_per_hour, planned_hours, run.say)

    def show() -> None:
        beat = latest_beat
        cost = f"  {dollars(beat.usd)}" if beat.usd else ""
        elapsed = "" if beat.elapsed_s is None else duration(beat.elapsed_s)
        quiet = _gpu_words(beat.gpu) + f"  NO STEP FOR {duration(beat.quiet_s)}" if beat.quiet_s else ""
        left = "" if review.left_s is None else f"  {duration(review.left_s)} left"
        run.progress(f"{elapsed}{left}{cost}{quiet}  {latest_line}")

    with log_path.open("w", buffering=1) as log:

        def line(text: str) -> None:
            nonlocal latest_line
            print(text, file=log)
            latest_line = text.split(" ", 1)[-1]
            on_line(latest_line)
            review.line(text)
            show()

        def heartbeat(beat: Heartbeat) -> None:
            nonlocal latest_beat
            latest_beat = beat
            on_beat(beat)
            show()

        signal.signal(signal.SIGINT, once)
        saved = log_path.parent / "checkpoints"
        every_s = 60 * run.target.fetch_checkpoints_minutes
        try:
            with fetching_checkpoints(lambda: ssh_settings(run), run.target, run_dir, saved, every_s, run.say):
                ended = follow(lambda: ssh_settings(run), run.target, run_dir, line, heartbeat)
        except KeyboardInterrupt:
            run.end_progress()
            run.say(f"interrupted here; {Path(run_dir).name} goes on there, and the same command attaches to it")
            raise
    run.end_progress()
    return run_dir, ended


def _gpu_words(gpu: Gpu | None) -> str:
    """What the GPU is doing; loud where its memory is nearly full, because the next peak may not fit."""
    if not gpu:
        return ""
    full = gpu.used_bytes / gpu.total_bytes
    words = f"  {gigabytes(gpu.used_bytes)} of {gigabytes(gpu.total_bytes)}, {gpu.busy_percent:.0f} % busy"
    alarm = "  MEMORY NEARLY FULL: take the next smaller micro_batch_size" if full > NEARLY_FULL else ""
    return f"{words}, {gpu.temperature_c:.0f} °C{alarm}"


def _start_or_attach(run: Run, there: Machine, kind: str, options: list[str], oom_ladder: list[dict[str, Any]]) -> str:
    """One run for one key: the key is what is trained, on what, and how."""
    key = digest(kind, options, launch_digest(run))[:16]
    state = _state_file(run, kind)
    known = json.loads(state.read_text()) if state.exists() else {}
    run_id = known["run_id"] if known.get("key") == key else run_name(kind, key)
    write_json(state, {"key": key, "run_id": run_id, "target": run.config.target})
    run_dir = f"{workspace(run)}/runs/{run_id}"
    note_run(run.settings, run_dir)
    target, resumes = run.target, kind != "canary" and run.load_experiment().resumes
    if there.run_agent("active", workspace(run)) is None:
        verify(there, workspace(run))  # what is trained on is what was sent
    answer = there.launch(
        run_dir,
        arguments=["-m", "gonogo.stages.train", f"run_{run.mode}.json", f"../runs/{run_id}/out", *options],
        key=key,
        workspace=workspace(run),
        cwd=f"{workspace(run)}/code",
        environment={**run.settings.accelerator.environment, **target.environment, **_secrets(target)},
        max_s=3600 * target.max_hours,
        max_usd=run.config.budget_usd,
        usd_per_hour=target.usd_per_hour,
        lease_s=60 * target.lease_minutes,
        first_s=60 * target.first_step_minutes,
        stall_s=60 * target.stall_minutes,
        progress=r"^step \d",
        checkpoints="out/checkpoints",
        resume=["--resume", "{checkpoint}"] if resumes else [],
        override=["--changes", "{overrides}"],
        ladder=oom_ladder,
        cpu=cpu_fallback(run),
        release=_release_order(target),
    )
    if answer.state == "already" and answer.key != key:
        raise UserError(
            f"another run is at work on the machine ({quoted(answer.run_dir)}), with other data, code or config. "
            "Wait for it, or end it, before this one starts."
        )
    if answer.state == "started":
        return run_dir
    found = attached_to(answer, f"{workspace(run)}/runs", kind, key)
    run.say(f"attached to {Path(found).name}, which is {answer.state}")
    return found


def attached_to(answer: Launched, runs_dir: str, kind: str, key: str) -> str:
    """The folder of the run that the machine names; it is ours by its name, which becomes one of a folder here.

    Raises:
        RemoteError: no run of this key has such a name.
    """
    folder, _, name = answer.run_dir.rpartition("/")
    if folder != runs_dir or not re.fullmatch(r"[0-9]{8}-[0-9]{6}" + re.escape(f"_{kind}_{key[:6]}"), name):
        raise RemoteError(
            f"the machine says that this run is {answer.state} in {quoted(answer.run_dir)!r}, which is no folder of a "
            "run of ours: nothing was fetched. Look at the machine before it is used again."
        )
    return answer.run_dir


def run_name(kind: str, key: str) -> str:
    """Of a run's own folder, which nothing else writes into: runs with other data, code or config have other keys."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}_{kind}_{key[:6]}"


def cpu_fallback(run: Run) -> dict[str, Any] | None:
    """How the run goes on where the device aborts it; None on a processor, and on a machine that bills by the hour.

    The latter would be paid for as what it no longer is.
    """
    if run.settings.accelerator.is_this_machine or run.target.usd_per_hour:
        return None
    retuned = training_on_cpu(run.experiment_config, run.training).model_dump(mode="json")
    before = run.training.model_dump(mode="json")
    changed = {key: value for key, value in retuned.items() if value != before[key]}
    return CpuFallback(overrides={"training": changed}).model_dump()


def ladder(explored: Explored, accelerator: Accelerator, gate: MemoryGate) -> list[dict[str, Any]]:
    """The memory plan's steps, should memory run out all the same: `training` and `settings` keys of each retry.

    Without those after which a checkpoint fits no more: a change of settings that makes another model, such as a
    smaller adapter.
    """
    steps = plan_from(explored, accelerator, gate).ladder[1:]  # the first is the plan itself
    return [{"training": s.training, "settings": s.settings} for s in steps if s.exact or not s.settings]


def _secrets(target: Target) -> dict[str, str]:
    """Of this shell's environment; the values go to the training process and nowhere else."""
    missing = [name for name in target.secret_environment if name not in os.environ]
    if missing:
        raise UserError(f"secret_environment: {', '.join(missing)} is not set in this shell; export it, or remove it")
    return {name: os.environ[name] for name in target.secret_environment}


def _release_order(target: Target) -> dict[str, Any] | None:
    """What the machine does by itself when nobody gives it back."""
    wanted = target.release
    if wanted.how == "none" or not isinstance(target.connection, Ssh):
        return None
    minutes, hours = wanted.collected_minutes, wanted.unattended_hours
    return {
        "argv": ["sh", "-c", wanted.shutdown_command],
        "collected_s": None if minutes is None else 60 * minutes,
        "uncollected_s": None if hours is None else 3600 * hours,
    }


# what exit.json calls it → what a person reads
CAUSES = {
    "failed": "ended with an error of its own",
    "oom": "ran out of memory, on every rung of the ladder",
    "killed": "was killed from outside",
    "aborted": "was aborted by its device",
    "nan": "came to a loss that is no number",
    "stopped_by_gate": "was stopped by the learning gate",
    "stalled": "made no step for too long",
    "over_time": "reached max_hours of the target",
    "over_cost": "reached budget_usd",
    "lease_lost": "was looked at by nobody for lease_minutes",
    "stopped": "was stopped",
    "agent_lost": "lost its supervisor",
    "unknown": "ended in a way that gonogo does not know",
}


def why(ended: Exit) -> str:
    """The exit as a sentence."""
    how = f"signal {ended.signal}" if ended.signal else f"exit code {ended.code}"
    tries = len(ended.attempts)
    return f"it {_cause_words(ended)} ({how}{f', attempt {tries}' if tries > 1 else ''})."


def _cause_words(ended: Attempt) -> str:
    said = f": the machine calls it {ended.cause_said!r}" if ended.cause_said else ""
    return CAUSES.get(ended.cause, "left no result") + said


def _advice(kept: Path, cause: str) -> str:
    """Where to look, and what the learning gate said where it stopped the run."""
    there = f"Its log and checkpoints are in {kept}."
    result = kept / "out/training.json"
    if cause != "stopped_by_gate" or not result.exists():
        return there
    stopped = quoted(_parsed(result.read_text(errors="replace"), str(result)).stopped)
    return (
        f"The gate: {stopped}. Mend that, and rehearse again; the same run would be stopped again. "
        f"{there} out/in_flight.jsonl there has each evaluation."
    )


def _state_file(run: Run, kind: str) -> Path:
    """Remembers which run is ours while it is not yet collected; not an output, so that an interruption keeps it."""
    return run.results / run.mode / ("canary" if kind == "canary" else "cloud_train") / f"{kind}.started.json"


def _let_go(state: Path, cause: str) -> None:
    """Of a run that was fetched: one that could go on is remembered, one that said no itself is not."""
    if cause in ("nan", "stopped_by_gate"):
        state.unlink(missing_ok=True)
    else:
        write_json(state, {**json.loads(state.read_text()), "ended": cause})


def _result(run: Run, run_dir: str) -> TrainingResult | None:
    """What the run measured about itself; None when it did not come so far."""
    with machine(run) as there:
        text = there.read_text(f"{run_dir}/out/training.json")
    return _parsed(text, f"{run_dir}/out/training.json") if text else None


def _parsed(text: str, path: str) -> TrainingResult:
    try:
        return TrainingResult.model_validate_json(text)
    except ValidationError as error:
        raise RemoteError(
            f"{path} of the machine is not what training writes ({quoted(error.errors(include_url=False)[0]['msg'])}); "
            "something else wrote it there. Look at the machine before it is used again."
        ) from None
