from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gonogo.cli.main import main
from gonogo.runtime import ledger
from tests.report.page.chains import chain, row
from tests.waiting import LIMIT_S, line_with


def test_how_each_chain_stands_is_shown_with_what_runs_and_what_it_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chain(tmp_path, "learning", experiment="stuck")
    chain(tmp_path, reached="learning")
    ledger.begin(tmp_path / "ledger.sqlite", row("mine", "trace_memory", outcome=ledger.RUNNING))
    (tmp_path / "mine/fast/logs").mkdir(parents=True)
    (tmp_path / "mine/fast/logs/trace_memory.log").write_text("\x1b[2J[bold]looking\n")
    assert main(["watch", "--results", str(tmp_path)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "NO-GO stuck · stopped at learning" in said and "✗ learning" in said
    assert "RUNNING mine" in said and "▶ memory" in said and "▶ trace_memory" in said
    assert "[bold]looking" in said and "\x1b" not in said
    assert main(["watch", "--once", "stuck", "--results", str(tmp_path)]) == 0
    assert "mine" not in capsys.readouterr().out


def test_what_is_not_there_is_said_in_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", "other", "--results", str(tmp_path)]) == 1
    assert "nothing has run for other" in capsys.readouterr().err
    for command in ("watch", "serve"):
        assert main([command, "--results", str(tmp_path / "none")]) == 1
        assert capsys.readouterr().err.count("\n") == 1


def test_a_taken_port_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--port", "99999", "--results", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "--port 99999" in said and said.count("\n") == 1


def test_serve_says_where_it_is_and_ends_with_its_terminal(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "gonogo", "serve", "--port", "0", "--results", str(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        line_with(server, "http://127.0.0.1:")
        server.send_signal(2)
        assert server.wait(LIMIT_S) == 0
