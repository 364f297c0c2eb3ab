"""Runs on the machine: the canary and the paid run are started, or attached to, and followed to their end.

One run at a time holds the lock of the experiment's workspace, whoever starts it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gonogo.canary import Measurements as CanaryMeasurements
from gonogo.checklist import launch_digest
from gonogo.errors import UserError
from gonogo.files import digest, write_json, write_text
from gonogo.forecast.forecast import Forecast
from gonogo.memory.judge import Measurements as MemoryMeasurements
from gonogo.memory.judge import chosen
from gonogo.remote.follow import follow
from gonogo.remote.leg import machine, ssh_settings, workspace
from gonogo.remote.machine import Machine
from gonogo.stage import Run
from gonogo.training import TrainingResult
from gonogo.units import dollars, duration, gigabytes


def run_canary(run: Run, inputs: Any, outputs: Any) -> None:
    """The first steps, measured; whatever happens to them is a measurement, too."""
    steps = run.gates.canary.steps
    memory = MemoryMeasurements.read(inputs.memory)
    forecast = Forecast.model_validate_json(Path(inputs.forecast).read_text())
    lines: list[str] = []
    with run.work():
        run_dir, ended = _run_to_end(run, "canary", ["--max-steps", str(steps)], lines.append)
        _state_file(run, "canary").unlink(missing_ok=True)
        result = _result(run, run_dir)
    run.usd = ended["elapsed_s"] / 3600 * run.target.usd_per_hour
    write_text(outputs.log, "\n".join(lines) + "\n")
    losses = result.train_loss if result else []
    CanaryMeasurements(
        inputs_digest=launch_digest(run),
        exit_cause=ended["cause"],
        log_tail=lines[-5:],
        steps=result.steps if result else 0,
        finite=bool(result and result.finite),
        first_loss=losses[0] if losses else None,
        last_loss=losses[-1] if losses else None,
        step_s=result.median_step_s if result else None,
        peak_memory_bytes=result.peak_memory_bytes if result else None,
        device=result.device if result else "",
        planned_peak_bytes=chosen(memory.explored, run.gates.memory).needed_bytes,
        planned_step_s_high=forecast.step_s.high,
        evidence=[outputs.log],
    ).write(outputs.measurements)
    if result:
        run.say(f"{result.steps} steps at {result.median_step_s:.3f} s, peak {gigabytes(result.peak_memory_bytes)}")


def run_training(run: Run, inputs: Any, report: str) -> None:
    """Start the paid run or attach to the one that is running, and watch it to its end.

    Raises:
        UserError: the run did not finish; its checkpoints stay on the machine, and the next call starts anew.
    """
    forecast = Forecast.model_validate_json(Path(inputs.forecast).read_text())
    with run.work():
        run_dir, ended = _run_to_end(run, run.mode, [], lambda line: None)
        result = _result(run, run_dir)
    hours = ended["elapsed_s"] / 3600
    run.usd = hours * run.target.usd_per_hour
    _state_file(run, run.mode).unlink(missing_ok=True)
    if ended["cause"] == "stopped_by_gate" and result is not None:
        raise UserError(
            f"the learning gate stopped the run on the machine after {duration(ended['elapsed_s'])} "
            f"({dollars(run.usd)}): {result.stopped}. Mend that, and rehearse again; the same run would be stopped "
            f"again. Its checkpoints and in_flight.jsonl, each evaluation, are on the machine in {run_dir}/out."
        )
    if ended["cause"] != "finished" or result is None:
        raise UserError(
            f"the run ended as '{ended['cause']}' (exit code {ended['code']}) after {duration(ended['elapsed_s'])}. "
            f"Its log is {report.replace('run.json', 'log.txt')}; its checkpoints are on the machine in {run_dir}."
        )
    planned = "not forecast" if forecast.hours is None else duration(3600 * forecast.hours.mid)
    facts = {"run_id": Path(run_dir).name, "run_dir": run_dir, "exit": ended, "usd": run.usd, "hours": hours}
    write_json(report, {**facts, "result": result.model_dump(mode="json")})
    run.say(f"{result.steps} steps in {duration(ended['elapsed_s'])} (forecast {planned}), {dollars(run.usd)}")


def _run_to_end(run: Run, kind: str, options: list[str], on_line: Callable[[str], None]) -> tuple[str, dict[str, Any]]:
    """Start a run of this kind, or attach to the one that is there, and follow it. Returns its folder and its exit."""
    log_path = run.results / run.mode / ("canary" if kind == "canary" else "cloud_train") / "log.txt"
    log_path.parent.mkdir(parents=True, exist_ok=True)
    with machine(run) as there:
        run_dir = _start_or_attach(run, there, kind, options)
    latest: dict[str, Any] = {"line": "", "heartbeat": {}}

    def show() -> None:
        beat = latest["heartbeat"]
        cost = f"  {dollars(beat['usd'])}" if beat.get("usd") else ""
        elapsed = duration(beat["elapsed_s"]) if "elapsed_s" in beat else ""
        run.progress(f"{elapsed}{cost}  {latest['line']}")

    with log_path.open("w", buffering=1) as log:

        def line(text: str) -> None:
            print(text, file=log)
            latest["line"] = text.split(" ", 1)[-1]
            on_line(latest["line"])
            show()

        def heartbeat(beat: dict[str, Any]) -> None:
            latest["heartbeat"] = beat
            show()

        try:
            ended = follow(lambda: ssh_settings(run), run.target, run_dir, line, heartbeat)
        except KeyboardInterrupt:
            run.end_progress()
            run.say(f"interrupted here; {Path(run_dir).name} goes on there, and the same command attaches to it")
            raise
    run.end_progress()
    return run_dir, ended


def _start_or_attach(run: Run, there: Machine, kind: str, options: list[str]) -> str:
    """One run for one key: the key is what is trained, on what, and how."""
    key = digest(kind, options, launch_digest(run))[:16]
    state = _state_file(run, kind)
    known = json.loads(state.read_text()) if state.exists() else {}
    run_id = known["run_id"] if known.get("key") == key else f"{time.strftime('%Y%m%d-%H%M%S')}_{kind}_{key[:6]}"
    write_json(state, {"key": key, "run_id": run_id})
    run_dir = f"{workspace(run)}/runs/{run_id}"
    command = ["-m", "gonogo.training", f"run_{run.mode}.json", f"../runs/{run_id}/out", *options]
    answer = there.launch(
        run_dir,
        key=key,
        workspace=workspace(run),
        cwd=f"{workspace(run)}/code",
        arguments=command,
        environment={**run.settings.accelerator.environment, **run.target.environment},
        max_s=3600 * run.target.max_hours,
        lease_s=60 * run.target.lease_minutes,
        usd_per_hour=run.target.usd_per_hour,
        max_usd=run.config.budget_usd,
    )
    if answer["state"] == "already" and answer["key"] != key:
        raise UserError(
            f"another run is at work on the machine ({answer['run_dir']}), with other data, code or config. "
            "Wait for it, or end it, before this one starts."
        )
    if answer["state"] != "started":
        run.say(f"attached to {Path(answer['run_dir']).name}, which is {answer['state']}")
    return answer["run_dir"]


def _state_file(run: Run, kind: str) -> Path:
    """Remembers which run is ours while it is not yet collected; not an output, so that an interruption keeps it."""
    return run.results / run.mode / ("canary" if kind == "canary" else "cloud_train") / f"{kind}.started.json"


def _result(run: Run, run_dir: str) -> TrainingResult | None:
    """What the run measured about itself; None when it did not come so far."""
    with machine(run) as there:
        text = there.read_text(f"{run_dir}/out/training.json")
    return TrainingResult.model_validate_json(text) if text else None
