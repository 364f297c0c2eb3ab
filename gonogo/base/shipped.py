"""The files of the workflow, wherever the package lies: in the repository, or in an installed wheel.

snakemake -s "$(python -m gonogo.base.shipped)/Snakefile" --profile "$(python -m gonogo.base.shipped)/profiles/local"
"""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent
IN_WHEEL = PACKAGE / "workflow_files"  # as pyproject.toml maps them there


def shipped_files() -> Path:
    """The folder with Snakefile, workflow/, profiles/, config/accelerators.yaml, config/targets/ and the train lock."""
    return IN_WHEEL if IN_WHEEL.is_dir() else PACKAGE.parent


def site_of(snakefile_folder: Path) -> Path:
    """The folder that holds the user's config/: beside the Snakefile, or the working directory of an installed one."""
    return Path.cwd() if snakefile_folder.resolve() == IN_WHEEL else snakefile_folder


def own_or_shipped(own: Path, name: str) -> Path:
    """The user's own file where it exists, else the one that ships as `name`; where neither does, the user's."""
    shipped = shipped_files() / name
    return own if own.exists() or not shipped.exists() else shipped


if __name__ == "__main__":
    print(shipped_files())
