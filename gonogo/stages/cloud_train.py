"""cloud_train: the paid run, started or attached to, and followed to its end.

What there is of a run that ended badly is fetched before its machine may be released.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gonogo.base.errors import UserError
from gonogo.base.files import write_json
from gonogo.base.units import dollars, duration
from gonogo.config.device_choice import SLOWER
from gonogo.forecast.forecast import Forecast
from gonogo.memory.judge import Measurements as MemoryMeasurements
from gonogo.remote.answers import quoted
from gonogo.report.exit_causes import cause_words, why
from gonogo.report.log_flags import LogLines, flags
from gonogo.runtime.context import Run
from gonogo.stages.download import fetch
from gonogo.stages.freshness import InputDigests, confirm_up_to
from gonogo.stages.held import forget_or_keep, started_file
from gonogo.stages.held_limit import over_words, short_of
from gonogo.stages.machine_bill import on_the_bill
from gonogo.stages.remote_run import run_to_end, training_result
from gonogo.stages.run_terms import oom_ladder
from gonogo.stages.tell import ended as tell_end
from gonogo.training.spec import TrainingResult
from gonogo.verdict import Status

STOPPED_CHARACTERS = 300
# of a run that ended itself: what it said, and what to do
STOPPED = {
    "stopped_by_gate": "The gate: {stopped}. Fix that, and run the smoke training again; the same run would be stopped "
    "again. {files} out/in_flight.jsonl there has each evaluation.",
    "stopped_by_watch": "{stopped}. Fix that, or change that bound of `watch`, and run the same command again. {files}",
    "over_estimate": "{stopped}. Raise that key, or set over_budget: continue, and run the same command again: it "
    "resumes from its checkpoint. {files}",
}


@on_the_bill
def cloud_train(run: Run, inputs: Any, outputs: Any) -> None:
    """Raises UserError where the run did not finish; what there is of it is fetched.

    The next call resumes it from its last good checkpoint while the machine is there.
    """
    digests = InputDigests(run)
    confirm_up_to(digests, "canary")
    forecast = Forecast.model_validate_json(Path(inputs.forecast).read_text())
    explored = MemoryMeasurements.read(inputs.memory).explored
    started = started_file(run.paths, run.mode)
    planned_hours = forecast.hours.mid if forecast.hours else None
    if short := short_of(run, planned_hours):
        run.say(f"CAUTION: {short}")
    with run.work():
        run_dir, ended = run_to_end(
            run,
            run.mode,
            digests.launch,
            planned_hours=planned_hours,
            oom_ladder=oom_ladder(explored, run.settings.accelerator, run.gates.memory),
        )
        tell_end(run, Path(run_dir).name, ended)
        result = training_result(run, run_dir) if ended.cause == "finished" else None
    hours = ended.elapsed_s / 3600
    run.usd = hours * run.target.usd_per_hour
    if result is None:
        kept = fetch(run, run_dir, f"{Path(run_dir).name}_{ended.cause}")
        if not kept.lost:
            forget_or_keep(started, ended.cause)
        raise UserError(
            f"the run ended after {duration(ended.elapsed_s)} and {dollars(run.usd)}: {why(ended)} "
            f"{over_words(run, ended)}{_advice(Path(kept.folder), ended.cause)}"
        )
    facts = {
        "run_id": Path(run_dir).name, "run_dir": run_dir, "target": run.config.target, "usd": run.usd, "hours": hours,
        "exit": ended.model_dump(mode="json"),
    }  # fmt: skip
    write_json(outputs.run, {**facts, "result": result.model_dump(mode="json")})
    started.unlink(missing_ok=True)
    for attempt in ended.attempts[:-1]:
        run.say(f"CAUTION: resumed after it {cause_words(attempt)}")
    if any(attempt.cpu for attempt in ended.attempts):
        run.say(f"CAUTION: the CPU trained in place of the device: {SLOWER}")
    planned = "not forecast" if forecast.hours is None else duration(3600 * forecast.hours.mid)
    run.say(f"{result.steps} steps in {duration(ended.elapsed_s)} (forecast {planned}), {dollars(run.usd)}")


def _known(log: Path) -> str:
    """The gravest error in the run's log, in words, with what helps; empty where none is known."""
    grave = next((flag for flag in flags(LogLines(log)) if flag.status is Status.NO_GO), None)
    return "" if grave is None else f"Its log says: {quoted(grave.line)}. Known problem: {grave.meaning} "


def _advice(kept: Path, cause: str) -> str:
    """Where to look, and why the run was stopped where it ended itself."""
    files = f"{_known(kept / 'log.txt')}Its log and checkpoints are in {kept}."
    result = kept / "out/training.json"
    if cause not in STOPPED or not result.exists():
        return files
    try:
        stopped = TrainingResult.read(result).stopped[:STOPPED_CHARACTERS]
    except ValueError:
        return f"{files} Its out/training.json is not what training writes: check the machine before using it again."
    return STOPPED[cause].format(stopped=stopped, files=files)
