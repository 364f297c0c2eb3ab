"""`gonogo watch`: in the terminal, where each chain stands, what runs, what it says and what it has cost."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.text import Text

from gonogo.base.errors import UserError
from gonogo.base.text import clean
from gonogo.base.units import dollars, duration
from gonogo.cli import site
from gonogo.report.page.state import ChainState, Light, all_states, chain_state, stamp
from gonogo.report.page.words import first_screen
from gonogo.report.terminal import drawn

EVERY_S = 1.0
MOST = 12  # experiments on one screen, where none is named
LINES = 6  # of a log
COLOURS = {"GO": "green", "CAUTION": "yellow", "UNKNOWN": "bright_black", "NO_GO": "red", "running": "blue"}


def add_watch(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "Ctrl-C ends it. If the output is not a terminal, it shows the state once and exits."
    parser.set_defaults(run=_run)
    parser.add_argument("experiment", nargs="*", help="names; default: every experiment in the results folder")
    parser.add_argument("--once", action="store_true", help="show the current state and exit")
    site.add_results(parser)


def _run(arguments: argparse.Namespace) -> int:
    results = site.results_dir(arguments)
    if not results.is_dir():
        raise UserError(f"{results} is not there: nothing has run in this results folder")
    for name in arguments.experiment:
        if not (results / name).is_dir():
            raise UserError(f"{results / name} is not there: nothing has run for {name}")
    if arguments.once or not sys.stdout.isatty():
        colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        print(drawn(screen(states(results, arguments.experiment)), colour, shutil.get_terminal_size().columns))
        return 0
    _watch(results, arguments.experiment)
    return 0


def _watch(results: Path, names: Sequence[str]) -> None:
    found, seen = states(results, names), stamp(results)
    with Live(screen(found), console=Console(highlight=False), auto_refresh=False, screen=True) as live:
        try:
            while True:
                time.sleep(EVERY_S)
                now = stamp(results)
                if now != seen or any(state.running for state in found):
                    found, seen = states(results, names), now
                    live.update(screen(found), refresh=True)
        except KeyboardInterrupt:
            return


def states(results: Path, names: Sequence[str]) -> list[ChainState]:
    return [chain_state(results, name) for name in names] if names else all_states(results, MOST)


def screen(found: Sequence[ChainState]) -> RenderableType:
    """A block for each experiment: its word and cause, the gates as lights, the stage under way, its last lines."""
    if not found:
        return Text("nothing has run in this results folder yet")
    return Group(*(Padding(_block(state), (0, 0, 1, 0)) for state in found))


def _block(state: ChainState) -> RenderableType:
    first = first_screen(state, "")
    head = Text(overflow="fold")
    head.append(first.word, style=f"bold {COLOURS[first.look]}")
    head.append(f"  {first.about}", style="bold")
    head.append(f"\n{first.headline}")
    lights = Text(overflow="fold")
    for light in state.lights:
        lights.append_text(_light(light))
    spent = sum(row.usd for row in state.rows)
    took = duration(sum(row.wall_s for row in state.rows))
    lines = [
        Text(f"  {clean(line)}", style="dim", overflow="ellipsis", no_wrap=True) for line in state.log_tail[-LINES:]
    ]
    under_way = [
        Text(f"▶ {clean(row.stage)}, {duration(max(0.0, time.time() - row.started_at))}", style="blue")
        for row in state.running
    ]
    return Group(head, lights, *under_way, *lines, Text(f"{took} in all stages, {dollars(spent)}", style="dim"))


def _light(light: Light) -> Text:
    mark = "▶" if light.running else light.verdict.status.mark if light.verdict else "·"
    took = f" {duration(light.wall_s)}" if light.wall_s else ""
    return Text(f"{mark} {light.title}{took}   ", style=COLOURS.get(light.look, "bright_black"))
