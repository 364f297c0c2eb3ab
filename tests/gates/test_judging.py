"""The gates' names agree with the workflow's rules and with the config."""

from __future__ import annotations

import datetime as dt
import importlib
import re
from pathlib import Path

from gonogo.config.gate_thresholds import Gates
from gonogo.gates import judging, registry
from gonogo.gates.canary import Measurements
from gonogo.gates.generator import Measurements as GeneratorMeasurements
from gonogo.gates.launch import Measurements as LaunchMeasurements
from gonogo.report import wording
from gonogo.verdict import Check, Override, Status, decide

WHEN = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


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
    canary = registry.gate("canary")
    assert judging.saved_by_stopping(canary, forecast).usd is None
    forecast.write_text('{"hours": {"low": 2, "mid": 2.5, "high": 3}, "usd": {"low": 4, "mid": 5, "high": 6}}')
    saved = judging.saved_by_stopping(canary, forecast)
    assert saved.usd == 5 and saved.seconds == 9000 and "that will not be spent" in wording.saved(saved)
    over = judging.saved_by_stopping(registry.gate("results"), forecast)
    assert wording.saved(over) == "nothing: the run is over"


def test_a_hint_names_the_experiment_that_is_judged() -> None:
    measured = LaunchMeasurements(
        items=[], expected_statement="-", hours=None, usd=None, usd_per_hour=0, budget_usd=1, max_hours=1,
        approval=None, sample_digest="d",
    )  # fmt: skip
    asked = Gates.model_validate({"launch": {"approval": "required"}})
    verdict, _ = judging.judge(registry.gate("launch"), measured, asked, experiment="my own")
    (approval,) = [check for check in verdict.checks if check.id == "approval"]
    assert approval.hint.endswith("gonogo approve 'my own' --by YOUR_NAME")


def canary(folder: Path, judged_as: Status | None, **measured: object) -> Measurements:
    """What a canary left: measurements, and its verdict where it has been judged."""
    known = {
        "exit_cause": "finished", "steps": 12, "finite": True, "step_s": 0.2, "planned_step_s_high": 0.2,
        "peak_memory_bytes": 1_000, "planned_peak_bytes": 1_000, "measured_at": WHEN,
    }  # fmt: skip
    measurements = Measurements(**{**known, **measured})
    measurements.write(folder / "measurements.json")
    if judged_as is not None:
        check = Check(id="x", title="A thing", value=1, status=judged_as)
        verdict = decide([check], gate="canary", experiment="e", measured_at=WHEN, inputs_digest="")
        verdict.write(folder / "verdict.json")
    return measurements


def test_a_machine_that_did_not_pass_is_measured_again_and_one_that_did_is_not(tmp_path: Path) -> None:
    gate, decision = registry.gate("canary"), Override(experiment="e", gate="canary", by="Ada", reason="it is enough")

    def after(thresholds: Gates | None = None, override: Override | None = None) -> str:
        return judging.measured_after(gate, tmp_path, thresholds or Gates(), override)

    assert after() == "", "nothing is measured yet"
    canary(tmp_path, None, step_s=9.0)
    assert after() == "", "not judged yet: it was measured by this invocation, or one that was killed"
    canary(tmp_path, Status.NO_GO, step_s=9.0)
    failed = after()
    assert failed == WHEN.isoformat() and after() == failed, "the same in every evaluation, or it would never settle"
    assert after(override=decision) == "", "passed by decision: the measurements are kept"
    assert after(Gates.model_validate({"canary": {"max_slowdown": 100}})) == "", "it passes by now"
    canary(tmp_path, Status.GO, measured_after=failed)
    assert after() == failed, "what it was measured with: Snakemake sees no change"
    assert after(Gates.model_validate({"canary": {"max_slowdown": 0.1}})) == failed, "another threshold only judges"
