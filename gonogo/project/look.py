"""A look around a repository: everything that `gonogo init` writes down, found and not asked."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from gonogo.project.data_folders import DataFolder, find_data
from gonogo.project.training_scripts import TrainingScript, find_scripts

# what says which packages a repository needs, the most exact first
ENVIRONMENTS = ("uv.lock", "requirements.txt", "pyproject.toml", "environment.yml", "environment.yaml")


@dataclass(frozen=True)
class Project:
    """What a folder holds."""

    root: Path
    name: str  # of the experiment, from the folder's
    data: list[DataFolder] = field(default_factory=list)  # its data sets, the likeliest first
    scripts: list[TrainingScript] = field(default_factory=list)  # those that train, the likeliest first
    environment: str = ""  # the file that names its packages, from the root; empty: none
    tracked: int | None = None  # number of files that git tracks; None: no repository

    @property
    def script(self) -> TrainingScript | None:
        return self.scripts[0] if self.scripts else None

    @property
    def data_set(self) -> DataFolder | None:
        """The likeliest that an inspector reads, else of files that none does."""
        return next((one for one in self.data if one.kind), next(iter(self.data), None))


def look_around(root: Path) -> Project:
    root = root.resolve()
    return Project(
        root=root,
        name=re.sub(r"\W+", "_", root.name.lower()).strip("_") or "mine",
        data=find_data(root),
        scripts=find_scripts(root),
        environment=next((name for name in ENVIRONMENTS if (root / name).is_file()), ""),
        tracked=_tracked(root),
    )


def _tracked(root: Path) -> int | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), "ls-files", "-z"], capture_output=True, check=False, timeout=30
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.count(b"\0") if done.returncode == 0 else None
