"""Writes what is made from requirements.lock: the machine's lock, and the conda environments of --sdm conda.

    python -m tools.locks [--check]

Each holds what pyproject.toml asks for and what that depends on, as it is installed here (`make lock` resolves it).
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement

from tools.generated import ROOT

# of the extra `workflow`, what runs here and never on the machine
ONLY_HERE = {"snakemake", "pygments", "paramiko", "fabric", "asyncssh", "textual-image"}
DEVELOPMENT = {"dev", "bench", "lpips"}  # extras that no run needs
# `Experiment.more_packages`, and `tracking`, name them where a run needs them
ON_DEMAND = {"four-bit", "wandb", "mlflow", "trackio"}
DATA = {"edf", "fif", "tables", "dicom"}  # data is judged here
NOT_ON_THE_MACHINE = {*DEVELOPMENT, *ON_DEMAND, *DATA, "tensorboard", "aws", "notify", "slurm"}
SNAKEFILE = ("pydantic", "pyyaml", "psutil")  # what the Snakefile imports, in Snakemake's own process
PYTHON = "3.11"
TRAIN, JOBS, PARSING = "requirements-train.lock", "workflow/envs/gonogo.yaml", "workflow/envs/snakefile.yaml"


def canonical(name: str) -> str:
    """The name as package indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(path: Path) -> dict[str, str]:
    """Canonical name → the line that pins it."""
    return {canonical(line.partition("==")[0]): line for line in path.read_text().splitlines() if "==" in line}


def asked_for(without_extras: set[str]) -> list[Requirement]:
    """The core's requirements, and those of all other extras, as pyproject.toml names them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    lines = [line for name in extras if name not in without_extras for line in extras[name]]
    return [Requirement(line) for line in [*project["dependencies"], *lines] if not line.startswith("gonogo[")]


def needed(requirements: Iterable[Requirement]) -> set[str]:
    """Canonical names of these packages and of everything that they depend on, here and now."""
    extras: dict[str, set[str]] = {}
    waiting = list(requirements)
    while waiting:
        one = waiting.pop()
        name = canonical(one.name)
        if name in extras and one.extras <= extras[name]:
            continue
        extras.setdefault(name, set()).update(one.extras)
        waiting += _dependencies(name, extras[name])
    return set(extras)


def _dependencies(name: str, extras: set[str]) -> Iterator[Requirement]:
    try:
        lines = requires(name) or []
    except PackageNotFoundError:
        raise SystemExit(f"{name} is not installed: run `make lock`") from None
    for one in map(Requirement, lines):
        if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield one


def pins(requirements: Iterable[Requirement]) -> list[str]:
    """Lines of requirements.lock, in its order."""
    names = needed(requirements)
    return [line for name, line in locked(ROOT / "requirements.lock").items() if name in names]


def environment(lines: list[str], *conda: str) -> str:
    """A conda environment whose packages pip installs."""
    named = "".join(f"  - {name}\n" for name in (*conda, "pip"))
    return (
        "# made by `make lock` from requirements.lock, for --sdm conda\n"
        f"channels:\n  - conda-forge\n  - nodefaults\ndependencies:\n{named}  - pip:\n"
        + "".join(f"      - {line}\n" for line in lines)
    )


def files() -> dict[str, str]:
    """Name → text of each file."""
    on_the_machine = [one for one in asked_for(NOT_ON_THE_MACHINE) if canonical(one.name) not in ONLY_HERE]
    of_jobs = [
        one for one in asked_for(DEVELOPMENT | ON_DEMAND) if one.name != "snakemake"
    ]  # which hands itself to its jobs
    return {
        TRAIN: "\n".join(pins(on_the_machine)) + "\n",
        JOBS: environment(pins(of_jobs), f"python={PYTHON}"),
        # conda-inject adds the Python that Snakemake runs on
        PARSING: environment(pins(map(Requirement, SNAKEFILE))),
    }


if __name__ == "__main__":
    behind = [name for name, text in files().items() if not (ROOT / name).exists() or (ROOT / name).read_text() != text]
    if behind and "--check" in sys.argv:
        sys.exit(f"{', '.join(behind)}: not up to date; run `make lock`")
    for name in behind:
        (ROOT / name).write_text(files()[name])
