"""The terms on which a run is launched, as plain values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gonogo.config.experiment import Training
from gonogo.config.gate_thresholds import MemoryGate
from gonogo.config.target import Release, Ssh, Target
from gonogo.experiment.plan_option import PlanOption
from gonogo.memory.plan_search import explore
from gonogo.runtime.context import Run
from gonogo.stages.run_terms import checkpoint_room, checkpoints_kept, oom_ladder, release_terms
from tests.memory.cards import card, estimator


def laddered(gigabytes: float, options: Sequence[PlanOption] = (), **training: Any) -> list[dict[str, Any]]:
    on = card(gigabytes)
    explored = explore(estimator(on), Training(**training), on, options)
    return oom_ladder(explored, on, MemoryGate())


def test_the_ladder_is_the_plans_and_keeps_the_effective_batch() -> None:
    for gigabytes in (16, 1000):  # a card with much room has one, too
        steps = laddered(gigabytes, micro_batch_size=12, accumulate_grad_batches=2, precision="bf16-mixed")
        batches = [(s["training"]["micro_batch_size"], s["training"]["accumulate_grad_batches"]) for s in steps]
        assert batches == [(8, 3), (6, 4), (4, 6), (3, 8), (2, 12), (1, 24)]
    assert laddered(1000, micro_batch_size=1, precision="bf16-mixed") == []


def test_the_ladder_makes_no_other_model() -> None:
    source = {"slowdown_source": "assumed", "settings": {"checkpoint": True}}
    same = PlanOption(name="checkpointing", exact=True, **source)
    other = PlanOption(name="rank 8", exact=False, **source)
    tight: dict[str, Any] = {"gigabytes": 4.8, "micro_batch_size": 4}
    assert {"checkpoint": True} in [step["settings"] for step in laddered(options=[same], **tight)]
    assert all(step["settings"] == {} for step in laddered(options=[other], **tight))


def test_the_machine_shuts_itself_down_only_where_that_was_asked_for() -> None:
    box = Ssh(host="box", user="root")
    assert release_terms(Target(connection=box)) is None
    assert release_terms(Target(release=Release(how="shutdown"))) is None, "the embedded machine is this one"
    order = release_terms(Target(connection=box, release=Release(how="shutdown", unattended_hours=12)))
    assert order is not None and (order["collected_s"], order["uncollected_s"]) == (900, 43_200)


def test_the_disk_must_have_room_for_each_checkpoint_that_is_kept_and_one_more(stage_run: Callable[..., Run]) -> None:
    run = stage_run("cloud_train")
    assert checkpoint_room(run) is None, "the smoke run left none"
    (run.paths.smoke_train / "checkpoints").mkdir(parents=True)
    for name, size in (("best.ckpt", 3000), ("last.ckpt", 4000)):
        (run.paths.smoke_train / "checkpoints" / name).write_bytes(bytes(size))
    assert checkpoint_room(run) == {"files": 3, "each_bytes": 4000}, "what a command keeps besides is not known"


def test_periodic_and_best_checkpoints_count(stage_run: Callable[..., Run]) -> None:
    run = stage_run("cloud_train")
    training = Training(epochs=100, checkpoint_every_epochs=20, keep_best=3)
    assert checkpoints_kept(run.experiment_config, training) == 2
    assert checkpoints_kept(run.experiment_config.model_copy(update={"command": None}), training) == 2 + 3 + 5
