"""`gonogo compare`: the settings in which two experiments differ, and the commands that run them."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gonogo.base.commands import rerun_command
from gonogo.base.mappings import flat
from gonogo.config.load import load_experiment

NOT_THERE = "–"


def add_compare(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_run)
    parser.add_argument("old", help="name in config/experiments/")
    parser.add_argument("new", help="another one")


def _run(arguments: argparse.Namespace) -> int:
    print(table(Path(), arguments.old, arguments.new))
    return 0


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(dotted key, old value, new value) of every key whose values differ, in the order of the new one."""
    before, after = flat(dict(old)), flat(dict(new))
    keys = [*after, *(key for key in before if key not in after)]
    rows = [(key, _shown(before.get(key)), _shown(after.get(key))) for key in keys]
    return [row for row in rows if row[1] != row[2]]


def table(root: Path, old: str, new: str) -> str:
    """Markdown, of two names in config/experiments/.

    Raises:
        UserError: there is none of that name, or its file is wrong.
    """
    folder = root / "config" / "experiments"
    both = [load_experiment(folder, name).model_dump(mode="json", by_alias=True) for name in (old, new)]
    rows = [("command", *(f"`{rerun_command(experiments=name)}`" for name in (old, new)))]
    rows += [(f"`{key}`", before, after) for key, before, after in differences(*both) if key != "extends"]
    lines = [f"| | {old} | {new} |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join(lines)


def _shown(value: Any) -> str:
    return NOT_THERE if value is None or value == "" else str(value).replace("|", "\\|")
