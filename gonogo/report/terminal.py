"""Rich output as a string, the same wherever it is made: no environment variable changes it."""

from __future__ import annotations

from io import StringIO

from rich.console import Console, RenderableType
from rich.text import Text

WIDEST = 100  # longer lines are hard to read, however wide the terminal is


def drawn(what: RenderableType, colour: bool, width: int) -> str:
    """Lines without trailing space, none longer than `width`; a bare Text stays one line."""
    console = Console(
        file=StringIO(),
        width=width,
        force_terminal=colour,
        color_system="standard" if colour else None,
        no_color=not colour,
        legacy_windows=False,
        force_jupyter=False,
        highlight=False,
        markup=False,
        emoji=False,
    )
    with console.capture() as captured:
        console.print(what, soft_wrap=isinstance(what, Text))
    return "\n".join(line.rstrip() for line in captured.get().splitlines())
