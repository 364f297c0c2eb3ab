"""JSON files that are read whole or not at all, and the one exception that the agent reports."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


class Problem(Exception):
    """A failure that the message explains."""


def read_json(path: Path) -> Any:
    """The file's value; None where there is no such file, or no JSON in it."""
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def write_json(path: Path, value: Any, mode: int = 0o644) -> None:
    """Write whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with os.fdopen(os.open(str(temporary), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as out:
        out.write(json.dumps(value) + "\n")
    temporary.replace(path)
