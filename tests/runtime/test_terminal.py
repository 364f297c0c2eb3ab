"""What a stage says in a terminal, and in its log."""

from __future__ import annotations

import io
import sys

import pytest

from gonogo.report.verdict_line import to_line
from gonogo.runtime.terminal import StageTerminal
from tests.report.verdicts import dark


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def said(monkeypatch: pytest.MonkeyPatch, screen: io.StringIO) -> tuple[str, str]:
    """A verdict's line on this screen, and in the log."""
    monkeypatch.setattr(sys, "stderr", screen)
    log = io.StringIO()
    stage = StageTerminal("judge_quality", "mine", log)
    stage.say(to_line(dark(), colour=False), painted=to_line(dark(), colour=True))
    return screen.getvalue(), log.getvalue()


def test_a_verdict_has_its_colour_in_a_terminal_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    screen, log = said(monkeypatch, Terminal())
    assert "\x1b[1;31mNO-GO" in screen and "NO-GO" in log and "\x1b" not in log
    assert "\x1b" not in said(monkeypatch, io.StringIO())[0]
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[1;31m" not in said(monkeypatch, Terminal())[0]


def test_what_a_machine_says_gets_no_colour_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    StageTerminal("canary", "mine", io.StringIO()).say("\x1b[31mforged")
    assert "\x1b[31m" not in screen.getvalue() and "forged" in screen.getvalue()
