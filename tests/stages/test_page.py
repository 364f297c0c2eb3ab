"""What the page says of where its results are from, and what to run next."""

from __future__ import annotations

from pathlib import Path

import pytest

from gonogo.config.load import load
from gonogo.report.page.state import ChainState, chain_state
from gonogo.stages.page import command_now, page_of
from tests.conftest import ROOT
from tests.report.page.chains import chain


def test_the_query_of_an_address_may_be_a_key_and_is_not_shown(tmp_path: Path) -> None:
    chain(tmp_path / "results", "learning")
    settings = load({"experiments": "cvs", "results_dir": str(tmp_path / "results")}, ROOT)
    config = settings.experiments["cvs"]
    address = "https://example.org/w.onnx?token=a-secret"
    named = config.model_copy(update={"settings": {**config.settings, "model": {"fetch": {address: "ab" * 32}}}})
    settings.experiments["mine"] = named
    page = page_of(settings, chain_state(tmp_path / "results", "mine"))
    assert "https://example.org/w.onnx?\u2026" in page and "a-secret" not in page


@pytest.mark.parametrize(
    ("archived", "command"),
    [
        ('{"folder": "my archive/run"}', "gonogo review 'my archive/run'"),
        ("{}", "again"),
        ("[", "again"),
        ("", "again"),
    ],
)
def test_a_finished_run_is_reviewed_where_its_archive_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, archived: str, command: str
) -> None:
    monkeypatch.setattr(ChainState, "finished", True)
    state = ChainState("mine", "validate", tmp_path / "mine", [], [])
    (tmp_path / "mine/validate/download").mkdir(parents=True)
    (tmp_path / "mine/validate/download/archive.json").write_text(archived)
    assert command_now(state, "again") == command
