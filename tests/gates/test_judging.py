"""The gates' names agree with the workflow's rules and with the config."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

from gonogo.config.gate_thresholds import Gates
from gonogo.gates import judging, registry
from gonogo.gates.generator import Measurements as GeneratorMeasurements
from gonogo.verdict import Status


def test_every_gate_has_a_judge_a_rule_and_thresholds(root: Path) -> None:
    rules = "\n".join(file.read_text() for file in (root / "workflow/rules").glob("*.smk"))
    assert {gate.name for gate in registry.GATES} == set(Gates.model_fields)
    for gate in registry.GATES:
        assert re.search(rf"^checkpoint judge_{gate.name}:", rules, re.M)
        assert re.search(rf"^rule {gate.measured_by}:", rules, re.M)
        module = importlib.import_module(gate.module)
        assert callable(module.judge) and module.Measurements


def test_dummy_data_is_told_by_every_gate_and_never_green(tmp_path: Path) -> None:
    measured = tmp_path / "measurements.json"
    GeneratorMeasurements(inputs_digest="d").write(measured)
    gate = registry.gate("generator")
    found = judging.measurements(gate, [measured])
    real, judgement = judging.judge(gate, found, Gates(), experiment="e")
    dummy, _ = judging.judge(gate, found, Gates(), experiment="e", dummy_data=True)
    assert real.checks == next(iter(judgement))
    assert (real.status, dummy.status) == (Status.GO, Status.CAUTION)
    assert dummy.summary.startswith("dummy data") and dummy.checks[1:] == real.checks


def test_what_stopping_saves_is_known_once_it_is_forecast(tmp_path: Path) -> None:
    forecast = tmp_path / "forecast.json"
    assert judging.saved_by_stopping(forecast).usd is None
    forecast.write_text('{"hours": {"low": 2, "mid": 2.5, "high": 3}, "usd": {"low": 4, "mid": 5, "high": 6}}')
    assert judging.saved_by_stopping(forecast).usd == 5 and judging.saved_by_stopping(forecast).seconds == 9000
