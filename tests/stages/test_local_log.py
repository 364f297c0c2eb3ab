"""The copy of a log here: clean, bounded, and nothing that goes wrong with it ends the watching."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from gonogo.runtime.terminal import StageTerminal
from gonogo.stages import local_log
from gonogo.stages.local_log import LastLines, LocalLog, safe_line


def test_a_line_is_cut_and_cannot_draw() -> None:
    line = safe_line("2026-01-01T00:00:00.000Z step 1\x1b]52;c;cm0gLXJm\x07\u202e\nforged" + "x" * 1_000_000)
    assert line.isprintable() and len(line) <= local_log.LINE_CHARACTERS and "step 1" in line


def test_a_log_without_end_fills_no_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_log, "LOG_AT_MOST_CHARACTERS", 1000)
    said: list[str] = []
    log = LocalLog(tmp_path / "log.txt", said.append)
    for _ in range(100):
        log.line("█" * 49)
    log.close()
    assert len((tmp_path / "log.txt").read_text(encoding="utf-8")) == 1000
    assert len(said) == 1 and "the machine has all of it" in said[0]


def test_a_full_disk_ends_neither_the_log_nor_the_stage(tmp_path: Path) -> None:
    said: list[str] = []
    log = LocalLog(Path("/dev/full"), said.append)
    for number in range(3):
        log.line(f"line {number}")
    log.close()
    assert len(said) == 1 and "No space left on device" in said[0]
    (tmp_path / "plain").touch()
    LocalLog(tmp_path / "plain" / "log.txt", said.append).line("x")
    assert len(said) == 2 and "is not written here" in said[1]
    with contextlib.suppress(OSError), open("/dev/full", "w") as full:  # noqa: PTH123
        terminal = StageTerminal("stage", "cvs", full)
        terminal.say("one")
        terminal.note("two")
        said.append("went on")
    assert said[-1] == "went on"


def test_of_the_canary_the_last_lines_are_kept() -> None:
    log = LastLines()
    for number in range(3 * local_log.KEPT_LINES):
        log.add(str(number))
    assert log.text.splitlines()[:2] == [f"[{2 * local_log.KEPT_LINES} lines left out]", str(2 * local_log.KEPT_LINES)]
    assert log.lines[-1] == str(3 * local_log.KEPT_LINES - 1)
