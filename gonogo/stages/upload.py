"""The paid leg around its runs: upload, setup, download.

On the machine, below the target's root: `EXPERIMENT/code`, `EXPERIMENT/data`, `EXPERIMENT/runs/RUN_ID`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gonogo
from gonogo.base.files import write_json, write_text
from gonogo.base.ranges import Range
from gonogo.base.units import duration, gigabytes
from gonogo.gates.standing import override_for
from gonogo.remote.transfer.retry import Transfer, persistently, upload
from gonogo.remote.transfer.throughput import ThroughputMeter
from gonogo.runtime.context import Run
from gonogo.stages.machine import ssh_settings, workspace
from gonogo.stages.release import note_held
from gonogo.training.spec import RunSpec

LOOK_EVERY_S = 30.0
START = "start/begin.ckpt"  # on the machine: what training begins with


def run_spec(run: Run) -> RunSpec:
    """Everything that the paid run is made of, overrides applied: what `run.json` holds."""
    counts = run.experiment_config.modes[run.mode].result
    passed_by = override_for(run.config.overrides, run.experiment, "learning")
    experiment = run.load_experiment()
    return RunSpec(
        experiment=run.experiment,
        experiment_config=run.experiment_config,
        training=run.training,
        data=[Path("../data") / shard.name for shard in run.shards],
        seed=run.config.seed,
        assets=Path("../assets") if experiment.trains_with_assets else None,
        starts_from=Path(f"../{START}") if experiment.starts_from else None,
        gate=run.gates.learning if counts and not passed_by else None,
    )


def upload_run(run: Run, report: str, spec_file: str) -> None:
    """Send code, data and the run's own config; only what differs from what is there."""
    spec = run_spec(run)
    write_text(spec_file, spec.model_dump_json(indent=1, by_alias=True) + "\n")
    parts: dict[str, Path] = {f"data/{shard.name}": shard for shard in run.shards}
    experiment = run.load_experiment()
    parts |= {"assets": run.results / "assets"} if experiment.trains_with_assets else {}
    parts |= {START: experiment.starts_from} if experiment.starts_from else {}
    parts |= {f"code/{name}": path for name, path in _code(run).items()}
    parts[f"code/run_{run.mode}.json"] = Path(spec_file)
    note_held(run.settings)
    with run.work():
        sent = persistently(
            lambda: ssh_settings(run),
            run.target,
            lambda there: upload(there, parts, workspace(run), _progress(run), _ahead(run)),
            run.say,
        )
    write_json(report, _facts(sent))
    run.say(_summary(sent, "sent"))


def _code(run: Run) -> dict[str, Path]:
    """Relative remote name → local file, of this package and the experiment's."""
    package = Path(gonogo.__file__).parent
    code = {f"gonogo/{path.relative_to(package).as_posix()}": path for path in sorted(package.rglob("*.py"))}
    experiment = run.load_experiment()
    top = experiment.import_root()
    for path in experiment.source_files():
        code[path.relative_to(top).as_posix()] = path
        packages = [parent / "__init__.py" for parent in path.parents if top in parent.parents]
        code |= {package.relative_to(top).as_posix(): package for package in packages if package.exists()}
    return code


def _ahead(run: Run) -> Callable[[int, int, Range], None]:
    def say(size_bytes: int, files: int, seconds: Range) -> None:
        run.say(
            f"{files} files, {gigabytes(size_bytes)} to send: about {duration(seconds.mid)} "
            f"({duration(seconds.low)} to {duration(seconds.high)})"
        )

    return say


def _progress(run: Run) -> Callable[[int, int], None]:
    meter = ThroughputMeter(0)

    def show(done: int, total: int) -> None:
        meter.done = done
        rate = meter.rate()
        left = duration((total - done) / rate) if rate else "?"
        run.progress(f"{gigabytes(done)} of {gigabytes(total)}, {gigabytes(rate)}/s, {left} left")

    return show


def _facts(moved: Transfer) -> dict[str, Any]:
    return {
        "files_sent": moved.files_sent, "bytes_sent": moved.bytes_sent, "files_total": moved.files_total,
        "bytes_total": moved.bytes_total, "seconds": moved.seconds, "path": moved.path,
    }  # fmt: skip


def _summary(moved: Transfer, verb: str) -> str:
    return (
        f"{moved.files_sent} of {moved.files_total} files, {gigabytes(moved.bytes_sent)} of "
        f"{gigabytes(moved.bytes_total)} {verb} in {moved.seconds:.1f} s ({moved.path})"
    )
