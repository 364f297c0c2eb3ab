"""Which files are code, and which of them a stage depends on."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gonogo.base.errors import UserError
from gonogo.experiment.source_files import (
    code_files,
    named_files,
    repository_files,
    source_digest,
    without_unused,
)
from tests.waiting import LIMIT_S


def make(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_hidden_folders_and_caches_are_no_code(tmp_path: Path) -> None:
    make(
        tmp_path,
        {
            "repo/train.py": "", "repo/data/vocabulary.txt": "", "repo/.git/objects/ab/cd": "", "repo/.git/HEAD": "",
            "repo/.env": "", "repo/__pycache__/train.cpython-311.pyc": "", "repo/old.pyc": "",
            "repo/notes/.ipynb_checkpoints/notes.ipynb": "", "repo/notes/notes.ipynb": "",
        },
    )  # fmt: skip
    names = [file.relative_to(tmp_path).as_posix() for file in code_files(tmp_path / "repo")]
    assert names == ["repo/data/vocabulary.txt", "repo/notes/notes.ipynb", "repo/train.py"]
    assert code_files(tmp_path / "repo/train.py") == [tmp_path / "repo/train.py"]


def test_links_that_lead_out_of_the_code_are_refused_and_hidden_folders_are_not_walked(tmp_path: Path) -> None:
    make(tmp_path, {"repo/model/a.py": "", "repo/model/.git/config": "token", "home/id_ed25519": "key"})
    model, key = tmp_path / "repo/model", tmp_path / "home/id_ed25519"
    (model / "same.py").symlink_to("a.py")
    (model / "nowhere.py").symlink_to("gone.py")
    (model / "folder").symlink_to(tmp_path / "home")
    assert [file.name for file in named_files([Path("model")], tmp_path / "repo")] == ["a.py", "same.py"]
    for target in (key, Path(".git/config"), Path("../../home/id_ed25519")):
        (model / "data.json").symlink_to(target)
        with pytest.raises(UserError, match=r"model/data\.json: a link out of .*, or to something hidden .*Copy it in"):
            named_files([Path("model")], tmp_path / "repo")
        (model / "data.json").unlink()
    (tmp_path / "repo/key.py").symlink_to(key)
    assert named_files([Path("key.py")], tmp_path / "repo"), "what `code` names itself is meant"


@pytest.mark.parametrize(
    "line",
    [
        "from mine.predict import picture",
        "from mine import predict",
        "from .predict import picture",
        "import mine.predict as p",
        "def late():\n    from mine import (\n        layers,\n        predict,\n    )",
        "this is not ( Python, and names predict",
    ],
)
def test_what_another_file_imports_is_kept(tmp_path: Path, line: str) -> None:
    make(tmp_path, {"predict.py": "", "train.py": line, "unused.py": "", "readme.md": "import unused"})
    files = [tmp_path / name for name in ("predict.py", "readme.md", "train.py", "unused.py")]
    assert without_unused(files, [files[0], files[3]], {}) == files[:3]


def test_what_is_imported_through_another_is_kept(tmp_path: Path) -> None:
    make(tmp_path, {"train.py": "import show", "show.py": "import predict", "predict.py": "", "other.py": ""})
    files = sorted(tmp_path.iterdir())
    assert [file.stem for file in without_unused(files, files[:3], {})] == ["predict", "show", "train"]


def test_methods_are_left_out_with_their_decorators_and_nothing_else_is(tmp_path: Path) -> None:
    file = tmp_path / "experiment.py"
    texts = [
        "class Mine:\n    x = 1\n\n    @old\n    def predict(self):\n        return 1\n",
        "class Mine:\n    x = 1\n\n    @new\n    def predict(self):\n        return [\n            2,\n        ]\n",
        "class Mine:\n    x = 2\n\n    @new\n    def predict(self):\n        return 2\n",
        "class Other:\n    x = 1\n\n    @old\n    def predict(self):\n        return 2\n",
    ]
    found = []
    for text in texts:
        file.write_text(text)
        found.append(source_digest([file], tmp_path, {file: ("Mine.predict",)}))
    assert found[0] == found[1] and len(set(found)) == 3


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    make(tmp_path, {"a/__init__.py": "one", "b/__init__.py": "two"})
    files = [tmp_path / "a/__init__.py", tmp_path / "b/__init__.py"]
    before = source_digest(files, tmp_path, {})
    make(tmp_path, {"a/__init__.py": "two", "b/__init__.py": "one"})
    assert source_digest(files, tmp_path, {}) != before


def test_of_a_repository_what_git_tracks_is_code(tmp_path: Path) -> None:
    files = ["train.py", "lib/net.py", "notes.txt", ".hidden/a.py", "results/a.json", "config/experiments/a.yaml",
             "config/model.yaml", "Snakefile", "local/profile.yaml"]  # fmt: skip
    make(tmp_path, dict.fromkeys([*files, "new.py", "new.bin", "ignored.py"], ""))
    (tmp_path / ".gitignore").write_text("ignored.py\n")

    def found() -> list[str]:
        return [file.relative_to(tmp_path).as_posix() for file in repository_files(tmp_path)]

    code = ["config/model.yaml", "lib/net.py", "new.py", "notes.txt", "train.py"]
    assert found() == sorted([*code, "ignored.py", "new.bin"])
    git = ["git", "-C", str(tmp_path)]
    subprocess.run([*git, "init", "-q"], check=True, timeout=LIMIT_S)
    subprocess.run([*git, "add", "--all", "--force", *files], check=True, timeout=LIMIT_S)
    assert found() == code
    (tmp_path / "notes.txt").unlink()  # tracked, and not there
    assert "notes.txt" not in found()
