"""The batch plan: what fits, what to change first, and the ladder of smaller steps if memory runs out anyway."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from gonogo.base.errors import UserError
from gonogo.config.accelerator import Accelerator
from gonogo.config.experiment import Training
from gonogo.config.gate_thresholds import MemoryGate
from gonogo.config.load import validate
from gonogo.experiment.plan_option import PlanOption
from gonogo.memory.cards import needs
from gonogo.memory.estimate import HELD, MemoryEstimate, failed
from gonogo.memory.judge import Measurements, judge
from gonogo.memory.options import cheapest_first, divisors, precision_options, with_micro_batch
from gonogo.memory.plan import Plan, plan_from
from gonogo.memory.plan_search import Estimator, explore
from gonogo.report.memory_plan import memory_plan
from gonogo.verdict import Status
from tests.memory.cards import GB, card, estimator, traced_step
from tests.memory.synthetic import PER_SAMPLE, WEIGHTS, training_step

GATE = MemoryGate()
REPLAN = MemoryGate(on_no_go="replan")
CHECKPOINTING = PlanOption(
    name="gradient checkpointing", settings={"checkpoint": True}, slowdown=4 / 3,
    slowdown_source="one forward more", exact=True,
)  # fmt: skip


def plan(estimate: Estimator, training: Training, on: Accelerator, gate: MemoryGate) -> Plan:
    return plan_from(explore(estimate, training, on, [CHECKPOINTING]), on, gate)


def made(on: Accelerator, micro: int = 8, accumulate: int = 1, gate: MemoryGate = GATE, **changes: Any) -> Plan:
    training = Training(micro_batch_size=micro, accumulate_grad_batches=accumulate, **changes)
    return plan(estimator(on), training, on, gate)


def test_every_size_has_its_need_its_share_and_a_word() -> None:
    found = made(card(40), micro=8)
    rows = {row.micro_batch_size: row for row in found.batches}
    assert rows[8].verdict == "safe" and rows[8].traced
    assert rows[8].needed_bytes == found.needed_bytes and rows[8].share == pytest.approx(19.5 / 40, rel=0.03)
    assert rows[16].verdict == "tight" and rows[32].verdict == "OOM"
    assert [row.verdict for row in found.batches] == sorted(
        (row.verdict for row in found.batches), key=["safe", "tight", "OOM"].index
    )


def test_activations_per_sample_are_a_line_through_two_traces() -> None:
    line = made(card(40)).line
    assert line is not None
    assert line.per_sample_bytes == pytest.approx(2 * GB, rel=0.1) and line.fixed_bytes == pytest.approx(
        4 * GB, rel=0.1
    )
    third = estimator(card(40))(Training(micro_batch_size=12), {}).needed_bytes
    assert line.at(12) == pytest.approx(third, rel=0.1)


@pytest.mark.parametrize("gigabytes", [8, 13, 24, 80])
def test_the_largest_that_fits_is_confirmed_by_replay(gigabytes: float) -> None:
    on = card(gigabytes)
    traced: list[Training] = []
    found = explore(estimator(on, traced), Training(micro_batch_size=4), on)
    assert found.largest_fitting is not None and len(traced) < 12
    if found.largest_fitting < 32:  # eight effective batches: nobody plans more
        sizes = {candidate.micro_batch_size: candidate.fits for candidate in found.sizes}
        assert sizes[found.largest_fitting] and sizes[found.largest_fitting + 1] is False


def test_a_plan_with_room_costs_few_traces() -> None:
    on = card(640)
    traced: list[Training] = []
    explore(estimator(on, traced), Training(micro_batch_size=8), on, [CHECKPOINTING])
    assert len(traced) <= 3


# --- changes ---------------------------------------------------------------------------------------------


def test_the_end_of_the_search_is_not_the_end_of_the_card() -> None:
    training, on = Training(micro_batch_size=1), card(400)
    found = plan(estimator(on), training, on, GATE)
    assert found.search_ended and found.largest_fitting == 8  # effective batches, of a card that takes 190
    assert {row.verdict for row in found.batches} == {"safe"} and found.batches[-1].micro_batch_size == 8
    assert not made(card(40)).search_ended


def test_settings_go_beyond_the_effective_batch_where_that_is_asked_for() -> None:
    on, training = card(400), Training(micro_batch_size=4)
    kept = {setting.name: setting.micro_batch_size for setting in plan(estimator(on), training, on, GATE).settings}
    assert set(kept.values()) == {4}
    found = plan(estimator(on), training, on, MemoryGate(larger_batches=True))
    sizes = [setting.micro_batch_size for setting in found.settings]
    assert sizes[0] < sizes[1] < sizes[2] and all(size % 4 == 0 for size in sizes)
    shares = [setting.share for setting in found.settings]
    assert shares[0] <= 0.6 and shares[1] < 0.92 < shares[2] <= 1
    assert not found.settings[2].traced and "not traced" in memory_plan(found, "x", "fast", GATE)


def test_the_cards_of_the_catalogue_are_listed_cheapest_first() -> None:
    on = card(40)
    step = traced_step(training_step(8, weights=WEIGHTS, per_sample=PER_SAMPLE))
    cards = {
        "dear": card(40, title="dear", usd_per_hour=(3, 4)), "free": card(80, title="unpriced"),
        "cheap": card(40, title="cheap", usd_per_hour=(1, 2)), "small": card(8, title="small", usd_per_hour=(0.3, 1)),
    }  # fmt: skip
    explored = explore(estimator(on), Training(micro_batch_size=8), on)
    explored.cards = needs(step, "ampere", cards, Training(micro_batch_size=8))
    found = plan_from(explored, on, GATE)
    assert [(row.title, row.word) for row in found.cards] == [
        ("small", "OOM"), ("cheap", "fits"), ("dear", "fits"), ("unpriced", "fits")
    ]  # fmt: skip
    text = memory_plan(found, "x", "fast", GATE)
    assert "% | OOM at " in text and "| cheap | $1.00 to $2.00 |" in text and "| unpriced | not known |" in text
    ids = [check.id for check in judge(Measurements(accelerator=on, explored=explored), GATE).checks]
    assert "cheapest_card" not in ids, "the verdict is about the card that was asked about"


@pytest.mark.parametrize("shorter", [False, True])
def test_where_only_lighter_weights_fit_the_plan_says_so(shorter: bool) -> None:
    lighter = PlanOption(
        name="4 bits", settings={"checkpoint": True}, slowdown=2, slowdown_source="x", exact=False, lessens_weights=True
    )
    on, small = card(40), card(3)

    def estimate_on(training: Training, options: Mapping[str, Any]) -> MemoryEstimate:
        found = estimator(on)(training, options)
        held, needed = 4 * GB if not options else GB, "short" if shorter else "checkpoint"
        return found.model_copy(
            update={
                "components_bytes": {HELD[0]: held},
                "reserved_bytes": held + (GB // 4 if needed in options else 4 * GB),
                "fits": needed in options,
            }
        )

    training = Training(micro_batch_size=8, precision="bf16-true")
    half = PlanOption(name="half", settings={"short": True}, slowdown=0.5, slowdown_source="x", exact=False)
    found = plan_from(explore(estimate_on, training, small, [half, lighter]), small, GATE)
    ladder = [[], ["4 bits"], *([["4 bits", "half"]] if shorter else [])]
    assert found.line is None and [step.options for step in found.ladder] == ladder
    text = memory_plan(found, "x", "fast", GATE)
    assert "| settings.checkpoint | as configured | True |" in text and f"| {', '.join(ladder[-1])} |" in text


def test_the_effective_batch_is_kept() -> None:
    assert with_micro_batch(Training(micro_batch_size=4, accumulate_grad_batches=16), 2).accumulate_grad_batches == 32
    found = made(card(9), micro=6, accumulate=4, gate=REPLAN)
    assert found.replanned and found.training.effective_batch_size == 24
    assert all(
        s["micro_batch_size"] * s["accumulate_grad_batches"] == 24 for s in (step.training for step in found.ladder)
    )
    with pytest.raises(ValueError, match="effective batch of 24 a card"):
        with_micro_batch(Training(micro_batch_size=24), 5)
    assert divisors(24) == [24, 12, 8, 6, 4, 3, 2, 1]


def test_a_reduced_batch_is_logged_with_its_reason() -> None:
    found = made(card(9), micro=8, gate=REPLAN)
    log = {change.key: change for change in found.changes}
    assert (log["micro_batch_size"].old, log["micro_batch_size"].new) == (8, 2)
    assert log["accumulate_grad_batches"].new == 4
    assert log["micro_batch_size"].reason.endswith("% of the card as asked for")
    assert "advised" in made(card(9), micro=8).changes[0].reason
    assert made(card(80), micro=8, gate=REPLAN).changes == []


def test_what_keeps_the_result_comes_before_what_changes_it() -> None:
    half = PlanOption(name="half the sequence", slowdown=0.5, slowdown_source="half the tokens", exact=False)
    slow = PlanOption(name="offload", slowdown=3, slowdown_source="PCIe", exact=True)
    assert [option.name for option in cheapest_first([half, slow, CHECKPOINTING])] == [
        "gradient checkpointing", "offload", "half the sequence"
    ]  # fmt: skip


def test_options_follow_where_the_smallest_micro_batch_is_too_much() -> None:
    # 4 GB fixed and 2 a sample: one sample does not fit 5.6 GB; with checkpointing 0.2 a sample
    found = made(card(5.6), micro=4, gate=REPLAN)
    assert found.status is Status.NO_GO and not found.replanned  # settings make another model: not without asking
    advised = {change.key: change.new for change in found.changes}
    assert advised["settings.checkpoint"] is True
    step = next(step for step in found.ladder if step.verdict != "OOM")
    assert step.options == ["gradient checkpointing"] and step.slowdown == pytest.approx(4 / 3)
    assert step.slowdown_sources == ["gradient checkpointing: one forward more"]


def test_a_change_that_needs_more_is_not_advised() -> None:
    """A 4-bit base whose casts take more than it saves, before checkpointing, which saves."""
    on, base = card(16), estimator(card(16))

    def run(training: Training, options: Any) -> MemoryEstimate:
        found = base(training, options)
        extra = 2 * GB if options.get("four_bit") else 0
        return found.model_copy(update={"reserved_bytes": (found.reserved_bytes or 0) + extra})

    source = {"slowdown": 1.1, "slowdown_source": "a test", "exact": True}
    four_bit = PlanOption(name="4-bit base", settings={"four_bit": True}, **source)
    explored = explore(run, Training(micro_batch_size=8), on, [four_bit, CHECKPOINTING], precisions=False)
    assert set(explored.useless) == {"4-bit base"} and explored.useless["4-bit base"] < 0
    plans = [plan for plan in explored.candidates if plan.options]
    assert plans and all(plan.options == ["gradient checkpointing"] for plan in plans)
    checks, _ = judge(Measurements(accelerator=on, explored=explored), GATE)
    (said,) = [check for check in checks if check.id == "no_saving"]
    assert said.value == "4-bit base saves 0.0 GB here" and "4-bit base the step needs more" in said.why


def test_precision_is_offered_as_the_card_multiplies() -> None:
    training = Training()
    assert [o.training for o in precision_options(training, card())] == [{"precision": "bf16-mixed"}]
    assert [o.training for o in precision_options(training, card(tflops_bf16=None))] == [{"precision": "16-mixed"}]
    for lower in ("bf16-mixed", "bf16-true", "16-mixed", "16-true"):
        assert precision_options(Training.model_validate({"precision": lower}), card()) == []
    assert precision_options(training, card(is_this_machine=True)) == []


def test_three_settings_each_with_a_memory_verdict() -> None:
    found = {setting.name: setting for setting in made(card(24), micro=8, accumulate=2).settings}
    assert list(found) == ["conservative", "moderate", "aggressive"]
    assert found["conservative"].share <= 0.6 and found["conservative"].verdict == "safe"
    sizes = [setting.micro_batch_size for setting in found.values()]
    assert sizes == sorted(sizes) and all(16 % size == 0 for size in sizes)


# --- ladder ----------------------------------------------------------------------------------------------


def test_every_step_of_the_ladder_needs_less_than_the_one_before() -> None:
    found = made(card(30), micro=8, accumulate=2)
    ladder = json.loads(json.dumps([step.model_dump(mode="json") for step in found.ladder]))
    assert ladder[0]["training"] == {"micro_batch_size": 8, "accumulate_grad_batches": 2, "precision": "32-true"}
    needed = [step["needed_bytes"] for step in ladder]
    assert needed == sorted(set(needed), reverse=True) and len(ladder) >= 5
    assert ladder[-1]["options"] == ["gradient checkpointing", "bf16-mixed"] and ladder[-1]["exact"] is False


# --- what cannot be planned ------------------------------------------------------------------------------


def test_a_step_that_cannot_be_traced_has_no_plan() -> None:
    def broken(training: Training, options: Any) -> MemoryEstimate:
        return failed(training, "aten.nonzero: its size depends on data")

    found = plan(broken, Training(), card(), REPLAN)
    assert found.status is Status.UNKNOWN and found.batches == [] and found.ladder == [] and not found.replanned


def test_a_size_that_cannot_be_traced_counts_as_not_fitting() -> None:
    whole = estimator(card(80))

    def limited(training: Training, options: Any) -> MemoryEstimate:
        return whole(training, options) if training.micro_batch_size <= 8 else failed(training, "out of time")

    found = plan(limited, Training(micro_batch_size=8), card(80), GATE)
    assert found.status is Status.GO and found.largest_fitting == 8


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"micro_batch_size": 0}, "micro_batch_size: 0 is wrong"),
        ({"accumulate_grad_batches": 0}, "accumulate_grad_batches: 0 is wrong"),
        ({"learning_rate": float("nan")}, "learning_rate: nan is wrong"),
        ({"weight_decay": float("inf")}, "weight_decay: inf is wrong"),
        ({"precision": "16-mixed = TF32"}, "TF32 is how some cards multiply at 32-true"),
    ],
)
def test_impossible_keys_are_refused_by_name(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        validate(Training, keys, "config/experiments/mine.yaml", "training")
