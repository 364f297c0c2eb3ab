"""The README's animated terminal: `make run` under a pseudo-terminal, drawn as an SVG.

    python docs/pictures/cast.py            # record `make run`, and draw docs/pictures/cast.svg
    python docs/pictures/cast.py --again    # draw the last recording again: build/cast.jsonl

A line appears when it appeared, with long waits shortened. Run it in the repository's folder, with `.venv` set up and
`results/` empty.
"""

from __future__ import annotations

import codecs
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path

from rich.ansi import AnsiDecoder
from rich.cells import cell_len
from rich.console import Console
from rich.style import Style
from rich.terminal_theme import SVG_EXPORT_THEME as THEME
from rich.text import Text

PICTURE = Path(__file__).with_name("cast.svg")
RECORDING = Path("build/cast.jsonl")
COMMAND = ["make", "run"]
COLUMNS, ROWS = 112, 26
LONGEST_WAIT_S, LEAST_SHOWN_S, AT_THE_END_S, AT_MOST_S = 0.8, 0.25, 8.0, 45.0
ENDS_S = 60.0  # for the command, once its terminal is closed
CELL, LINE, PAD, BAR = 7.8, 18, 14, 34  # pixels
FONT = "ui-monospace,Menlo,Consolas,DejaVu Sans Mono,monospace"
CLEAR = "\x1b[2K"


def main() -> None:
    if "--again" not in sys.argv:
        record()
    events = [json.loads(line) for line in RECORDING.read_text(encoding="utf-8").splitlines()]
    screen = Screen()
    for at_s, data in shortened(events):
        screen.write(data, at_s)
    end_s = max(row.begin_s for row in screen.rows) + AT_THE_END_S
    PICTURE.write_text(svg(list(thinned(screen.rows)), end_s), encoding="utf-8")
    print(f"{PICTURE}: {PICTURE.stat().st_size / 1000:.0f} kB, {end_s:.0f} s")


def record() -> None:
    """The command's output, with the seconds at which it came."""
    RECORDING.parent.mkdir(exist_ok=True)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    began, decoder = time.monotonic(), codecs.getincrementaldecoder("utf-8")("replace")
    program = subprocess.Popen(
        COMMAND, stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "xterm-256color"}
    )
    os.close(theirs)
    with RECORDING.open("w", encoding="utf-8") as file:
        for data in iter(lambda: read(ours), b""):
            text = decoder.decode(data)
            file.write(json.dumps([round(time.monotonic() - began, 3), text]) + "\n")
            print(text, end="", flush=True)
    program.wait(timeout=ENDS_S)


def read(descriptor: int) -> bytes:
    """Nothing at the end, which Linux calls an error."""
    try:
        return os.read(descriptor, 1 << 16)
    except OSError:
        return b""


def shortened(events: list[tuple[float, str]]) -> Iterator[tuple[float, str]]:
    """The events after `$ make run` was read, with no wait longer than LONGEST_WAIT_S, AT_MOST_S in all."""
    shown, last, times = 1.0, 0.0, []
    for at_s, _ in events:
        shown += min(at_s - last, LONGEST_WAIT_S)
        last = at_s
        times.append(shown)
    scale = min(1.0, AT_MOST_S / times[-1])
    yield 0.0, f"\x1b[1;32m$\x1b[0m \x1b[1m{' '.join(COMMAND)}\x1b[0m\n"
    yield from ((time_s * scale, data) for time_s, (_, data) in zip(times, events, strict=True))


@dataclass(frozen=True)
class Row:
    """A line of the terminal, and from when to when it is there; None: to the end."""

    line: int
    text: str
    begin_s: float
    end_s: float | None = None


@dataclass
class Screen:
    """What was written, as rows: a line that the next one replaces has an end."""

    rows: list[Row] = field(default_factory=list)
    line: int = 0
    written: str = ""

    def write(self, data: str, at_s: float) -> None:
        for piece in re.split(rf"(\n|\r(?!\n)|{re.escape(CLEAR)})", data.replace("\r\n", "\n")):
            if piece == "\n":
                self.line, self.written = self.line + 1, ""
            elif piece in ("\r", CLEAR):
                self._replaced(at_s)
                self.written = ""
            elif piece:
                self._replaced(at_s)
                self.written += piece
                self.rows.append(Row(self.line, self.written, at_s))

    def _replaced(self, at_s: float) -> None:
        if self.written:
            self.rows[-1] = replace(self.rows[-1], end_s=at_s)


def thinned(rows: Iterable[Row]) -> Iterator[Row]:
    """Of a line that is replaced often, only what is there for LEAST_SHOWN_S; the last one in any case."""
    waiting: Row | None = None
    for row in rows:
        if waiting and (row.line != waiting.line or row.begin_s - waiting.begin_s >= LEAST_SHOWN_S):
            yield replace(waiting, end_s=row.begin_s) if row.line == waiting.line else waiting
            waiting = None
        elif waiting and row.end_s is None:
            waiting = replace(row, begin_s=waiting.begin_s)
            continue
        waiting = replace(waiting, end_s=row.end_s) if waiting else row
    if waiting:
        yield waiting


def svg(rows: list[Row], end_s: float) -> str:
    """The terminal's window, which scrolls as it does, over and over."""
    console = Console(color_system="truecolor", force_terminal=True, width=10_000)
    texts = [AnsiDecoder().decode_line(row.text) for row in rows]
    tall: dict[int, int] = {}
    for row, text in zip(rows, texts, strict=True):
        tall[row.line] = max(tall.get(row.line, 1), -(-text.cell_len // COLUMNS))
    top, tops = 0, {}
    for line in range(max(tall) + 1):
        tops[line] = top
        top += tall.get(line, 1)
    styles, drawn, scrolled = [], [], [(0.0, 0)]
    for number, (row, text) in enumerate(zip(rows, texts, strict=True)):
        begin, end = 100 * row.begin_s / end_s, 100 * (row.end_s or end_s) / end_s
        gone = f" {end:.2f}%{{opacity:0}}" if row.end_s else ""
        styles.append(f"@keyframes k{number}{{0%{{opacity:0}} {begin:.2f}%{{opacity:1}}{gone}}}")
        kept = "" if row.end_s is None else " t"
        spans = "".join(spans_of(text, tops[row.line], console))
        drawn.append(f'<g class="r{kept}" style="animation-name:k{number}">{spans}</g>')
        beyond = max(0, tops[row.line] + tall[row.line] - ROWS)
        if beyond > scrolled[-1][1]:
            scrolled.append((begin, beyond))
    moves = " ".join(f"{at:.2f}%{{transform:translateY({-by * LINE}px)}}" for at, by in scrolled)
    last = -scrolled[-1][1] * LINE
    width, height = round(COLUMNS * CELL + 2 * PAD), ROWS * LINE + BAR + 2 * PAD
    title = escape(f"{' '.join(COMMAND)} (long waits are shortened)")
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="{title}"
 font-size="13" font-family="{FONT}" fill="{THEME.foreground_color.hex}">
<style>
.r{{animation:{end_s:.1f}s step-end infinite}} .t{{opacity:0}}
.s{{animation:scroll {end_s:.1f}s step-end infinite;transform:translateY({last}px)}}
@keyframes scroll{{{moves}}}
{chr(10).join(styles)}
@media (prefers-reduced-motion:reduce){{.r,.s{{animation:none}}}}
</style>
<rect width="{width}" height="{height}" rx="8" fill="{THEME.background_color.hex}"/>
<circle cx="20" cy="18" r="6" fill="#ff5f57"/><circle cx="40" cy="18" r="6" fill="#febc2e"/>
<circle cx="60" cy="18" r="6" fill="#28c840"/>
<text x="{width / 2:.0f}" y="22" text-anchor="middle" opacity=".7">{title}</text>
<svg x="{PAD}" y="{BAR}" width="{width - 2 * PAD}" height="{ROWS * LINE + PAD}"><g class="s">
{chr(10).join(drawn)}
</g></svg>
</svg>
"""


def spans_of(text: Text, top: int, console: Console) -> Iterator[str]:
    """One SVG text for each word or phrase of a style, each at its own cell, so that no font moves a column."""
    before = ""
    for segment in text.render(console):
        for phrase in re.finditer(r"\S+(?: \S+)*", segment.text.rstrip("\n")):
            column, left = cell_len(before + segment.text[: phrase.start()]), phrase[0]
            while left:
                part = left[: COLUMNS - column % COLUMNS]  # the terminal breaks lines at its last cell
                y = (top + column // COLUMNS + 1) * LINE - 4
                yield f'<text x="{column % COLUMNS * CELL:.1f}" y="{y}"{painted(segment.style)}>{escape(part)}</text>'
                column, left = column + cell_len(part), left[len(part) :]
        before += segment.text.rstrip("\n")


def painted(style: Style | None) -> str:
    """As attributes of an SVG text."""
    if style is None:
        return ""
    found = f' fill="{style.color.get_truecolor(THEME).hex}"' if style.color and not style.color.is_default else ""
    return found + (' font-weight="bold"' if style.bold else "") + (' opacity=".6"' if style.dim else "")


if __name__ == "__main__":
    main()
