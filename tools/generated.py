"""Parts of pages that are made from code or from measurements, between two markers."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parent.parent


def markers(name: str, target: str) -> tuple[str, str]:
    return f"<!-- {name}: made by `make {target}` -->", f"<!-- end of {name} -->"


def filled(text: str, parts: Mapping[str, str], target: str) -> str:
    """`text` with each part between its markers.

    Raises:
        ValueError: a part has no markers in the text, or markers there have no part.
    """
    marked = set(re.findall(rf"<!-- ([\w ]+): made by `make {target}` -->", text))
    if marked != set(parts):
        raise ValueError(f"markers {sorted(marked)}, parts {sorted(parts)}")
    for name, part in parts.items():
        start, end = markers(name, target)
        before, rest = text.split(start)
        text = f"{before}{start}\n\n{part.strip()}\n\n{end}{rest.split(end)[1]}"
    return text


def write_or_check(pages: Mapping[str, Mapping[str, str]], target: str) -> None:
    """Write the parts into the pages; with --check, end with exit code 1 where a page would change."""
    behind = []
    for name, parts in pages.items():
        page = ROOT / name
        fresh = filled(page.read_text(), parts, target)
        if fresh != page.read_text():
            behind.append(name)
            if "--check" not in sys.argv:
                page.write_text(fresh)
    if behind and "--check" in sys.argv:
        sys.exit(f"{', '.join(behind)}: not up to date; run `make {target}`")
