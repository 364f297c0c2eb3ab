"""Where in a project's code something happens."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

PACKAGE = str(Path(__file__).parents[1])


def place_in_project() -> str:
    """`file.py:line` of the innermost frame that is neither torch's, Lightning's nor this package's."""
    frame: Any = sys._getframe(2)
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith((PACKAGE, "<")) and "site-packages" not in file and "lib/python" not in file:
            return f"{Path(file).name}:{frame.f_lineno}"
        frame = frame.f_back
    return ""
