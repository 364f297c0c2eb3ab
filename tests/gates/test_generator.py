"""The generator gate: bounds that the experiment names, held against what its `prepare` returned."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from gonogo.base.errors import UserError
from gonogo.config.gate_thresholds import GeneratorGate
from gonogo.config.load import load_experiment, validate
from gonogo.gates.generator import Measurements, judge, measured
from gonogo.verdict import Check, Status

GOOD = {"own_view_psnr_db": 28.0, "rotated_coverage": 0.92, "rotated_brightness": 0.97, "items": 7}


@pytest.fixture(scope="module")
def shipped(root: Path) -> GeneratorGate:
    """The bounds of `cvs`."""
    given = load_experiment(root / "config/experiments", "cvs").gates["generator"]
    return validate(GeneratorGate, given, "cvs.yaml")


def judged(returned: dict[str, Any], gate: GeneratorGate) -> tuple[dict[str, Check], str]:
    checks, cause = judge(Measurements.model_validate_json(measured(returned).model_dump_json()), gate)
    return {check.id: check for check in checks}, cause


@pytest.mark.parametrize(
    ("changes", "failed"),
    [
        ({}, []),
        ({"own_view_psnr_db": 17.9}, ["own_view_psnr_db"]),
        ({"own_view_psnr_db": 18.0, "rotated_coverage": 0.5, "rotated_brightness": 0.45}, []),
        ({"own_view_psnr_db": 5.0, "rotated_brightness": 0.44}, ["own_view_psnr_db", "rotated_brightness"]),
        ({"rotated_coverage": 0.2}, ["rotated_coverage"]),
        ({"rotated_coverage": math.nan}, ["rotated_coverage"]),
    ],
)
def test_what_is_out_of_its_bounds_is_named(shipped: GeneratorGate, changes: dict, failed: list[str]) -> None:
    checks, cause = judged({**GOOD, **changes}, shipped)
    assert [name for name, check in checks.items() if check.status is Status.NO_GO] == failed
    assert cause == ("GENERATOR" if failed else "")
    assert all(checks[name].why and checks[name].hint for name in failed)


def test_a_miss_is_told_in_the_experiments_own_words(shipped: GeneratorGate) -> None:
    checks, _ = judged({**GOOD, "own_view_psnr_db": 5.0}, shipped)
    assert checks["own_view_psnr_db"].why == "the decoder does not reproduce the pictures that it is given (5)"
    assert checks["own_view_psnr_db"].threshold == ">= 18"


def test_both_bounds_are_held() -> None:
    gate = GeneratorGate.model_validate({"loss": {"at_least": 0.1, "at_most": 0.3}})
    for value, status in ((0.05, Status.NO_GO), (0.1, Status.GO), (0.3, Status.GO), (0.31, Status.NO_GO)):
        assert judged({"loss": value}, gate)[0]["loss"].status is status


def test_data_without_a_generator_passes() -> None:
    checks, cause = judged({}, GeneratorGate({}))
    assert [check.status for check in checks.values()] == [Status.GO] and cause == ""


def test_what_cannot_be_judged_is_unknown(shipped: GeneratorGate) -> None:
    checks, cause = judged({"own_view_psnr_db": 28.0}, shipped)
    assert checks["rotated_coverage"].status is Status.UNKNOWN and cause == ""
    assert checks["rotated_coverage"].why == "prepare did not return rotated_coverage; it returned own_view_psnr_db"
    checks, cause = judged(GOOD, GeneratorGate({}))
    (check,) = checks.values()
    assert check.status is Status.UNKNOWN and "gives no threshold" in check.why
    assert "own_view_psnr_db: {at_least: …}" in check.hint


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(UserError, match="prepare returned psnr: 'good', which is not a number"):
        measured({"psnr": "good"})


@pytest.mark.parametrize(
    ("old", "now"),
    [
        ({"min_own_view_psnr_db": 25}, "{own_view_psnr_db: {at_least: 25}}"),
        ({"min_rotated_brightness": "0.6"}, "{rotated_brightness: {at_least: 0.6}}"),
        ({"max_loss": 2.5}, "{loss: {at_most: 2.5}}"),
        ({"psnr": 3}, "{psnr: {at_least: 3}}"),
    ],
)
def test_a_threshold_without_its_metric_says_what_to_write_now(old: dict, now: str) -> None:
    with pytest.raises(UserError) as caught:
        validate(GeneratorGate, old, "config/experiments/mine.yaml", "gates.generator")
    assert str(caught.value).startswith("config/experiments/mine.yaml: gates.generator: thresholds are named by the")
    assert f"write in its file `gates: {{generator: {now}}}`" in str(caught.value)


def test_a_bound_that_bounds_nothing_is_refused() -> None:
    with pytest.raises(UserError, match=r"gates.generator.psnr: give `at_least`, `at_most` or both"):
        validate(GeneratorGate, {"psnr": {}}, "mine.yaml", "gates.generator")


def test_a_misspelt_bound_is_corrected() -> None:
    with pytest.raises(UserError, match=r"psnr.at_leest: unknown key 'at_leest'; did you mean 'at_least'"):
        validate(GeneratorGate, {"psnr": {"at_leest": 3}}, "mine.yaml", "gates.generator")
