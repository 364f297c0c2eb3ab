"""The variants of a sweep, together: what they cost before one is launched, the data they share, how they stand."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from gonogo.base.ranges import Range
from gonogo.base.units import dollars
from gonogo.cli.main import main
from gonogo.experiment.load import load_experiments_or_exit
from gonogo.forecast.forecast import Forecast
from gonogo.forecast.sweep_plan import SweepPlan
from gonogo.runtime import ledger
from gonogo.runtime.context import Run
from gonogo.runtime.ledger import Row
from gonogo.stages.plan_sweep import plan_sweep
from gonogo.stages.shared_data import link_data, owners
from gonogo.verdict import Check, Status, Verdict
from tests.stages.conftest import Files

OVER = {"over": {"training.epochs": [1, 2, 3]}}


@pytest.fixture
def swept(stage_run: Callable[..., Run], tmp_path: Path) -> Callable[..., Run]:
    def run(sweep: Any = OVER, **keys: Any) -> Run:
        file = tmp_path / "config/experiments/rates.yaml"
        modes = {"mine": {"training": {"epochs": 2}}, "plain": {}}
        file.write_text(yaml.safe_dump({"extends": "mine", "modes": modes, "sweep": sweep, **keys}))
        (tmp_path / "config/config.yaml").write_text("experiments: [rates]\nmode: plain\n")
        made = stage_run("plan_sweep", experiments="rates", mode="plain")
        return dataclasses.replace(made, experiment="rates", mode="plain")

    return run


def forecast(usd: Range | None) -> str:
    none = Range(low=0, mid=0, high=0)
    return Forecast(
        steps=1, step_s=none, hours=none, usd=usd, setup_hours=none, around_hours=none, usd_per_hour=1.0, basis=""
    ).model_dump_json()


def test_what_passed_is_added_up(swept: Callable[..., Run], tmp_path: Path) -> None:
    run = swept()
    variants = [one.name for one in run.settings.sweeps["rates"]]
    files = [run.settings.paths(name).forecast for name in variants[:2]]
    for file, usd in zip(files, (1.0, 2.5), strict=True):
        file.parent.mkdir(parents=True)
        file.write_text(forecast(Range(low=usd / 2, mid=usd, high=2 * usd)))
    out = tmp_path / "plan.json"
    inputs, params = Files(forecasts=[str(file) for file in files]), Files(variants=variants)
    plan_sweep(run, inputs, Files(plan=str(out)), params)
    plan = SweepPlan.model_validate_json(out.read_text())
    assert (plan.launched, plan.stopped, plan.unforecast) == (variants[:2], variants[2:], [])
    assert (plan.usd.low, plan.usd.mid, plan.usd.high) == (1.75, 3.5, 7.0)
    assert f"2 of 3 variants passed their gates: {dollars(3.5)}" in run.log.getvalue()
    files[1].write_text(forecast(None))
    plan_sweep(run, inputs, Files(plan=str(out)), params)
    assert SweepPlan.model_validate_json(out.read_text()).unforecast == [variants[1]]


def test_data_are_shared_where_nothing_differs_that_they_depend_on(swept: Callable[..., Run]) -> None:
    variants = [
        {"name": "a", "training.epochs": 3},
        {"name": "more", "dataset_items": 8},
        {"name": "more-too", "dataset_items": 8, "training.epochs": 3},
        {"name": "strict", "gates.quality.max_bad_items": 0.0},
        {"name": "learns", "gates.learning.min_validations": 1},
    ]
    settings = swept({"variants": variants}).settings
    found = owners(settings, load_experiments_or_exit(settings))
    own = {name.removeprefix("rates-"): owner.removeprefix("rates-") for name, owner in found.items()}
    assert own == {
        "rates": "rates", "a": "rates", "more": "more", "more-too": "more", "strict": "strict", "learns": "rates",
    }  # fmt: skip
    # what is read by a variant's name is what it shares; data that it made itself are kept
    (settings.config.results_dir / "rates/sample").mkdir(parents=True)
    (settings.config.results_dir / "rates-learns/sample").mkdir(parents=True)
    found = owners(settings, load_experiments_or_exit(settings))
    assert found["rates-learns"] == "rates-learns"
    link_data(settings, found)
    assert (settings.config.results_dir / "rates-a/sample").resolve().parent.name == "rates"
    assert settings.paths("rates-a").approval == settings.paths("rates").approval
    assert not (settings.config.results_dir / "rates-learns/sample").is_symlink()
    link_data(settings, {name: name for name in found})
    assert not (settings.config.results_dir / "rates-a/sample").is_symlink()


def test_a_setting_that_nothing_reads_is_named(swept: Callable[..., Run]) -> None:
    settings = swept({"over": {"settings.depth": [1, 2]}}).settings
    with pytest.raises(SystemExit, match=r"error: config/experiments/rates.yaml: sweep: over: settings.depth: unknown"):
        load_experiments_or_exit(settings)


def test_the_table_has_the_best_first(swept: Callable[..., Run], capsys: pytest.CaptureFixture[str]) -> None:
    settings = swept().settings
    for name, skill in (("rates-epochs-1", 0.2), ("rates-epochs-3", 0.7)):
        folder = settings.paths(name).experiment
        (folder / "logs").mkdir(parents=True)
        (folder / "learning").mkdir()
        (folder / "smoke_train").mkdir()
        (folder / "learning/measurements.json").write_text(json.dumps({"evaluations": [{"skill": skill}]}))
        (folder / "smoke_train/training.json").write_text(json.dumps({"steps": 20, "train_loss": [0.5, 0.25]}))
        for gate, scope in (("generator", ""), ("quality", "sample"), ("quality", "dataset"), ("learning", "")):
            stops = name == "rates-epochs-1" and gate == "learning"
            check = Check(id="x", title="x", value=1, status=Status.NO_GO if stops else Status.GO)
            place = folder / gate / scope / "verdict.json"
            place.parent.mkdir(parents=True, exist_ok=True)
            Verdict(
                experiment=name, gate=gate, scope=scope, status=check.status, cause="DIVERGING" if stops else "",
                checks=[check], inputs_digest="d", mode="", summary="s", measured_at="2026-01-01T00:00:00Z",
            ).write(place)  # fmt: skip
        ledger.add(settings.config.results_dir / "ledger.sqlite", Row("s", name, "", "smoke_train", 0, 60, usd=1.5))
    assert main(["sweep", "rates"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["variant", "epochs-3", "epochs-1", "epochs-2"]
    assert "NO-GO" in lines[2] and "learning DIVERGING" in lines[2] and "$1.50" in lines[2]
    assert main(["sweep", "rates", "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["training.epochs"], row["smoke_skill"], row["smoke_steps"]) for row in rows] == [
        ("3", "0.7", "20"), ("1", "0.2", "20"), ("2", "", ""),
    ]  # fmt: skip
    assert main(["sweep", "rates", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["values"] == {"training.epochs": 3}
    assert main(["sweep", "mine", "--mode", "mine"]) == 1 and "mine.yaml: sweep: missing" in capsys.readouterr().err
