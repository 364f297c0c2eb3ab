"""`gonogo init`: the chain in a repository that was not written for it; found, not asked, and nothing overwritten."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gonogo.base.errors import UserError
from gonogo.base.extras import WORKFLOW, install_line
from gonogo.base.files import write_text

if TYPE_CHECKING:
    from gonogo.project.look import Project

LINKS = ("local", "cloud", "slurm")  # `snakemake --profile local` looks for a folder of that name where it is started


def add_init(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "It writes Snakefile, config/ and profiles/ from the data folders, the training script, the requirements and "
        "the git repository that it finds; it asks nothing and overwrites nothing. Then: snakemake --profile local. "
        "Exit code: 0 ready to run, 1 something is left to fill in, or a file existed and was kept."
    )
    parser.set_defaults(run=_run, on_error=2)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(), help="the repository (default: this folder)")


def _run(arguments: argparse.Namespace) -> int:
    from gonogo.project.look import look_around
    from gonogo.project.pages import pages

    root: Path = arguments.folder
    if not root.is_dir():
        raise UserError(f"{root}: no such folder")
    project = look_around(root)
    print("\n".join(_found(project)))
    written, kept = [], []
    for name, text in pages(project).items():
        if (root / name).exists():
            kept.append(name)
        else:
            write_text(root / name, text)
            written.append(name)
    for name in LINKS:
        if (root / name).is_symlink() or (root / name).exists():
            kept.append(name)
        else:
            (root / name).symlink_to(f"profiles/{name}")
            written.append(name)
    print(f"\nwrote {', '.join(written)}" if written else "\nwrote nothing")
    if kept:
        print(f"exists, and was kept: {', '.join(kept)}", file=sys.stderr)
    missing = _missing(project)
    for sentence in missing:
        print(f"to do: {sentence}", file=sys.stderr)
    print("\n".join(_next(root, profile="profiles/local" if "local" in kept else "local")))
    return 1 if kept or missing else 0


def _found(project: Project) -> list[str]:
    """What was found, a line each."""
    from gonogo.project.pages import described

    data = [f"data         {one.path}: {described(one)}" for one in project.data] or ["data         none"]
    scripts = [f"script       {one.path}" for one in project.scripts[:3]] or ["script       none that trains"]
    packages = (
        f"packages     {project.environment or 'no requirements.txt, pyproject.toml, uv.lock or environment.yml'}"
    )
    git = "no repository" if project.tracked is None else f"{project.tracked} tracked files"
    return [*data, *scripts, packages, f"git          {git}"]


def _missing(project: Project) -> list[str]:
    """What a run needs and was not found, as sentences with the place to write it."""
    where = f"config/experiments/{project.name}.yaml"
    found = []
    if project.data_set is None:
        found.append(f"no folder of data that an inspector reads was found; name it in {where}: data, kind")
    script = project.script
    if script is None:
        found.append(f"no training script was found; write its command in {where}: command.train")
        return found
    found += [
        f"{script.path} requires {one.flag or one.name}; give it in {where}: command.train" for one in script.others
    ]
    return found


def _next(root: Path, profile: str) -> list[str]:
    """The next command, and what must be installed for it."""
    lines = ["", "next:"]
    if importlib.util.find_spec("snakemake") is None:
        lines.append(f"  {install_line(WORKFLOW)}")
    lines += [f"  cd {root}"] if root != Path() else []
    return [*lines, f"  snakemake --profile {profile}"]
