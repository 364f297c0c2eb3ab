"""A symptom gives a patch, and the patch is configuration that this project takes."""

from __future__ import annotations

import pytest
import yaml

from gonogo.base.mappings import deep_merged
from gonogo.config.experiment import Training
from gonogo.config.load import load_accelerator
from gonogo.report.quick_adjustments import adjustments
from tests.conftest import ROOT

H200, CPU, T4 = (load_accelerator(ROOT / "config", name) for name in ("h200", "cpu", "t4"))


def patches(training: Training, card: object = H200) -> dict[str, dict]:
    return {one.symptom: yaml.safe_load(one.patch)["training"] for one in adjustments(training, card)}  # type: ignore[arg-type]


def test_each_symptom_has_its_patch() -> None:
    found = patches(Training(micro_batch_size=4, num_workers=8, learning_rate=1e-4, gradient_clip_val=1))
    assert found == {
        "out of memory": {"micro_batch_size": 2, "accumulate_grad_batches": 2},
        "too slow": {"precision": "bf16-mixed", "num_workers": 16},
        "loss not decreasing": {"learning_rate": 5e-5, "gradient_clip_val": 0.5},
    }


@pytest.mark.parametrize("size", [2, 3, 6, 8])
def test_a_patch_is_taken_and_keeps_the_effective_batch(size: int) -> None:
    training = Training(micro_batch_size=size, accumulate_grad_batches=2)
    for patch in patches(training).values():
        changed = Training.model_validate(deep_merged(training.model_dump(), patch))
        assert changed.effective_batch_size == training.effective_batch_size


def test_what_cannot_be_changed_is_not_offered() -> None:
    assert "out of memory" not in patches(Training(micro_batch_size=1))
    assert "too slow" not in patches(Training(), CPU)
    assert "precision" not in patches(Training(precision="bf16-mixed"))["too slow"]
    assert patches(Training(), T4)["too slow"]["precision"] == "16-mixed"


def test_the_preflight_checklist_shows_them() -> None:
    from gonogo.report.preflight import preflight
    from tests.report.test_preflight import facts

    shown = preflight([], facts(adjustments=adjustments(Training(micro_batch_size=4), H200)))
    assert "training: {micro_batch_size: 2, accumulate_grad_batches: 2}" in shown.replace("`", "")
