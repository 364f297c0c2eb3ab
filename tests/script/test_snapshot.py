"""What changed in a repository is found, within bounds."""

from __future__ import annotations

from pathlib import Path

import pytest

from gonogo.script import snapshot as module
from gonogo.script.snapshot import changed, snapshot


def test_new_changed_and_removed_files_are_named(tmp_path: Path) -> None:
    for name in ("kept", "grows", "goes"):
        (tmp_path / name).write_text("x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "__pycache__").mkdir()
    before = snapshot(tmp_path)
    assert changed(before, tmp_path) == []
    (tmp_path / "grows").write_text("xx")
    (tmp_path / "goes").unlink()
    (tmp_path / "folder/new").touch()
    (tmp_path / "__pycache__/x.pyc").touch()
    assert changed(before, tmp_path) == ["folder/new", "goes", "grows"]


def test_a_folder_of_a_million_files_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_OF_A_FOLDER", 10)
    (tmp_path / "data").mkdir()
    for number in range(50):
        (tmp_path / f"data/{number}").touch()
    before = snapshot(tmp_path)
    assert len(before) == 11 and changed(before, tmp_path) == []
    monkeypatch.setattr(module, "MOST_ENTRIES", 5)
    assert len(snapshot(tmp_path)) == 5
