"""What every command has in common: its help, the folder that it is run in, and its errors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gonogo.cli.main import COMMANDS, main
from gonogo.cli.remote import known_runs
from tests.waiting import LIMIT_S

# each with what it needs to get as far as the folder's config
NEEDS_A_FOLDER = [
    ["next"], ["next", "cvs"], ["steps"], ["steps", "local"], ["plan", "cvs"], ["compare", "cvs", "eeg"],
    ["memory", "--experiment", "cvs"], ["schedule", "cvs"], ["attach"], ["stop"],
    ["release"], ["approve", "cvs", "--by", "Ada"], ["runs"], ["health", "--device", "cpu", "--experiment", "cvs"],
    ["review", "archive"],
]  # fmt: skip


@pytest.mark.parametrize("words", NEEDS_A_FOLDER, ids=" ".join)
def test_in_an_empty_folder_one_sentence_says_what_to_do(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) != 0
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("error: ") and said.err.count("\n") == 1
    assert any(advice in said.err for advice in ("folder that holds config/", "run the workflow", "nothing has run",
                                                 "name the folder of a run"))  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_its_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    line = COMMANDS[command][1]
    assert line[1:] in " ".join(capsys.readouterr().out.split()) or command == "inspect"


def test_help_lists_each_command_with_one_line_and_imports_none() -> None:
    code = "import sys; from gonogo.cli.main import main\ntry: main(['--help'])\nfinally: print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=LIMIT_S)
    *said, modules = done.stdout.splitlines()
    for command, (_, line) in COMMANDS.items():
        (row,) = [row for row in range(len(said)) if said[row].split()[:1] == [command]]
        assert "".join(line.split()) in "".join("".join(said[row : row + 2]).split())
    assert not {"torch", "numpy", "pydantic", "rich"} & set(modules.split())


def site(folder: Path, results: str) -> None:
    """A folder whose config.yaml keeps its results elsewhere, with a ledger and a sample there."""
    from gonogo.runtime import ledger

    (folder / "config").mkdir()
    (folder / "config" / "config.yaml").write_text(f"results_dir: {results}\n")
    ledger.add(folder / results / "ledger.sqlite", ledger.Row("s", "cvs", "", "sample", 1.0, 2.0))
    (folder / results / "cvs" / "sample").mkdir(parents=True)
    (folder / results / "cvs" / "sample" / "a.png").write_text("a picture")


def test_results_are_looked_for_where_config_yaml_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    site(tmp_path, "elsewhere")
    monkeypatch.chdir(tmp_path)
    assert main(["runs"]) == 0 and "s/cvs" in capsys.readouterr().out
    assert main(["approve", "cvs", "--by", "Ada"]) == 0 and (tmp_path / "elsewhere/cvs/approval.json").exists()
    assert main(["runs", "--results", "nowhere"]) == 1 and "nowhere/ledger.sqlite" in capsys.readouterr().err
    assert known_runs(tmp_path / "elsewhere", "local") == []


def test_an_experiments_class_is_found_in_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config" / "experiments").mkdir(parents=True)
    (tmp_path / "config" / "config.yaml").write_text("experiments: [mine]\n")
    (tmp_path / "config" / "experiments" / "mine.yaml").write_text("class: only_in_this_folder:Mine\n")
    (tmp_path / "only_in_this_folder.py").write_text("class Other: pass\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    assert main(["next"]) == 0
    assert "module 'only_in_this_folder' has no class 'Mine'" in capsys.readouterr().out


def test_a_wrong_config_is_one_sentence_for_every_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.yaml").write_text("bugdet_usd: 20\n")
    monkeypatch.chdir(tmp_path)
    for words in (["runs"], ["next", "cvs"], ["plan", "cvs"], ["attach"]):
        assert main(words) != 0
        assert "did you mean 'budget_usd'?" in "".join(capsys.readouterr())


@pytest.mark.parametrize("hours", ["-5", "nan", "inf", "five"])
def test_a_length_that_is_none_is_refused(hours: str) -> None:
    with pytest.raises(SystemExit):
        main(["schedule", "cvs", "--hours", hours])
