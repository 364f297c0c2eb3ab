"""The paid leg around its runs: upload, setup, download.

On the machine, below the target's root: `EXPERIMENT/code`, `EXPERIMENT/data`, `EXPERIMENT/runs/RUN_ID`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gonogo
from gonogo.errors import UserError
from gonogo.files import write_json, write_text
from gonogo.forecast.forecast import Range
from gonogo.gates import override_for
from gonogo.remote import embedded
from gonogo.remote.answers import quoted
from gonogo.remote.machine import Machine, connect
from gonogo.remote.rates import Meter
from gonogo.remote.release import note_held
from gonogo.remote.setup import set_up
from gonogo.remote.transfer import Transfer, download, persistently, upload
from gonogo.session import owner_pid
from gonogo.stage import Run
from gonogo.target import Embedded, Ssh
from gonogo.training import RunSpec
from gonogo.units import duration, gigabytes

LOOK_EVERY_S = 30.0


START = "start/begin.ckpt"  # on the machine: what training begins with


def ssh_settings(run: Run) -> Ssh:
    """How to reach the target; the embedded one is started where it is not running."""
    connection = run.target.connection
    if isinstance(connection, Embedded):
        return embedded.ensure(run.config.results_dir / "instance", owner_pid())
    return connection


@contextmanager
def machine(run: Run) -> Iterator[Machine]:
    note_held(run.settings)
    with connect(ssh_settings(run), run.target) as connected:
        yield connected


def workspace(run: Run) -> str:
    """The experiment's folder on the machine, from the root."""
    return run.experiment


# --- upload and setup ------------------------------------------------------------------------------------


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
    for path in experiment.code("train"):
        code[path.relative_to(top).as_posix()] = path
        packages = [parent / "__init__.py" for parent in path.parents if top in parent.parents]
        code |= {package.relative_to(top).as_posix(): package for package in packages if package.exists()}
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
    for caution in found.cautions:
        run.say(f"CAUTION: {caution}")
    run.say(f"{found.device}, torch {found.torch_version}, {gigabytes(found.disk_free_bytes)} free")


# --- results come back -----------------------------------------------------------------------------------


def download_run(run: Run, run_file: str, report: str) -> None:
    """Fetch the run's folder, verified, into an archive folder that no other download will ever use."""
    ran = json.loads(Path(run_file).read_text())
    fetch(run, ran["run_dir"], ran["run_id"], report)


def fetch(run: Run, run_dir: str, name: str, report: str | None = None) -> Path:
    """The run's folder in the archive, verified, under a name that no other download has; the machine may go then.

    Args:
        name: of the archive's folder, in words of our own.

    Raises:
        UserError: the name leads out of the experiment's archive.
    """
    label = f"{name}_dummy" if run.experiment_config.dummy_data else name
    home = run.config.archive_dir / run.experiment
    folder = _new_folder(home, f"{time.strftime('%Y%m%d-%H%M%S')}_{label}")
    partial = home / f".{name}.partial"
    for path in (folder, partial):
        if path.resolve().parent != home.resolve():
            raise UserError(f"{quoted(name)!r} is no name of a folder in {home}: nothing was fetched")

    def bring(there: Machine) -> Transfer:
        got = download(there, run_dir, folder, _looking(there, run_dir, _progress(run)), partial)
        there.run_agent("collected", run_dir)
        return got

    note_held(run.settings)
    with run.work():
        got = persistently(lambda: ssh_settings(run), run.target, bring, run.say)
    if report:
        write_json(report, {"folder": str(folder), "run_id": Path(run_dir).name, **_facts(got)})
    run.say(f"{_summary(got, 'verified')} in {folder}")
    return folder


def _looking(there: Machine, run_dir: str, progress: Callable[[int, int], None]) -> Callable[[int, int], None]:
    """Progress that tells the machine, now and then, that somebody is there: it does not give itself back meanwhile."""
    last = time.monotonic()

    def show(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last > LOOK_EVERY_S:
            last = time.monotonic()
            there.run_agent("lease", run_dir)
        progress(done, total)

    return show


def _new_folder(parent: Path, name: str) -> Path:
    """`parent/name`, or `name-2`, … : two downloads in one second get two folders."""
    candidates = [parent / name, *(parent / f"{name}-{n}" for n in range(2, 100))]
    return next(path for path in candidates if not path.exists())


def _ahead(run: Run) -> Callable[[int, int, Range], None]:
    def say(size_bytes: int, files: int, seconds: Range) -> None:
        run.say(
            f"{files} files, {gigabytes(size_bytes)} to send: about {duration(seconds.mid)} "
            f"({duration(seconds.low)} to {duration(seconds.high)})"
        )

    return say


def _progress(run: Run) -> Callable[[int, int], None]:
    meter = Meter(0)

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
