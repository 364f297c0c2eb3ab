from __future__ import annotations

from pathlib import Path

from gonogo.stages.download import new_folder


def test_two_downloads_in_one_second_get_two_folders(tmp_path: Path) -> None:
    first = new_folder(tmp_path, "20260111-024455_run")
    first.mkdir()
    second = new_folder(tmp_path, "20260111-024455_run")
    second.mkdir()
    assert len({first, second, new_folder(tmp_path, "20260111-024455_run")}) == 3
