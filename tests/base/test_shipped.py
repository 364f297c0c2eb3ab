from __future__ import annotations

from pathlib import Path

import pytest

from gonogo.base import shipped
from gonogo.base.shipped import own_or_shipped, shipped_files, site_of
from gonogo.config.load import load


def test_in_the_repository_they_are_the_repositorys(root: Path) -> None:
    assert shipped_files() == root and (shipped_files() / "Snakefile").is_file()
    assert site_of(root, root / "Snakefile") == site_of(root, root / "workflow/Snakefile") == root


def test_an_installed_workflow_reads_the_working_directorys_config(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert site_of(shipped.IN_WHEEL, shipped.IN_WHEEL / "Snakefile") == tmp_path


@pytest.mark.parametrize("name", ["Snakefile", "workflow/Snakefile"])
def test_a_snakefile_that_takes_the_rules_as_a_module_lies_beside_its_config(
    name: str, tmp_path: Path, root: Path
) -> None:
    (tmp_path / "config").mkdir()
    assert site_of(root, tmp_path / name) == site_of(shipped.IN_WHEEL, tmp_path / name) == tmp_path


def test_a_users_own_file_comes_before_the_shipped_one(tmp_path: Path, root: Path) -> None:
    own, name = tmp_path / "config/targets/local.yaml", "config/targets/local.yaml"
    assert own_or_shipped(own, name) == root / name
    own.parent.mkdir(parents=True)
    own.write_text("")
    assert own_or_shipped(own, name) == own
    assert own_or_shipped(tmp_path / "nowhere", "nowhere") == tmp_path / "nowhere"


def test_a_folder_with_experiments_alone_takes_targets_and_cards_from_the_package(tmp_path: Path, root: Path) -> None:
    (tmp_path / "config/experiments").mkdir(parents=True)
    (tmp_path / "config/experiments/mine.yaml").write_text((root / "config/experiments/eeg.yaml").read_text())
    settings = load({"experiments": "mine", "target": "h200"}, tmp_path)
    assert settings.target.accelerator == "h200" and settings.accelerator.source
