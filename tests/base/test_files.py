from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gonogo.base.digests import digest, folder_digest, manifest
from gonogo.base.errors import UserError
from gonogo.base.files import (
    file_sizes,
    folder_replacing,
    names_below,
    read_json,
    replacing,
    walk,
    write_json,
    write_text,
)
from tests.waiting import LIMIT_S


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


def test_a_walk_finds_files_in_the_order_of_paths_and_no_hidden_ones(tmp_path: Path) -> None:
    for name in ("b.txt", "a/2.txt", "a/1.txt", "a b/3.txt", ".hidden", "a/.snakemake_timestamp", ".cache/4.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "c.txt").symlink_to(tmp_path / "b.txt")
    (tmp_path / "nowhere.txt").symlink_to(tmp_path / "absent")
    (tmp_path / "again").symlink_to(tmp_path / "a")
    found = [path.relative_to(tmp_path).as_posix() for path in walk(tmp_path)]
    assert found == ["a/1.txt", "a/2.txt", "a b/3.txt", "b.txt", "c.txt"]
    assert walk(tmp_path) == sorted(walk(tmp_path))
    assert walk(tmp_path / "absent") == []


def test_json_is_on_the_disk_before_it_has_its_name_and_its_name_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced, sync = [], os.fsync

    def noted(handle: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file"
        synced.append((kind, (tmp_path / "held.json").exists()))
        sync(handle)

    monkeypatch.setattr(os, "fsync", noted)
    write_json(tmp_path / "held.json", {"host": "h"})
    assert synced == [("file", False), ("folder", True)]
    assert read_json(tmp_path / "held.json") == {"host": "h"}


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\x00\x00"])
def test_a_file_that_a_power_cut_emptied_is_named_in_words(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.started.json").write_text(text)
    with pytest.raises(UserError, match=r"run.started.json: is empty or damaged.*remove it"):
        read_json(tmp_path / "run.started.json")


def test_what_is_written_is_readable_for_whom_the_umask_says(tmp_path: Path) -> None:
    script = (
        "import sys; from gonogo.base.files import folder_replacing, write_text; write_text(sys.argv[1], 'x')\n"
        "with folder_replacing(sys.argv[2]) as folder: pass"
    )
    subprocess.run(
        [sys.executable, "-c", script, tmp_path / "a", tmp_path / "b"], umask=0o027, check=True, timeout=LIMIT_S
    )
    assert [oct((tmp_path / name).stat().st_mode & 0o777) for name in "ab"] == ["0o640", "0o750"]


def test_names_count_from_the_folder_however_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a/b.png", "a.png", "a/c/d.png", "a-b/e.png", "a/b/f.png", "Z.png", ".hidden/g.png", "ä/h.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    wanted = sorted(path for path in tmp_path.rglob("*.png") if ".hidden" not in path.parts)
    assert walk(tmp_path) == wanted
    names = [path.relative_to(tmp_path).as_posix() for path in wanted]
    monkeypatch.chdir(tmp_path)
    for folder in (tmp_path, ".", f"{tmp_path}/"):
        assert names_below(folder) == (names, []) and [name for name, _ in file_sizes(folder)] == names
    assert folder_digest(tmp_path) == folder_digest(".")
