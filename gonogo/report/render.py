"""A verdict for people: terminal text, Markdown, HTML. One function each."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from gonogo.base.text import clean
from gonogo.report.terminal import WIDEST, drawn
from gonogo.report.wording import (
    about,
    decision,
    evidence_paths,
    grey,
    headline,
    measured,
    notable,
    saved,
    unique,
)
from gonogo.verdict import Check, Status, Verdict

MOST_PATHS = 5

# two lines a letter, for a word that is seen across the room
_BIG = {
    "A": ("█▀█", "█▀█"),
    "C": ("█▀▀", "█▄▄"),
    "G": ("█▀▀", "█▄█"),
    "I": ("█", "█"),
    "K": ("█▄▀", "█ █"),
    "N": ("█▄ █", "█ ▀█"),
    "O": ("█▀█", "█▄█"),
    "T": ("▀█▀", " █ "),
    "U": ("█ █", "█▄█"),
    "W": ("█ █ █", "▀▄▀▄▀"),
    "-": ("▄▄", "  "),
}


def to_text(verdict: Verdict, colour: bool, width: int) -> str:
    """A framed block: what was found, why, and what to do at a glance; no line is longer than `width`."""
    style = verdict.status.colour
    panel = Panel(
        Group(*_blocks(verdict)),
        title=Text(f"{verdict.status.label} · {about(verdict)}", style=f"bold {style}"),
        title_align="left",
        border_style=style,
        padding=(1, 2),
    )
    return drawn(panel, colour, width=min(width, WIDEST))


def _blocks(verdict: Verdict) -> list[RenderableType]:
    told: set[str] = set()
    blocks = [_head(verdict), *(_check(check, told) for check in notable(verdict))]
    if passed := [check for check in verdict.checks if check.status is Status.GO]:
        blocks.append(_passed(passed))
    if unmeasured := grey(verdict):
        blocks.append(_grey(unmeasured))
    if rows := _rows(verdict):
        blocks.append(Group(*rows))
    if verdict.override:
        blocks.append(Text(f"The work goes on: {decision(verdict)}", style="bold yellow"))
    return [part for block in blocks for part in (Text(), block)][1:]


def _rows(verdict: Verdict) -> list[RenderableType]:
    rows = []
    if paths := evidence_paths(verdict):
        more = [f"and {len(paths) - MOST_PATHS} more"] if len(paths) > MOST_PATHS else []
        rows.append(_row("look at", Text("\n".join(paths[:MOST_PATHS] + more), overflow="fold")))
    if not verdict.go:
        rows.append(_row("saved", Text(saved(verdict.saved))))
    return rows


def _head(verdict: Verdict) -> RenderableType:
    style = verdict.status.colour
    letters = [_BIG[letter] for letter in verdict.status.label]
    big = Text("\n".join(" ".join(letter[line] for letter in letters) for line in (0, 1)), style=f"bold {style}")
    grid = Table.grid(padding=(0, 4))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    said, summary = [clean(check.why) for check in verdict.checks if check.why], clean(verdict.summary)
    if not verdict.status.passes and headline(verdict) != summary:  # what a check says below stands there
        summary = next(
            (summary.removeprefix(why).removeprefix("; ") for why in said if summary.startswith(why)), summary
        )
    words = unique([headline(verdict), summary])
    grid.add_row(big, Text("\n".join(words), style="bold"))
    return grid


def _check(check: Check, told: set[str]) -> RenderableType:
    """Why (value against threshold), then the hint, unless a check above has already given it."""
    style = check.status.colour
    text = Text(overflow="fold")
    text.append(clean(check.title), style="bold")
    text.append(f": {measured(check)}", style=style)
    if check.threshold:
        text.append(f" (asked: {clean(check.threshold)})", style="dim")
    if check.why:
        text.append(f"\n{clean(check.why)}")
    if (hint := clean(check.hint)) and hint not in told:
        text.append(f"\n→ {hint}", style="cyan")
        told.add(hint)
    return _marked(Text(check.status.mark, style=f"bold {style}"), text)


def _passed(checks: list[Check]) -> RenderableType:
    names = ", ".join(clean(check.id.replace("_", " ")) for check in checks)
    plural = "checks pass" if len(checks) != 1 else "check passes"
    return _marked(Text(Status.GO.mark, style="bold green"), _one_line(f"{len(checks)} {plural}: {names}"))


def _grey(checks: list[Check]) -> RenderableType:
    names = [(clean(check.id.replace("_", " ")), clean(check.why)) for check in checks]
    said = "; ".join(f"{name} ({why})" if why else name for name, why in names)
    mark = Text(Status.UNKNOWN.mark, style=Status.UNKNOWN.colour)
    return _marked(mark, Text(f"not measured: {said}", style="dim", overflow="fold"))


def _one_line(text: str) -> Text:
    return Text(text, no_wrap=True, overflow="ellipsis")


def _marked(mark: Text, text: Text) -> RenderableType:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column()
    grid.add_row(mark, text)
    return grid


def _row(name: str, text: Text) -> RenderableType:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True, min_width=8)
    grid.add_column()
    grid.add_row(Text(name, style="dim"), text)
    return Padding(grid, (0, 0, 0, 2))
