"""Pages in a browser: each gate's NO-GO, a GO, a running chain."""

from __future__ import annotations

from pathlib import Path

import pytest

from gonogo.gates.registry import GATES
from gonogo.report.page.html import chain_page
from gonogo.report.page.state import chain_state
from gonogo.runtime import ledger
from tests.report.page.browser import browser, faults
from tests.report.page.chains import chain, row

__all__ = ["browser"]


def page(results: Path, name: str) -> Path:
    out = results / f"{name.replace('/', '_')}.html"
    out.write_text(chain_page(chain_state(results, "mine"), "snakemake --profile local --config experiments=mine"))
    return out


@pytest.mark.slow
@pytest.mark.parametrize("gate", [gate.path for gate in GATES])
def test_each_gates_no_go_is_readable_on_the_first_screen(gate: str, browser, tmp_path: Path) -> None:
    chain(tmp_path, gate)
    assert faults(browser, page(tmp_path, gate)) == []


@pytest.mark.slow
def test_a_running_chain_is_readable_on_the_first_screen(browser, tmp_path: Path) -> None:
    chain(tmp_path, reached="learning")
    ledger.begin(tmp_path / "ledger.sqlite", row("mine", "trace_memory", outcome=ledger.RUNNING))
    (tmp_path / "mine/fast/logs").mkdir(parents=True)
    (tmp_path / "mine/fast/logs/trace_memory.log").write_text("looking at the step\n" * 40 + "x" * 4000)
    assert faults(browser, page(tmp_path, "running")) == []


def test_the_browser_finds_what_is_wrong_with_a_page(browser, tmp_path: Path) -> None:
    (tmp_path / "bad.html").write_text(
        "<title>x</title><h1 style='margin-top:2000px;color:#eee;background:#fff'>low</h1><div style='width:3000px'>"
        "<img src='http://192.0.2.1/x.png'><script>throw Error('wrong')</script>"
    )
    found = "\n".join(faults(browser, tmp_path / "bad.html"))
    for fault in (
        "asks http://192.0.2.1",
        "wrong",
        "does not hold the cause",
        "pixels wide",
        "image-alt",
        "html-has-lang",
    ):
        assert fault in found, found
