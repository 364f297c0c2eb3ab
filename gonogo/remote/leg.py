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
from gonogo.config import Embedded, Ssh
from gonogo.errors import UserError
from gonogo.files import write_json, write_text
from gonogo.gates import override_for
from gonogo.remote import embedded
from gonogo.remote.machine import Machine, connect
from gonogo.remote.setup import set_up
from gonogo.remote.transfer import Transfer, download, upload
from gonogo.session import owner_pid
from gonogo.stage import Run
from gonogo.training import RunSpec
from gonogo.units import duration, gigabytes


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
    assets = run.load_experiment().trains_with_assets
    spec = RunSpec(
        experiment=run.experiment,
        experiment_config=run.experiment_config,
        training=run.training,
        data=[Path("../data") / shard.name for shard in run.shards],
        seed=run.config.seed,
        assets=Path("../assets") if assets else None,
        gate=None if override_for(run.config.overrides, run.experiment, "learning") else run.gates.learning,
    )
    write_text(spec_file, spec.model_dump_json(indent=1, by_alias=True) + "\n")
    parts: dict[str, Path] = {f"data/{shard.name}": shard for shard in run.shards}
    parts |= {"assets": run.results / "assets"} if assets else {}
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
    run.say(f"{found.device}, torch {found.torch_version}, {gigabytes(found.disk_free_bytes)} free")


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
