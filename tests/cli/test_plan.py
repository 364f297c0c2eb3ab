"""`gonogo plan`: what can be known of a run before there is any data."""

from __future__ import annotations

import pytest

from gonogo.cli.main import main
from gonogo.cli.plan import times_of
from gonogo.config.load import load
from tests.conftest import ROOT


def test_the_plan_says_what_fits_and_that_time_is_not_known_yet(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["plan", "eeg"]) == 0
    told = capsys.readouterr().out
    assert "# Memory plan: eeg, validate mode" in told and "🟢" in told.split("## Verdict")[1]
    assert "Not forecast: the time of a step is measured by the smoke run" in told


def test_any_key_is_changed_by_its_dotted_path(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    changes = ["micro_batch_size=4", "training.accumulate_grad_batches=2", "gates.memory.larger_batches=true"]
    assert main(["plan", "eeg", "--target", "h200", "--config", *changes, "settings.data.channels=16"]) == 0
    told = capsys.readouterr().out
    assert "# Memory plan: eeg, custom mode" in told and "micro-batch 4 × 2 = 8 samples a step" in told
    assert "Each with the effective batch that fills its bound" in told
    assert told.index("| NVIDIA GeForce RTX 4090 |") < told.index("| NVIDIA H200 |"), (
        "of the catalogue, the cheapest card first"
    )
    for words, why in (
        (["settings.data.chanels=16"], "settings.data.chanels: unknown key 'chanels'; did you mean 'channels'?"),
        (["training.epoch=3"], "training.epoch: unknown key 'epoch'; did you mean 'epochs'?"),
        (["larger"], "--config: 'larger' should be KEY=VALUE, such as settings.model.width=64"),
    ):
        assert main(["plan", "eeg", "--config", *words]) == 2
        assert why in capsys.readouterr().err


def test_times_that_an_experiment_expects_come_to_hours_and_dollars() -> None:
    settings = load({"experiments": "vqgan3d_full", "mode": "conservative", "target": "h200"}, ROOT)
    whole, *rest = times_of(settings, "vqgan3d_full", ROOT)
    assert "4950 steps of 15 to 25 s each" in whole and "20 h 38 min to 34 h 22 min" in whole
    assert "$74.04 to $123.41 at $3.59/h" in whole
    assert any("an epoch is said to take" in line for line in rest), "165 steps are no 12 to 15 minutes"
