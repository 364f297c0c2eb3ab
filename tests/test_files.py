from __future__ import annotations

from pathlib import Path

import pytest

from gonogo.files import digest, folder_digest, folder_replacing, manifest, replacing, write_text


def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "value.json"
    with pytest.raises(RuntimeError), replacing(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert list(target.parent.iterdir()) == []
    write_text(target, "whole")
    with pytest.raises(RuntimeError), replacing(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "whole"


def test_a_folder_is_whole_or_not_there(tmp_path: Path) -> None:
    target = tmp_path / "data"
    with pytest.raises(RuntimeError), folder_replacing(target) as temporary:
        (temporary / "item").write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    for content in ("first", "second"):
        with folder_replacing(target) as temporary:
            (temporary / content).write_text(content)
    assert [file.name for file in target.iterdir()] == ["second"]


def test_digests_see_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    before = folder_digest(tmp_path)
    (tmp_path / ".hidden").write_text("y")
    assert folder_digest(tmp_path) == before and list(manifest(tmp_path)) == ["a"]
    (tmp_path / "a").rename(tmp_path / "b")
    renamed = folder_digest(tmp_path)
    (tmp_path / "b").write_text("z")
    assert len({before, renamed, folder_digest(tmp_path)}) == 3
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
