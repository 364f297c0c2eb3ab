"""A sweep through the workflow: variants share their data, one that a gate stops leaves the others running."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
import time

import pytest
import yaml

from gonogo.verdict import Status, Verdict
from tests.waiting import LIMIT_S
from tests.workflow.conftest import TINY, Site, make_site

VARIANTS = [
    {"name": "fast", "training.learning_rate": "1e-3"},
    {"name": "slow", "training.learning_rate": 1e-5},
    {"name": "strict", "gates.learning.min_skill": 0.999},
    {"name": "near", "settings.data.near": 2.5},
]
PLANNED_S = 60  # of a hundred variants, on a machine that does other work as well; benchmarks/scale.py measures it


def write(site: Site, name: str, sweep: object) -> None:
    file = site.folder / f"config/experiments/{name}.yaml"
    smoke = {**TINY["smoke"], "max_extension": 1}
    file.write_text(yaml.safe_dump({**TINY, "extends": "tiny", "sweep": sweep, "smoke": smoke}, sort_keys=False))


@pytest.fixture(scope="module")
def rates(tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = make_site(tmp_path_factory.mktemp("rates"))
    write(site, "rates", {"variants": VARIANTS})
    return site


def verdicts(gate: str) -> list[str]:
    return [f"results/rates-{one['name']}/{gate}/verdict.json" for one in VARIANTS]


@pytest.mark.slow
def test_four_variants_share_data_and_the_one_that_is_stopped_stops_no_other(rates: Site) -> None:
    beyond = "results/rates-strict/validate/forecast/forecast.json"  # what only a stopped variant's gate stands before
    done = rates.run(*verdicts("learning"), beyond, "--config", "experiments=rates")
    results = rates.folder / "results"
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr[-4000:]
    # data: made once for three of them, and by the one whose data differ
    assert rates.stages("rates").count("dataset") == 2 and "dataset" in rates.stages("rates-near")
    for name in ("rates-fast", "rates-slow", "rates-strict"):
        assert not {"sample", "dataset", "judge_quality_sample"} & set(rates.stages(name))
        assert (results / name / "dataset").resolve() == (results / "rates/dataset").resolve()
        assert Verdict.read(results / name / "quality/dataset/verdict.json").go
    # gates: one stops, three go on
    stopped = Verdict.read(results / "rates-strict/learning/verdict.json")
    assert stopped.status is Status.NO_GO and (results / "rates-strict/learning/negative_result.md").exists()
    for name in ("rates-fast", "rates-slow", "rates-near"):
        assert Verdict.read(results / name / "learning/verdict.json").go
    # the table: at the end of the run, and by the command
    assert "its variants side by side: results/rates/validate/sweep/table.md" in done.stderr
    rows = list(csv.DictReader((results / "rates/validate/sweep/table.csv").open()))
    skills = [float(row["smoke_skill"]) for row in rows]
    assert len(rows) == 4 and skills == sorted(skills, reverse=True)
    stopped_by = {row["name"]: row["stopped_by"].split()[0] for row in rows if row["stopped_by"]}
    assert stopped_by == {"rates-strict": "learning"}
    said = subprocess.run(
        [sys.executable, "-m", "gonogo", "sweep", "rates"], cwd=rates.folder, env=rates.environment(),
        capture_output=True, text=True, timeout=LIMIT_S, check=True,
    ).stdout  # fmt: skip
    assert [line.split()[0] for line in said.splitlines()[1:]] == [row["name"].removeprefix("rates-") for row in rows]


@pytest.mark.slow
def test_all_that_are_left_are_compared_and_added_up_before_the_best_is_launched(rates: Site) -> None:
    write(rates, "rates", {"variants": VARIANTS, "halving": {"keep": 0.5}})
    before = len(rates.stages("rates-fast"))
    done = rates.run(*verdicts("validate/launch"), "--config", "experiments=rates")
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr[-4000:]
    assert not {"prepare", "dataset", "smoke_train"} & set(rates.stages("rates-fast", before))
    plan = json.loads((rates.folder / "results/rates/validate/sweep/plan.json").read_text())
    passed = ["rates-fast", "rates-slow", "rates-near"]
    best = max(passed, key=plan["skills"].__getitem__)
    assert set(plan["skills"]) == set(passed) and plan["launched"] == [best] and plan["stopped"] == ["rates-strict"]
    for name in passed:
        launch = Verdict.read(rates.folder / "results" / name / "validate/launch/verdict.json")
        status = {check.id: check.status for check in launch.checks}
        assert status["sweep_budget"] is Status.GO
        assert (status["halving"], launch.cause) == ((Status.GO, "") if name == best else (Status.NO_GO, "OUTRANKED"))


def test_a_hundred_variants_are_planned_in_one_dag(fresh: Site) -> None:
    rates = [round(1e-4 * (step + 1), 6) for step in range(25)]
    write(fresh, "many", {"over": {"training.learning_rate": rates, "training.weight_decay": [0, 0.01, 0.02, 0.03]}})
    began = time.monotonic()
    done = fresh.run("-n", "--quiet", "rules", "--config", "experiments=many", timeout_s=LIMIT_S)
    took_s = time.monotonic() - began
    assert done.returncode == 0, done.stderr[-4000:]
    planned = {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", done.stdout, re.M)}
    assert planned["smoke_train"] == 100 and planned["cloud_train"] == 100 and planned["dataset"] == 2
    assert took_s < PLANNED_S


def test_a_wrong_sweep_ends_before_anything_starts(fresh: Site) -> None:
    for sweep, said in (
        ({"over": {"training.learning_rat": [1]}}, "did you mean 'learning_rate'"),
        ({"over": {"settings.data.neer": [1]}}, "config/experiments/rates.yaml: sweep: over: settings.data.neer"),
        ({"table": "absent.csv"}, "sweep.table: absent.csv: cannot be read"),
    ):
        write(fresh, "rates", sweep)
        done = fresh.run("--config", "experiments=rates", timeout_s=LIMIT_S)
        assert done.returncode == 1 and said in done.stderr and "Traceback" not in done.stderr, done.stderr
    assert not (fresh.folder / "results").exists()
