"""The full model on GPUs that can and cannot hold it; nothing is downloaded, and no weight is allocated."""

from __future__ import annotations

import pytest

from gonogo.config.experiment import Training, training_for
from gonogo.config.gate_thresholds import MemoryGate
from gonogo.config.load import load_accelerator, load_experiment
from gonogo.experiment.plan_option import PlanOption
from gonogo.memory.estimate import HELD
from gonogo.memory.judge import Measurements, judge
from gonogo.memory.plan_search import explore
from gonogo.memory.plan_search_process import PlanSearch, explore_in_child
from gonogo.verdict import Status
from tests.conftest import ROOT
from tests.memory.cards import GB, card, estimator


@pytest.mark.slow
def test_eight_billion_weights_in_bf16_do_not_fit_sixteen_gigabytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    config = load_experiment(ROOT / "config/experiments", "cad_mllm_8b")
    task = PlanSearch(
        experiment="cad_mllm_8b", experiment_config=config, training=training_for(config, "validate"),
        accelerator=load_accelerator(ROOT / "config", "rtx_5070_ti"),
    )  # fmt: skip
    explored = explore_in_child(task)
    asked = explored.asked.estimate
    assert asked is not None and asked.parameters == 87_293_952
    assert asked.components_bytes["frozen weights"] == 2 * 8_190_735_360
    checks, cause = judge(Measurements(accelerator=task.accelerator, explored=explored), MemoryGate())
    peak = next(check for check in checks if check.id == "peak_memory")
    assert cause == "MEMORY" and peak.status is Status.NO_GO
    packed = next(plan for plan in explored.candidates if plan.options == ["a base at 4 bits"])
    assert packed.estimate is not None and not packed.fits
    assert packed.estimate.components_bytes["frozen weights"] == 5_962_819_584
    assert any(plan.options[1:] == ["sequences of 8192 tokens"] for plan in explored.candidates), "on top of 4 bits"


def test_where_the_weights_alone_are_too_much_no_batch_is_tried() -> None:
    lighter = PlanOption(name="4 bits", slowdown=2, slowdown_source="x", exact=False, lessens_weights=True)
    other = PlanOption(name="checkpointing", slowdown=2, slowdown_source="x", exact=True)
    traced: list[Training] = []
    on = card(3)
    found = explore(held(estimator(on, traced)), Training(micro_batch_size=8), on, [lighter, other])
    assert found.asked.held_bytes > 3 * GB and found.largest_fitting == 0
    tried = {option for candidate in found.candidates[1:] for option in candidate.options}
    assert "checkpointing" not in tried and tried <= {"4 bits", "bf16-mixed"}
    assert {training.micro_batch_size for training in traced} <= {1, 8}


def held(estimate):  # type: ignore[no-untyped-def]  # of tests.memory.cards
    """The same, its fixed part called what it is."""

    def named(training, options):  # type: ignore[no-untyped-def]
        found = estimate(training, options)
        return found.model_copy(update={"components_bytes": {HELD[0]: 4 * GB}})

    return named
