"""Command lines in a config: words with placeholders, split as a shell would split them and run without one."""

from __future__ import annotations

import shlex
import string
from collections.abc import Mapping, Sequence
from pathlib import Path

Value = str | int | float | Path

FOLDERS = "{data}"  # alone in its word, it becomes one word for each folder


def placeholders(line: str) -> list[str]:
    """Names in braces; a brace of the command's own is written twice.

    Raises:
        ValueError: a quotation or a brace is not closed, or a placeholder asks for more than its value.
    """
    found = []
    for word in shlex.split(line):
        for _, name, spec, conversion in string.Formatter().parse(word):
            if name is None:
                continue
            if spec or conversion:
                raise ValueError(f"placeholder {{{name}}} takes no format; a brace of its own is written {{{{ or }}}}")
            found.append(name)
    return found


def check_line(line: str, allowed: Sequence[str], required: Sequence[str]) -> None:
    """Raise ValueError where a command line cannot be filled."""
    found = placeholders(line)
    if not shlex.split(line):
        raise ValueError("no words: write the command")
    known = ", ".join(f"{{{name}}}" for name in allowed)
    for name in found:
        if name not in allowed:
            raise ValueError(
                f"unknown placeholder {{{name}}}; there are {known}. A brace of its own is written {{{{ or }}}}"
            )
    if missing := [f"{{{name}}}" for name in required if name not in found]:
        raise ValueError(f"{' and '.join(missing)} missing: the command could not know it")
    if any(FOLDERS in word and word != FOLDERS for word in shlex.split(line)):
        raise ValueError(f"{FOLDERS} must stand alone: it becomes one word for each folder")


def filled(line: str, values: Mapping[str, Value], data: Sequence[Path] = ()) -> list[str]:
    """The words with their values, whatever blanks or quotes those hold."""
    words: list[str] = []
    for word in shlex.split(line):
        words += [str(folder) for folder in data] if word == FOLDERS else [word.format_map(values)]
    return words
