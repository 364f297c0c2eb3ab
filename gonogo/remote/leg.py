"""The paid leg, stage by stage: upload, setup, canary, training, download.

On the machine, below the target's root: `EXPERIMENT/code`, `EXPERIMENT/data`, `EXPERIMENT/runs/RUN_ID`. One run at a
time holds the lock of `EXPERIMENT`, whoever starts it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gonogo
from gonogo.canary import Measurements as CanaryMeasurements
from gonogo.checklist import launch_digest
from gonogo.config import Embedded, Ssh
from gonogo.errors import UserError
from gonogo.files import digest, write_json, write_text
from gonogo.forecast.forecast import Forecast
from gonogo.memory.judge import Measurements as MemoryMeasurements
from gonogo.remote import embedded
from gonogo.remote.follow import follow
from gonogo.remote.machine import Machine, connect
from gonogo.remote.setup import set_up
from gonogo.remote.transfer import Transfer, download, upload
from gonogo.stage import Run, owner_pid
from gonogo.training import RunSpec, TrainingResult
from gonogo.units import dollars, duration, gigabytes


def ssh_settings(run: Run) -> Ssh:
    """How to reach the target; the embedded one is started where it is not running."""
    connection = run.target.connection
    if isinstance(connection, Embedded):
        return embedded.ensure(run.config.results_dir / "instance", owner_pid())
    return connection


@contextmanager
def machine(run: Run) -> Iterator[Machine]:
    with connect(ssh_settings(run), run.target) as connected:
        yield connected


def workspace(run: Run) -> str:
    """The experiment's folder on the machine, from the root."""
    return run.experiment


# --- upload and setup ------------------------------------------------------------------------------------


def upload_run(run: Run, report: str, spec_file: str) -> None:
    """Send code, data and the run's own config; only what differs from what is there."""
    spec = RunSpec(
        experiment=run.experiment,
        experiment_config=run.experiment_config,
        training=run.training,
        data=[Path("../data") / shard.name for shard in run.shards],
        seed=run.config.seed,
    )
    write_text(spec_file, spec.model_dump_json(indent=1, by_alias=True) + "\n")
    parts: dict[str, Path] = {f"data/{shard.name}": shard for shard in run.shards}
    parts |= {f"code/{name}": path for name, path in _code(run).items()}
    parts[f"code/run_{run.mode}.json"] = Path(spec_file)
    with run.work(), machine(run) as there:
        sent = upload(there, parts, workspace(run), _progress(run))
    write_json(report, _facts(sent))
    run.say(_summary(sent, "sent"))


def _code(run: Run) -> dict[str, Path]:
    """Relative remote name → local file, of this package and the experiment's."""
    package = Path(gonogo.__file__).parent
    code = {f"gonogo/{path.relative_to(package).as_posix()}": path for path in sorted(package.rglob("*.py"))}
    for path in run.load_experiment().code("train"):
        code[path.relative_to(run.settings.root).as_posix()] = path
    code["experiments/__init__.py"] = run.settings.root / "experiments" / "__init__.py"
    return code


def set_up_machine(run: Run, report: str) -> None:
    """Make the machine ready; a second time finds nothing to do.

    Raises:
        UserError: the machine lacks something that the run needs.
    """
    requirements = run.settings.root / "requirements.lock"
    with machine(run) as there:
        found = set_up(there, run.target, run.settings.accelerator, requirements)
    write_text(report, found.model_dump_json(indent=1) + "\n")
    if found.problems:
        raise UserError("the machine is not ready: " + "; ".join(found.problems))
    run.say(f"{found.device}, torch {found.torch_version}, {gigabytes(found.disk_free_bytes)} free")


# --- runs on the machine ---------------------------------------------------------------------------------


def run_canary(run: Run, inputs: Any, outputs: Any) -> None:
    """The first steps, measured; whatever happens to them is a measurement, too."""
    steps = run.gates.canary.steps
    memory = MemoryMeasurements.read(inputs.memory)
    forecast = Forecast.model_validate_json(Path(inputs.forecast).read_text())
    lines: list[str] = []
    with run.work():
        run_dir, ended = _run_to_end(run, "canary", ["--max-steps", str(steps)], lines.append)
        result = _result(run, run_dir)
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
        planned_peak_bytes=memory.needed_bytes,
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

        ended = follow(lambda: ssh_settings(run), run.target, run_dir, line, heartbeat)
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
        run_dir, key=key, workspace=workspace(run), cwd=f"{workspace(run)}/code", arguments=command,
        environment=run.target.environment, max_s=3600 * run.target.max_hours, lease_s=60 * run.target.lease_minutes,
        usd_per_hour=run.target.usd_per_hour,
    )  # fmt: skip
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


# --- results come back -----------------------------------------------------------------------------------


def download_run(run: Run, run_file: str, report: str) -> None:
    """Fetch the run's folder, verified, into an archive folder that no other download will ever use."""
    ran = json.loads(Path(run_file).read_text())
    folder = _new_folder(run.config.archive_dir / run.experiment, f"{time.strftime('%Y%m%d-%H%M%S')}_{ran['run_id']}")
    with run.work(), machine(run) as there:
        got = download(there, ran["run_dir"], folder, _progress(run))
    write_json(report, {"folder": str(folder), **_facts(got)})
    run.say(f"{_summary(got, 'verified')} in {folder}")


def _new_folder(parent: Path, name: str) -> Path:
    """`parent/name`, or `name-2`, … : two downloads in one second get two folders."""
    candidates = [parent / name, *(parent / f"{name}-{n}" for n in range(2, 100))]
    return next(path for path in candidates if not path.exists())


def _progress(run: Run) -> Callable[[int, int], None]:
    started = time.monotonic()

    def show(done: int, total: int) -> None:
        rate = done / max(time.monotonic() - started, 1e-3)
        left = duration((total - done) / rate) if rate else "?"
        run.progress(f"{gigabytes(done)} of {gigabytes(total)}, {gigabytes(rate)}/s, {left} left")

    return show


def _facts(moved: Transfer) -> dict[str, Any]:
    return {
        "files_sent": moved.files_sent, "bytes_sent": moved.bytes_sent, "files_total": moved.files_total,
        "bytes_total": moved.bytes_total, "seconds": moved.seconds,
    }  # fmt: skip


def _summary(moved: Transfer, verb: str) -> str:
    return (
        f"{moved.files_sent} of {moved.files_total} files, {gigabytes(moved.bytes_sent)} of "
        f"{gigabytes(moved.bytes_total)} {verb} in {moved.seconds:.1f} s"
    )
