"""What the commands share: the settings of the folder in which they are run, and its terminal.

Every command reads them alike: a flag, else the key of config/config.yaml, else the key's default.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from gonogo.base.errors import UserError
from gonogo.base.files import write_text
from gonogo.base.mappings import deep_merged
from gonogo.config.load import Settings, load, read_yaml, validate
from gonogo.config.workflow import Config
from gonogo.verdict import Verdict

CONFIG = Path("config", "config.yaml")


def add_results(parser: argparse.ArgumentParser) -> None:
    """The option --results."""
    parser.add_argument("--results", type=Path, metavar="FOLDER", help="results folder (default: config.yaml's)")


def results_dir(arguments: argparse.Namespace) -> Path:
    """Where this folder's workflow keeps its results; also where there is no config.yaml."""
    if arguments.results:
        return Path(arguments.results)
    return (config(Path()) if CONFIG.exists() else Config()).results_dir


def config(root: Path) -> Config:
    """config/config.yaml below `root`, without the files that it names.

    Raises:
        UserError: there is none, or something in it is wrong.
    """
    return validate(Config, _read(root), str(CONFIG))


def settings(root: Path, **given: Any) -> Settings:
    """Everything that config/config.yaml below `root` asks for, with the flags that were given over it.

    Args:
        given: keys of config.yaml; None: no such flag was given.

    Raises:
        UserError: there is no config.yaml, or something in it or in the files that it names is wrong.
    """
    if (folder := str(root.resolve())) not in sys.path:
        sys.path.insert(0, folder)  # the experiments' classes lie there
    flags = {key: str(value) if isinstance(value, Path) else value for key, value in given.items() if value is not None}
    return load(deep_merged(_read(root), flags), root)


def _read(root: Path) -> dict[str, Any]:
    if not (root / CONFIG).exists():
        raise UserError(f"{root / CONFIG}: not found; run this command in the folder that holds config/")
    return read_yaml(root / CONFIG)


def known_experiments(root: Path) -> list[str]:
    """Names of the files in config/experiments/.

    Raises:
        UserError: there is none.
    """
    folder = root / "config" / "experiments"
    if found := sorted(path.stem for path in folder.glob("*.yaml")):
        return found
    raise UserError(f"{folder} has no .yaml file; run this command in the folder that holds config/")


def add_for_ci(parser: argparse.ArgumentParser) -> None:
    """The options --junit and --sarif."""
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write the checks as JUnit XML, for CI")
    parser.add_argument("--sarif", type=Path, metavar="FILE", help="write the findings as SARIF, for code scanning")


def write_for_ci(arguments: argparse.Namespace, verdict: Verdict, subject: Path) -> None:
    """What --junit and --sarif ask for; `subject` is what was judged, a script or a folder."""
    if arguments.junit:
        from gonogo.report.junit import to_junit

        write_text(arguments.junit, to_junit(verdict))
    if arguments.sarif:
        from gonogo.report.sarif import to_sarif

        write_text(arguments.sarif, to_sarif(verdict, subject, Path.cwd()))


def show(verdict: Verdict) -> None:
    """Print it as the terminal allows."""
    from gonogo.report.render import to_text

    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    print(to_text(verdict, colour, shutil.get_terminal_size().columns))
