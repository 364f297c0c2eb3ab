"""Predictions that look like none are stopped: copies, shuffled views, noise, darkness, and too little skill."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from gonogo.base.errors import UserError
from gonogo.config.gate_thresholds import ResultsGate
from gonogo.experiment.starting_checkpoint import final_checkpoint
from gonogo.gates.results import Measurements, TrainingLog, ValidationTrend, judge
from gonogo.learning.trend import converged
from gonogo.quality.measure import measure_part
from gonogo.quality.registry import kind_of
from gonogo.report.answers_page import answers_page
from gonogo.verdict import Status

SCENES, VIEWS, SIDE = 6, 5, 64
Spoil = Callable[[np.ndarray, list[np.ndarray], np.random.Generator], list[np.ndarray]]


def texture(rng: np.random.Generator) -> np.ndarray:
    """A picture with a natural spectrum: noise summed over octaves."""
    total = np.zeros((SIDE, 2 * SIDE, 3), np.float32)
    for octave in range(1, 6):
        noise = rng.normal(size=(2**octave, 2 ** (octave + 1), 3)).astype(np.float32)
        total += cv2.resize(noise, (2 * SIDE, SIDE), interpolation=cv2.INTER_CUBIC) / octave
    return np.clip(120 + 45 * total, 0, 255).astype(np.uint8)


def write(folder: Path, spoil: Spoil | None = None) -> Path:
    """Scenes whose views are windows that move over a wide picture."""
    for scene in range(SCENES):
        rng = np.random.default_rng(scene)
        wide = texture(rng)
        windows = [np.ascontiguousarray(wide[:, start : start + SIDE]) for start in range(4, 4 + 12 * VIEWS, 12)]
        source = np.ascontiguousarray(wide[:, 34 : 34 + SIDE])  # between two views, and none of them
        views = spoil(source, windows, rng) if spoil else windows
        place = folder / f"image_{scene:04d}"
        place.mkdir(parents=True)
        cv2.imwrite(str(place / "input.png"), source)
        for index, view in enumerate(views):
            (place / f"view_{index:03d}").mkdir()
            cv2.imwrite(str(place / f"view_{index:03d}" / "rgb.png"), view)
    return folder


def judged(tmp_path: Path, spoil: Spoil | None = None, **metrics: float) -> tuple[dict[str, Status], str]:
    references = write(tmp_path / "references")
    predictions = write(tmp_path / "predictions", spoil)
    measure_part("views", predictions, tmp_path / "measured")
    measured = Measurements(
        metrics={"skill": 0.7, "psnr_db": 19.0, **metrics},
        beside_references=kind_of("views").prediction_metrics(predictions, [references]),
        pictures=tmp_path / "measured",
    )
    checks, cause = judge(measured, ResultsGate(metrics={"psnr_db": 15}))
    return {check.id: check.status for check in checks}, cause


def test_good_predictions_pass(tmp_path: Path) -> None:
    found, cause = judged(tmp_path)
    assert cause == ""
    assert {name for name, status in found.items() if not status.passes} <= {"leakage", "matches", "poses"}, found


@pytest.mark.parametrize(
    ("spoil", "fails"),
    [
        (lambda x, views, rng: [x.copy() for _ in views], "copy"),
        (lambda x, views, rng: [views[(i + 2) % VIEWS] for i in range(VIEWS)], "geometry"),
        (lambda x, views, rng: [rng.integers(0, 256, x.shape, np.uint8) for _ in views], "noise"),
        (lambda x, views, rng: [(view * 0.04).astype(np.uint8) for view in views], "darkness"),
    ],
    ids=["copies of the input", "shuffled views", "noise", "dark"],
)
def test_predictions_that_look_wrong_are_stopped(tmp_path: Path, spoil: Spoil, fails: str) -> None:
    found, cause = judged(tmp_path, spoil)
    assert found[fails] is Status.NO_GO and cause == "RESULT", found


def test_figures_below_what_was_expected_are_stopped(tmp_path: Path) -> None:
    found, cause = judged(tmp_path, psnr_db=12.0)
    assert found["expected_psnr_db"] is Status.NO_GO and cause == "RESULT"
    assert judged(tmp_path / "again", skill=0.05)[0]["skill"] is Status.NO_GO


@pytest.mark.parametrize(("skill", "said"), [(0.7, "by less than is asked for"), (-0.1, "no better than their mean")])
def test_what_is_said_of_too_little_skill_is_true(skill: float, said: str) -> None:
    checks, _ = judge(Measurements(metrics={"skill": skill}), ResultsGate(min_skill=0.9))
    (found,) = [check for check in checks if check.id == "skill"]
    assert found.status is Status.NO_GO and said in found.why


def test_an_unreported_figure_is_unknown(tmp_path: Path) -> None:
    measure_part("views", write(tmp_path / "predictions"), tmp_path / "measured")
    measured = Measurements(metrics={}, pictures=tmp_path / "measured")
    checks, _ = judge(measured, ResultsGate(metrics={"psnr_db": 15}))
    unknown = [check.id for check in checks if check.status is Status.UNKNOWN and check.needed]
    assert unknown == ["skill", "expected_psnr_db"]


def test_answers_that_are_no_pictures_are_judged_by_their_figures(tmp_path: Path) -> None:
    measured = Measurements(metrics={"skill": 0.7, "accuracy": 0.6}, pictures=None)
    checks, cause = judge(measured, ResultsGate(metrics={"accuracy": 0.5}))
    assert cause == "" and [check.id for check in checks] == ["skill", "expected_accuracy"]
    assert judge(measured, ResultsGate(metrics={"accuracy": 0.9})).cause == "RESULT"
    answers_page(measured.metrics, tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size[0] > 300 and len(sheet.getcolors(1 << 24)) > 2  # type: ignore[arg-type]


def test_an_archive_without_a_checkpoint_is_named(tmp_path: Path) -> None:
    (tmp_path / "archive.json").write_text(json.dumps({"folder": str(tmp_path / "gone")}))
    with pytest.raises(UserError, match=r"gone: no checkpoint .* --forcerun download"):
        final_checkpoint(tmp_path / "archive.json")


def test_a_run_of_the_machinery_is_held_against_nothing_and_says_that_it_is_no_result(tmp_path: Path) -> None:
    measure_part("views", write(tmp_path / "predictions"), tmp_path / "measured")
    measured = Measurements(
        metrics={"skill": -3.0},
        beside_references={"geometry_auc": 0.1},
        pictures=tmp_path / "measured",
        is_result=False,
    )
    checks, cause = judge(measured, ResultsGate(metrics={"psnr_db": 15}))
    assert cause == "" and [check.status for check in checks] == [Status.CAUTION]
    assert "not a result" in checks[0].why


def test_other_files_beside_predictions_are_a_warning_and_halt_nothing(tmp_path: Path) -> None:
    predictions = tmp_path / "predictions"
    predictions.mkdir()
    for index in range(5):
        (predictions / f"part_{index}.json").write_text(json.dumps({"caption": f"part {index}", "text": "add box"}))
        np.save(predictions / f"part_{index}.npy", np.zeros(3))
    measure_part("text", predictions, tmp_path / "measured")
    measured = Measurements(metrics={"skill": 0.7}, pictures=tmp_path / "measured")
    checks, _ = judge(measured, ResultsGate())
    (files,) = [check for check in checks if check.id.endswith("files_judged")]
    assert files.status is Status.CAUTION and "5 of 10 files judged" in files.why


# --- a command without predictions ---


@pytest.mark.parametrize(
    ("log", "status", "wrong"),
    [
        ({}, Status.GO, []),
        ({"loss_at_end": 2.5}, Status.NO_GO, ["loss_fell"]),
        ({"finite": False}, Status.NO_GO, ["loss_fell"]),
        ({"loss_at_start": None, "loss_at_end": None}, Status.UNKNOWN, ["loss_fell"]),
        ({"checkpoint": ""}, Status.NO_GO, ["checkpoint"]),
    ],
)
def test_without_predictions_the_log_is_judged(log: dict[str, object], status: Status, wrong: list[str]) -> None:
    known = {"steps": 100, "finite": True, "loss_at_start": 2.0, "loss_at_end": 1.0, "checkpoint": "model.pt"}
    measured = Measurements(metrics={"val_acc": 0.9}, logged=TrainingLog.model_validate({**known, **log}))
    judged = judge(measured, ResultsGate.model_validate({"metrics": {"val_acc": 0.8}}))
    assert [check.id for check in judged.checks if not check.status.passes] == wrong and judged.predictions is None
    assert max((check.status for check in judged.checks), key=lambda one: one.severity) is status
    missed, _ = judge(measured, ResultsGate.model_validate({"metrics": {"val_acc": 0.95, "f1": 0.5}}))
    assert {check.id for check in missed if not check.status.passes} >= {"expected_val_acc", "expected_f1"}


@pytest.mark.parametrize(
    ("losses", "status", "value"),
    [
        ([0.0732, 0.0860], Status.CAUTION, "rising"),
        ([0.30, 0.20, 0.15, 0.12, 0.10, 0.08], Status.GO, "falling"),
        ([0.30, 0.1, 0.1, 0.1, 0.1, 0.1], Status.GO, "converged"),
        ([0.3], Status.UNKNOWN, None),
    ],
)
def test_whether_the_paid_run_converged_is_computed(losses: list[float], status: Status, value: str | None) -> None:
    found = converged(range(len(losses)), losses)
    trend = ValidationTrend(state=found.state, beyond_noise=found.beyond_noise, text=found.text)
    checks, cause = judge(Measurements(metrics={"skill": 0.7}, validation=trend), ResultsGate())
    (check,) = [check for check in checks if check.id == "convergence"]
    assert (check.status, check.value, cause) == (status, value, "")
    assert value == "converged" or found.text == check.why
