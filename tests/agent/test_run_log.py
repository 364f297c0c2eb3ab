"""What a run prints, as its log keeps it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gonogo.agent import run_log
from gonogo.agent.run_log import RunLog


class Printer:
    """A pipe into a log."""

    def __init__(self, folder: Path, progress: str = "") -> None:
        self.path = folder / "log.txt"
        self.reader, self.writer = os.pipe()
        self.log = RunLog(folder, progress)

    def prints(self, data: bytes) -> None:
        os.write(self.writer, data)
        self.log.read(self.reader)

    def ends(self) -> list[str]:
        """The log's lines without their times."""
        os.close(self.writer)
        self.log.drain(self.reader)
        os.close(self.reader)
        return [line.partition(" ")[2] for line in self.path.read_text().splitlines()]


def test_the_states_of_a_progress_bar_are_not_joined(tmp_path: Path) -> None:
    printer = Printer(tmp_path, progress=r"^\d+%$")
    for percent in (10, 20, 30):
        printer.prints(b"%d%%\r" % percent)
        assert printer.log.progressed
        printer.log.progressed = False
    printer.prints(b"warning: no progress")
    assert not printer.log.progressed
    printer.prints(b"\n100%\r\n")
    assert printer.log.progressed
    assert printer.ends() == ["warning: no progress", "100%"]


def test_a_bar_without_a_line_is_progress_where_any_output_is(tmp_path: Path) -> None:
    printer = Printer(tmp_path)
    printer.prints(b"10%\r")
    assert printer.log.progressed
    assert printer.ends() == ["10%"]


def test_a_log_that_is_full_says_so_once_and_has_the_end_of_each_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_log, "LOG_AT_MOST_BYTES", 2 << 20)
    printer = Printer(tmp_path)
    for number in range(100):
        printer.prints(b"%d %s\n" % (number, b"x" * 60_000))
    printer.prints(b"RuntimeError: the last words\n")
    lines = printer.ends()
    assert len([line for line in lines if "the log is cut here, at 2 MiB" in line]) == 1
    assert lines[-1] == "RuntimeError: the last words"
    assert printer.path.stat().st_size < (2 << 20) + 4 * run_log.LONGEST_LINE_BYTES


def test_lines_that_a_full_disk_loses_are_said_and_last_words_are_known(tmp_path: Path) -> None:
    (tmp_path / "log.txt").symlink_to("/dev/full")
    log = RunLog(tmp_path, "")
    reader, writer = os.pipe()
    os.write(writer, b"OSError: [Errno 28] No space left on device\n")
    log.read(reader)
    assert b"Errno 28" in log.last_words
    (tmp_path / "log.txt").unlink()
    (tmp_path / "log.txt").touch()
    os.dup2(os.open(tmp_path / "log.txt", os.O_WRONLY | os.O_APPEND), log._file)
    os.write(writer, b"again\n")
    log.read(reader)
    lines = (tmp_path / "log.txt").read_text().split("\n")
    assert lines[1].endswith("[agent] lines are missing here: the log could not be written")
    assert lines[2].endswith(" again")


def test_half_a_minute_without_a_step_is_fine_and_more_is_worth_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(run_log.time, "monotonic", lambda: now)
    printer = Printer(tmp_path, progress=r"^step \d")
    for begins in ("the first batch", "a later one"):
        now += 30.0
        assert printer.log.quiet_s() == 0.0, begins
        now += 1.0
        assert printer.log.quiet_s() == 31.0, begins
        printer.prints(b"loading\n")
        assert printer.log.quiet_s() == 31.0, "words are no step"
        printer.prints(b"step 1/10\n")
        assert printer.log.quiet_s() == 0.0
    printer.ends()
