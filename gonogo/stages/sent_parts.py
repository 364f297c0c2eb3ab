"""What an upload sends: data, assets, the checkpoint that training begins with, and code."""

from __future__ import annotations

from pathlib import Path

import gonogo
from gonogo.base.files import survey_size
from gonogo.experiment.contract import Experiment
from gonogo.experiment.source_files import code_files, sendable
from gonogo.runtime.context import Run

START = "start/begin.ckpt"  # on the machine: what training begins with


def sent_parts(run: Run, experiment: Experiment) -> dict[str, Path]:
    """Name below the experiment's folder on the machine → file or folder here; without the run's own config."""
    parts = dict(run.data)
    parts |= {"assets": run.paths.assets} if experiment.trains_with_assets else {}
    parts |= {START: experiment.starts_from} if experiment.starts_from else {}
    parts |= {f"code/{name}": path for name, path in sent_code(experiment).items()}
    return parts | sent_models(experiment)


def sent_models(experiment: Experiment) -> dict[str, Path]:
    """The pretrained files that this machine sends; the others are fetched by the machine."""
    sent = [asset.sent(key) for key, asset in experiment.pretrained().items()]
    return {f"code/{name}": path for files in sent for name, path in files.items()}


def sent_bytes(run: Run) -> int:
    """The size of all that is sent to a machine that has nothing of it yet."""
    parts = sent_parts(run, run.load_experiment()).values()
    return sum(part.stat().st_size if part.is_file() else survey_size(part)[1] for part in parts)


def package_files(package: Path) -> list[Path]:
    """The package's own Python files; a checkout may hold hidden folders, and links to elsewhere."""
    return [file for file in sendable(code_files(package), package) if file.suffix == ".py"]


def sent_code(experiment: Experiment) -> dict[str, Path]:
    """Relative remote name → local file, of this package and the experiment's."""
    package = Path(gonogo.__file__).parent
    code = {f"gonogo/{path.relative_to(package).as_posix()}": path for path in package_files(package)}
    top = experiment.import_root()
    for path in experiment.source_files():
        code[path.relative_to(top).as_posix()] = path
        packages = [parent / "__init__.py" for parent in path.parents if top in parent.parents]
        code |= {package.relative_to(top).as_posix(): package for package in packages if package.exists()}
    return code
