"""The documented plan for one H200, compared with the GPU: its needs, and where its figures contradict each other."""

from __future__ import annotations

import pytest

from experiments.vqgan3d.experiment import VQGAN3D
from gonogo.config.accelerator import Accelerator
from gonogo.config.experiment import Training
from gonogo.config.load import Settings, load, load_accelerator
from gonogo.experiment.load import load_experiment
from gonogo.forecast.plan_consistency import contradictions
from gonogo.memory.estimate import MemoryEstimate, estimate
from gonogo.memory.request import TraceRequest
from gonogo.memory.trace_process import trace_in_child
from gonogo.quality.volumes.patches import patch_coverage
from tests.conftest import ROOT

NAME = "vqgan3d_full"
GIB = 2**30


@pytest.fixture(scope="module")
def card() -> Accelerator:
    return load_accelerator(ROOT / "config", "h200")


def full(mode: str = "conservative") -> Settings:
    return load({"experiments": NAME, "mode": mode}, ROOT)


def needed(settings: Settings, card: Accelerator, **changes: object) -> MemoryEstimate:
    config = settings.experiments[NAME]
    training = Training.model_validate({**settings.training(NAME).model_dump(), **changes})
    order = TraceRequest(experiment=NAME, experiment_config=config, training=training, architecture=card.architecture)
    return estimate(trace_in_child(order), training, card)


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "said_gb"), [("conservative", 16), ("moderate", 30), ("aggressive", 40)])
def test_each_documented_setting_is_out_of_memory(mode: str, said_gb: int, card: Accelerator) -> None:
    found = needed(full(mode), card)
    assert found.error == "" and found.fits is False
    assert found.needed_bytes is not None and found.needed_bytes > 15 * said_gb * 1e9


@pytest.mark.slow
def test_one_patch_fits_in_32_bits(card: Accelerator) -> None:
    found = needed(full(), card, micro_batch_size=1)
    assert found.fits and found.needed_bytes == pytest.approx(124e9, rel=0.05)
    assert found.parameters == pytest.approx(22.2e6, rel=0.01)  # the discriminators never begin


def test_discriminators_count_only_where_the_run_reaches_their_start() -> None:
    settings = full()
    experiment = load_experiment(NAME, settings.experiments[NAME], ROOT)
    assert isinstance(experiment, VQGAN3D)
    training = settings.training(NAME)
    assert experiment.planned_steps(training) == 30 * 165  # 33 volumes of 20 patches, 4 at a time: never 100,000
    assert experiment.planned_steps(training.model_copy(update={"epochs": 1000})) > 100_000


def test_its_patches_leave_a_third_of_the_voxels_out() -> None:
    patches = full().experiments[NAME].settings["patches"]
    count, share = patch_coverage((512, 512, 604), patches["size"], patches["stride"], patches["tail_anchored"])
    assert count == 20 and share == pytest.approx(0.649, abs=5e-4)
    assert patch_coverage((512, 512, 604), patches["size"], patches["stride"], True) == (54, 1.0)


def test_its_timeline_contradicts_itself() -> None:
    timeline = full().experiments[NAME].expected.timeline
    found = contradictions(timeline, 198, 30)
    assert found == [
        "198 steps of 15 s to 25 s take 49 min 30 s to 1 h 22 min; an epoch is said to take 12 min to 15 min"
    ]
