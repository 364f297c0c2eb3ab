"""`gonogo compare`: the settings in which two experiments differ."""

from __future__ import annotations

import pytest

from gonogo.cli.config_diff import differences
from gonogo.cli.main import main
from tests.conftest import ROOT


def test_what_changed_between_two_configurations() -> None:
    old = {"training": {"micro_batch_size": 4, "accumulate_grad_batches": 16}, "a": 1}
    new = {"training": {"micro_batch_size": 2, "accumulate_grad_batches": 32}, "a": 1, "b": "x"}
    assert differences(old, new) == [
        ("training.micro_batch_size", "4", "2"), ("training.accumulate_grad_batches", "16", "32"), ("b", "–", "x"),
    ]  # fmt: skip
    assert differences(new, new) == []


def test_old_against_new_as_a_table(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["compare", "cvs", "cvs_dark"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].count("snakemake --profile local --config experiments=") == 2
    assert any("`settings.data.cameras.orbit`" in line and "origin" in line for line in lines)
    assert not any("image_size" in line for line in lines)
