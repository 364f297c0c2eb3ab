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


def site_of(files: Path, main_snakefile: Path) -> Path:
    """The folder that holds the user's config/.

    It lies beside the user's own Snakefile, which takes these rules as a module (or beside the folder workflow/ that
    holds it); beside the repository's; or, where an installed one is run, in the working directory.

    Args:
        files: the folder of `shipped_files`, as the rules were found.
        main_snakefile: the one that snakemake was given.
    """
    ours = main_snakefile.resolve().parent in {files.resolve(), files.resolve() / "workflow"}
    if not ours:
        beside = main_snakefile.absolute().parent
        in_workflow = beside.name == "workflow" and not (beside / "config").is_dir()
        return beside.parent if in_workflow else beside
    return Path.cwd() if files.resolve() == IN_WHEEL else files


def own_or_shipped(own: Path, name: str) -> Path:
    """The user's own file where it exists, else the one that ships as `name`; where neither does, the user's."""
    shipped = shipped_files() / name
    return own if own.exists() or not shipped.exists() else shipped


if __name__ == "__main__":
    print(shipped_files())
