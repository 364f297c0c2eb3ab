"""Values of a target's YAML file, replaced where they stand: comments, order and everything else stay."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from gonogo.base.errors import UserError
from gonogo.base.files import write_text
from gonogo.base.mappings import deep_merged


def write_values(path: Path, values: Mapping[str, Any]) -> None:
    """Write these values into the file, whole or not at all; raises as `with_values` does."""
    write_text(path, with_values(path, values))


def with_values(path: Path, values: Mapping[str, Any]) -> str:
    """The file's text with these values.

    Raises:
        UserError: it is written in a way in which only a person can change it, such as with an anchor.
    """
    text = path.read_text(encoding="utf-8")
    wanted = deep_merged(yaml.safe_load(text), values)
    edits = _edits(yaml.compose(text, yaml.SafeLoader), values)
    for start, end, written in sorted(edits, reverse=True):
        text = text[:start] + written + text[end:]
    try:
        done = yaml.safe_load(text) == wanted
    except yaml.YAMLError:
        done = False
    if not done:
        raise UserError(f"{path}: cannot be changed without harm to the rest; write into it: {_line(values)}")
    return text


def _edits(node: Any, values: Mapping[str, Any]) -> list[tuple[int, int, str]]:
    """Begin, end and text of each replacement."""
    if not isinstance(node, yaml.MappingNode):
        return []
    found = {key.value: value for key, value in node.value}
    edits = []
    for key, value in values.items():
        if key in found and isinstance(value, Mapping):
            edits += _edits(found[key], value)
        elif key in found:
            edits.append((found[key].start_mark.index, found[key].end_mark.index, _line(value)))
        elif node.value:
            begin = node.value[0][0].start_mark
            after = ", " if node.flow_style else "\n" + " " * begin.column
            edits.append((begin.index, begin.index, f"{key}: {_line(value)}{after}"))
    return edits


def _line(value: Any) -> str:
    """A value in one line of YAML."""
    return yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False).removesuffix("...\n").strip()
