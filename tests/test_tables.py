"""Figures in the pages are those of benchmarks/*.json."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.figures import circumstances
from tools import tables
from tools.generated import filled


@pytest.mark.parametrize("page", tables.PAGES)
def test_the_pages_tables_are_those_of_the_measured_figures(page: str, root: Path) -> None:
    text = (root / page).read_text()
    assert filled(text, tables.PAGES[page], "schema") == text


def test_a_new_figure_changes_the_page(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page, figures = "docs/benchmarks.md", tables.read("chain")
    monkeypatch.setattr(tables, "read", lambda name: {**figures, "chain_overhead_s": 4321.0})
    text = (root / page).read_text()
    assert "4321.0" in filled(text, {**tables.PAGES[page], "chain": tables.chain()}, "schema")


def test_a_peer_that_was_stopped_is_slower_than_the_time_it_had(monkeypatch: pytest.MonkeyPatch) -> None:
    figures = tables.read("transfer")
    line = "small_lossy"
    measured = {**figures, "seconds": {**figures["seconds"], line: {"gonogo": 14.5, "rsync": 63.5}}}
    none = {name: [] for name in figures["stopped"]}
    stopped = {**measured, "stopped": {**none, line: ["rsync"]}, f"{line}_ratio": 4.38}
    monkeypatch.setattr(tables, "read", lambda name: stopped)
    assert "| > 63.5 |" in tables.transfer() and tables.transfer().count("> 4.38") == 1


def test_a_cell_that_was_not_measured_is_empty() -> None:
    assert tables.table(("a", "b"), [("1", "")]) == "| a | b |\n| --- | --- |\n| 1 | |"


def test_every_new_file_says_when_and_where() -> None:
    found = circumstances()
    assert (
        set(found) == {"date", "machine", "software"} and "torch" in found["software"] and "cores" in found["machine"]
    )
