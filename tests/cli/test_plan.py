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


def test_times_that_an_experiment_expects_come_to_hours_and_dollars() -> None:
    settings = load({"experiments": "vqgan3d_full", "mode": "conservative", "target": "h200"}, ROOT)
    whole, *rest = times_of(settings, "vqgan3d_full", ROOT)
    assert "4950 steps of 15 to 25 s each" in whole and "20 h 38 min to 34 h 22 min" in whole
    assert "$74.04 to $123.41 at $3.59/h" in whole
    assert any("an epoch is said to take" in line for line in rest), "165 steps are no 12 to 15 minutes"
