"""The gates' names agree with the workflow's rules and with the config."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

from gonogo.config.gate_thresholds import Gates
from gonogo.gates import judging, registry, standing
from gonogo.gates.generator import Measurements as GeneratorMeasurements
from gonogo.verdict import Override, Status


def test_every_gate_has_a_judge_a_rule_and_thresholds(root: Path) -> None:
    rules = "\n".join(file.read_text() for file in (root / "workflow/rules").glob("*.smk"))
    names = {gate.split("/")[0] for gate in registry.ORDER}
    assert names == set(registry.JUDGES) == set(registry.MEASURED_BY) == set(Gates.model_fields)
    for name in names:
        assert re.search(rf"^checkpoint judge_{name}:", rules, re.M)
        assert re.search(rf"^rule {registry.MEASURED_BY[name]}:", rules, re.M)
        module = importlib.import_module(registry.JUDGES[name])
        assert callable(module.judge) and module.Measurements


def test_an_override_is_for_one_gate_of_one_experiment() -> None:
    decision = Override(experiment="cvs", gate="quality", by="Ada", reason="seen and accepted")
    assert standing.override_for([decision], "cvs", "quality") is decision
    assert standing.override_for([decision], "cvs", "learning") is None
    assert standing.override_for([decision], "eeg", "quality") is None


def test_dummy_data_is_told_by_every_gate_and_never_green(tmp_path: Path) -> None:
    measured = tmp_path / "measurements.json"
    GeneratorMeasurements(inputs_digest="d").write(measured)
    real = judging.judge("generator", [measured], Gates(), experiment="e").verdict
    dummy = judging.judge("generator", [measured], Gates(), experiment="e", dummy_data=True).verdict
    assert (real.status, dummy.status) == (Status.GO, Status.CAUTION)
    assert dummy.summary.startswith("dummy data") and dummy.checks[1:] == real.checks


def test_what_stopping_saves_is_known_once_it_is_forecast(tmp_path: Path) -> None:
    forecast = tmp_path / "forecast.json"
    assert judging.saved_by_stopping(forecast).usd is None
    forecast.write_text('{"hours": {"low": 2, "mid": 2.5, "high": 3}, "usd": {"low": 4, "mid": 5, "high": 6}}')
    assert judging.saved_by_stopping(forecast).usd == 5 and judging.saved_by_stopping(forecast).seconds == 9000
