"""A picture in a terminal that can draw one: by sixels, or by kitty's protocol."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from rich.console import Console

from gonogo.report.page.pictures import upper_part

ROWS_KEPT = 6  # of the terminal, for what stands below


def draw_picture(path: Path) -> bool:
    """Draw its upper part, which holds the worst items; whether this terminal could, and the file is a picture."""
    if not (sys.stdout.isatty() and sys.stdin.isatty() and sys.stdout is sys.__stdout__):
        return False
    try:
        from textual_image.renderable import Image, SixelImage, TGPImage  # asks the terminal what it can
    except ImportError:
        return False
    picture = upper_part(path) if Image in (SixelImage, TGPImage) else None
    if picture is None:
        return False
    columns, rows = shutil.get_terminal_size()
    Console(width=columns, height=rows).print(Image(picture, width="auto", height=max(4, rows - ROWS_KEPT)))
    return True
