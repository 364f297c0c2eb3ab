"""`gonogo init`, in repositories of strangers."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import pytest

from gonogo.cli import site
from gonogo.cli.main import main
from gonogo.experiment.load import load_experiment
from tests.project.conftest import fill, repository
from tests.waiting import LIMIT_S

__all__ = ["repository"]


def files(folder: Path) -> dict[str, str]:
    skipped = {".git", "data", ".snakemake"}
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not skipped & set(path.relative_to(folder).parts)
    }


def test_what_it_writes_is_a_configuration_that_loads(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(repository)
    monkeypatch.chdir(repository)
    assert main(["init"]) == 0
    said = capsys.readouterr()
    assert "data/flowers: 75 .jpg in 3 folders, split into train, val" in said.out and said.err == ""
    assert said.out.rstrip().endswith("snakemake --profile local")
    after = files(repository)
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == {
        "Snakefile", "config/config.yaml", "config/experiments/my_flowers.yaml", "profiles/local/profile.yaml",
        "profiles/cloud/profile.yaml", "profiles/slurm/profile.yaml",
    }  # fmt: skip
    assert all((repository / name / "profile.yaml").is_file() for name in ("local", "cloud", "slurm"))
    settings = site.settings(Path())
    config = settings.experiments["my_flowers"]
    assert (config.data, config.kind, config.shards) == (Path("data/flowers"), "images", 1)
    assert settings.training("my_flowers").epochs == 1 and settings.training("my_flowers", "full").epochs == 12
    assert config.training.micro_batch_size == 32 and config.training.learning_rate == 0.01
    assert load_experiment("my_flowers", config, Path()).lacking() == []
    lines = after["config/experiments/my_flowers.yaml"].splitlines()
    unexplained = [
        line
        for above, line in itertools.pairwise(lines)
        if "#" not in line and "#" not in above and "when:" not in line
    ]
    assert unexplained == []


def test_a_second_time_nothing_is_overwritten(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(repository)
    (repository / "Snakefile").write_text("rule mine:\n")
    (repository / "local").mkdir()
    assert main(["init"]) == 1
    said = capsys.readouterr()
    assert "exists, and was kept: Snakefile, local" in said.err and "snakemake --profile profiles/local" in said.out
    assert (repository / "Snakefile").read_text() == "rule mine:\n"
    edited = repository / "config/experiments/my_flowers.yaml"
    edited.write_text(edited.read_text() + "# mine\n")
    before = files(repository)
    assert main(["init", str(repository)]) == 1
    assert files(repository) == before and "wrote nothing" in capsys.readouterr().out


def test_what_was_not_found_is_said_with_the_place_to_write_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init"]) == 1
    said = capsys.readouterr()
    name = site.known_experiments(Path())[0]
    for key in ("data, kind", "command.train"):
        assert f"name it in config/experiments/{name}.yaml: {key}" in said.err or f"{name}.yaml: {key}" in said.err
    config = site.settings(Path()).experiments[name]
    assert load_experiment(name, config, Path()).lacking() == ["data: TODO is not there"]
    assert main(["init", "nowhere"]) == 2 and "error: nowhere: no such folder" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["gonogo", "mine_*"])
def test_snakemake_plans_what_was_written_under_any_rule_names(name: str, repository: Path) -> None:
    assert main(["init", str(repository)]) == 0
    if "*" in name:
        snakefile = repository / "Snakefile"
        snakefile.write_text(snakefile.read_text().replace("from gonogo\n", f"from gonogo as {name}\n").replace(
            "from mine_*", "from gonogo"))  # fmt: skip
    fill(repository / "data/flowers/val/rose", 9)
    planned = subprocess.run(
        [sys.executable, "-m", "snakemake", "--profile", "local", "-n"],
        cwd=repository, capture_output=True, text=True, check=False, timeout=LIMIT_S,
    )  # fmt: skip
    said = planned.stdout + planned.stderr
    assert planned.returncode == 0 and "Traceback" not in said, said
    assert f"{name.replace('gonogo', '').replace('*', '')}judge_generator" in said
