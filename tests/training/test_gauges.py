"""Gauges of a run: their bounds, what the whole run will take, and what a run that is stopped keeps."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from gonogo.config.expected import Indicator
from gonogo.config.experiment import ExperimentConfig, Training
from gonogo.stages import train as training_program
from gonogo.training import gauges
from gonogo.training.gauges import GaugeWatch, Reestimate
from gonogo.training.lightning_run import train_lightning
from gonogo.training.spec import Limit, RunSpec, TrainingResult
from tests.toy import Toy, config

BUSY = {"gpu_busy_percent": Indicator(at_least=80, then="stop"), "gpu_temperature_c": Indicator(at_most=85)}


def minutes(watch: GaugeWatch, *readings: dict[str, float], epochs: float = 1.0) -> list[str]:
    """What each minute of these readings gives, one reading in ten seconds."""
    found = [watch.take(readings[0], epochs, 0.0)]
    for minute, reading in enumerate(readings):
        found += [watch.take(reading, epochs, 60.0 * minute + 10 * tick) for tick in range(1, 7)]
    return [reason for reason in found if reason]


def test_a_bound_is_judged_by_a_minute_s_median_and_warns_or_stops() -> None:
    said: list[str] = []
    watch = GaugeWatch(BUSY, said.append)
    assert minutes(watch, {"gpu_busy_percent": 97.0, "gpu_temperature_c": 91.0}) == []
    assert said == ["🟡 CAUTION gpu_temperature_c is 91, the median of 1 min; `watch` allows at most 85"]
    assert watch.alerts == [said[0].removeprefix("🟡 CAUTION ")]
    stopped = minutes(GaugeWatch(BUSY, said.append), {"gpu_busy_percent": 12.0, "gpu_temperature_c": 60.0})
    assert stopped == ["gpu_busy_percent is 12, the median of 1 min; `watch` requires at least 80"]


def test_one_reading_is_no_miss_and_a_card_that_cools_down_is_no_alert() -> None:
    said: list[str] = []
    watch = GaugeWatch({"gpu_temperature_c": Indicator(at_most=85)}, said.append)
    for at_s, reading in ((0, 95.0), (20, 70.0), (40, 70.0), (61, 70.0)):
        watch.take({"gpu_temperature_c": reading}, 1.0, at_s)
    assert said == [] and watch.alerts == []


def test_the_reading_that_covers_compilation_stops_nothing() -> None:
    watch = GaugeWatch({"step_s": Indicator(at_most=1, then="stop")}, print)
    readings = [(0.0, 12.0), (70.0, 0.5), (140.0, 0.5), (210.0, 3.0)]
    found = [watch.take({"step_s": step_s}, 1.0, at_s) for at_s, step_s in readings]
    assert [bool(reason) for reason in found] == [False, False, False, True]


def test_a_gauge_waits_for_its_epoch_and_one_without_readings_is_named() -> None:
    late = {"step_s": Indicator(by_epoch=3, at_most=0.1, then="stop")}
    assert minutes(GaugeWatch(late, print), {"step_s": 9.0}, epochs=2.5) == []
    watch = GaugeWatch({"gpu_memory_percent": Indicator(at_most=90)}, print)
    assert minutes(watch, {"step_s": 0.1}) == [] and watch.alerts == ["gpu_memory_percent: no reading"]


def estimate(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seconds: float, *, stops: bool, first_epoch_s: float = 1.0
) -> tuple[str, list[str]]:
    """Of a run of 1000 steps in ten epochs that takes 1 s a step, in its first epoch `first_epoch_s`."""
    said: list[str] = []
    limit = Limit(seconds=seconds, words="budget_usd ($1.00)", usd_per_hour=3.6, stops=stops)
    found, reasons, now_s = Reestimate(limit, tmp_path / "out", said.append), [], 0.0
    for step in range(1, 1001):
        now_s += first_epoch_s if step <= 101 else 1.0
        monkeypatch.setattr(gauges.time, "monotonic", lambda now_s=now_s: now_s)
        (tmp_path / "heartbeat.json").write_text(json.dumps({"elapsed_s": 49 + now_s}))
        reasons.append((step, found.take(step, 1000, 100)))
    told = [(step, reason) for step, reason in reasons if reason]
    assert [step for step, _ in told] in ([], [201]), "once, after the second epoch"
    return "".join(reason for _, reason in told), said


def test_a_run_that_would_break_its_budget_is_stopped_after_its_first_epoch(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = "at the pace of 100 of 1000 steps the run takes 17 min 29 s and $1.05 in all, more than budget_usd ($1.00)"
    warned = f"🟡 CAUTION {text}; the next 100 steps decide whether it stops"
    assert estimate(monkeypatch, tmp_path, 500, stops=True) == (text, [warned])
    assert estimate(monkeypatch, tmp_path, 500, stops=False) == ("", [f"🟡 CAUTION {text}"])
    assert estimate(monkeypatch, tmp_path, 1000, stops=True) == ("", [f"🟡 CAUTION {text}"]), "within its error"
    assert estimate(monkeypatch, tmp_path, 2000, stops=True) == ("", [])


def test_a_first_epoch_that_is_slow_while_caches_fill_stops_no_run_that_keeps_its_budget(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    reason, said = estimate(monkeypatch, tmp_path, 1500, stops=True, first_epoch_s=4.0)
    assert reason == "" and len(said) == 1 and "the next 100 steps decide" in said[0]


def spec(watch: dict[str, Any] | None = None, limit: Limit | None = None, **training: Any) -> RunSpec:
    configured = ExperimentConfig.model_validate({**config().model_dump(by_alias=True), "watch": watch or {}})
    keys = {"epochs": 4, "micro_batch_size": 8, "learning_rate": 0.01, "log_every_steps": 2, **training}
    return RunSpec(
        experiment="toy", experiment_config=configured, training=Training(**keys), data=[], seed=0, limit=limit
    )


def trained(run: RunSpec, out: Path, **options: Any) -> TrainingResult:
    return train_lightning(Toy("toy", run.experiment_config, Path()), run, out, lambda line: None, **options)[0]


@pytest.mark.parametrize(
    ("watch", "limit", "cause"),
    [
        ({"step_s": {"at_most": 1e-9, "then": "stop"}}, None, "WATCH"),
        ({"val_loss": {"at_most": 1e-9, "then": "stop"}}, None, "WATCH"),
        ({}, Limit(seconds=0.01, words="max_hours", stops=True), "BUDGET"),
    ],
)
def test_a_stopped_run_keeps_its_checkpoint_and_can_be_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, watch: dict[str, Any], limit: Limit | None, cause: str
) -> None:
    monkeypatch.setattr(gauges, "WINDOW_S", 0.0)
    result = trained(spec(watch, limit), tmp_path)
    assert (result.cause, result.finite) == (cause, True) and 0 < result.steps < 32
    rest = trained(spec(), tmp_path, checkpoint=tmp_path / "checkpoints/last.ckpt")
    assert (rest.cause, rest.steps) == ("", 32) and len(rest.train_loss) == 32 - result.steps


def test_a_miss_that_warns_is_an_alert_of_the_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gauges, "WINDOW_S", 0.0)
    result = trained(spec({"step_s": {"at_most": 1e-9}}, None, epochs=1), tmp_path)
    assert result.steps == 8 and result.alerts[0].startswith("step_s is ")


@pytest.mark.parametrize(
    ("watch", "limit", "code"),
    [
        ({"step_s": {"at_most": 1e-9, "then": "stop"}}, None, 40),
        ({}, Limit(seconds=0.01, words="max_hours of the target (1 h)", stops=True), 41),
    ],
)
def test_the_program_on_the_machine_says_so_by_its_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, watch: dict[str, Any], limit: Limit | None, code: int
) -> None:
    monkeypatch.setattr(gauges, "WINDOW_S", 0.0)
    (tmp_path / "run.json").write_text(spec(watch, limit).model_dump_json(by_alias=True))
    assert training_program.main([str(tmp_path / "run.json"), str(tmp_path / "out")]) == code


def test_checkpoints_by_steps_keep_the_newest_from_which_a_long_epoch_is_resumed(tmp_path: Path) -> None:
    result = trained(spec(epochs=1, checkpoint_every_steps=3), tmp_path)
    assert result.steps == 8
    assert [path.name for path in (tmp_path / "checkpoints").glob("step_*")] == ["step_000006.ckpt"]
    rest = trained(spec(epochs=1), tmp_path, checkpoint=tmp_path / "checkpoints/step_000006.ckpt")
    assert (rest.steps, len(rest.train_loss)) == (8, 2)


def test_rate_and_pace_stand_in_the_metrics_file(tmp_path: Path) -> None:
    trained(spec(epochs=1), tmp_path)
    rows = list(csv.DictReader((tmp_path / "metrics.csv").open()))
    steps = [row["step"] for row in rows if row["samples_per_s"]]
    assert steps == ["2", "4", "6", "8"]
    assert {float(row["lr-Adam"]) for row in rows if row["lr-Adam"]} == {0.01}
