"""Writes requirements-train.lock: the part of requirements.lock that a machine needs to train.

    python -m tools.train_lock > requirements-train.lock

Of what is installed here (`make lock` resolves it): what the core and the experiments' extras depend on.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
# of the core, what runs here and never on the machine
ONLY_HERE = {"snakemake", "pygments", "paramiko", "fabric", "asyncssh"}
NOT_FOR_EXPERIMENTS = {"dev", "bench", "lpips", "aws"}  # extras


def canonical(name: str) -> str:
    """The name as package indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(path: Path) -> dict[str, str]:
    """Canonical name → the line that pins it."""
    return {canonical(line.partition("==")[0]): line for line in path.read_text().splitlines() if "==" in line}


def wanted() -> list[Requirement]:
    """What training needs, as pyproject.toml names it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    for_experiments = [line for name in extras if name not in NOT_FOR_EXPERIMENTS for line in extras[name]]
    found = [Requirement(line) for line in [*project["dependencies"], *for_experiments]]
    return [one for one in found if canonical(one.name) not in {*ONLY_HERE, "gonogo"}]


def needed(requirements: list[Requirement]) -> set[str]:
    """Canonical names of these packages and of everything that they depend on, here and now."""
    names: set[str] = set()
    extras: dict[str, set[str]] = {}
    waiting = list(requirements)
    while waiting:
        one = waiting.pop()
        name = canonical(one.name)
        if name in names and one.extras <= extras[name]:
            continue
        names.add(name)
        extras.setdefault(name, set()).update(one.extras)
        waiting += _dependencies(name, extras[name])
    return names


def _dependencies(name: str, extras: set[str]) -> Iterator[Requirement]:
    try:
        lines = requires(name) or []
    except PackageNotFoundError:
        raise SystemExit(f"{name} is not installed: run `make lock`") from None
    for one in map(Requirement, lines):
        if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield one


def lines() -> list[str]:
    """Of requirements.lock, in its order."""
    names = needed(wanted())
    return [line for name, line in locked(ROOT / "requirements.lock").items() if name in names]


if __name__ == "__main__":
    print("\n".join(lines()))
