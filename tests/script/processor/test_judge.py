"""The judge alone, on facts that no script need be run for."""

from __future__ import annotations

from gonogo.script.processor.facts import LossSeries, Memorised, OptimizerFacts, ProcessorFacts, SeenError
from gonogo.script.processor.judge import judge
from gonogo.verdict import Check, Status


def facts(**more: object) -> ProcessorFacts:
    """Of a healthy run of forty steps, but for what is given."""
    losses = LossSeries(where="train.py:9", steps=list(range(40)), values=[2.0 - 0.03 * step for step in range(40)])
    optimizer = OptimizerFacts(
        name="Adam", where="train.py:10", steps=40, windows=39, learning_rates=[1e-3] * 40, norms=[1.0] * 40,
        changes=[1e-3] * 40, backwards_per_step=1,
    )  # fmt: skip
    whole = ProcessorFacts(ending="enough", steps=40, losses=[losses], optimizers=[optimizer])
    return whole.model_copy(update=more)


def stopped(found: ProcessorFacts) -> list[Check]:
    parts = judge(found)
    return [check for check in (*parts.data, *parts.wiring, *parts.learning) if check.status is Status.NO_GO]


def test_a_healthy_run_is_not_stopped() -> None:
    assert stopped(facts()) == [] and judge(facts()).cause == ""


def test_weights_that_stand_still_at_an_end_that_was_found_or_while_warming_up_are_no_fault() -> None:
    for changes in ([1e-3] * 10 + [0.0] * 30, [0.0] * 10 + [1e-3] * 30):
        optimizer = facts().optimizers[0].model_copy(update={"changes": changes})
        assert stopped(facts(optimizers=[optimizer])) == []
    still = facts().optimizers[0].model_copy(update={"changes": [1e-9] * 40})
    assert [check.id for check in stopped(facts(optimizers=[still]))] == ["weight_change"]


def test_a_loss_of_one_batch_that_falls_slowly_but_at_every_step_is_no_fault() -> None:
    flat = LossSeries(where="train.py:9", steps=list(range(40)), values=[2.0 + 0.1 * (step % 3) for step in range(40)])
    slow = Memorised(losses=[2.0 - 1e-4 * step for step in range(24)])
    assert stopped(facts(losses=[flat], memorised=slow)) == []
    still = Memorised(losses=[2.0] * 24)
    assert {check.id for check in stopped(facts(losses=[flat], memorised=still))} == {"one_batch", "loss_falls"}


def test_few_steps_tell_less_of_a_loss_that_rose() -> None:
    rising = [1.0, 1.2, 9.0, 14.0, 16.0, 13.0, 15.0, 16.0]
    few = LossSeries(where="train.py:9", steps=list(range(8)), values=list(rising))
    assert stopped(facts(losses=[few])) == []
    many = LossSeries(where="train.py:9", steps=list(range(40)), values=[*rising, *[15.0, 16.0] * 16])
    assert judge(facts(losses=[many])).cause == "DIVERGING"


def test_what_was_seen_before_the_scripts_error_explains_it() -> None:
    seen = SeenError(check="targets", why="targets contain 4", hint="Number classes from 0.")
    parts = judge(facts(explained=seen))
    assert parts.cause == "DATA" and parts.data[0].why == "targets contain 4"


def test_numbers_that_are_none_survive_their_file() -> None:
    optimizer = facts().optimizers[0].model_copy(update={"changes": [float("nan"), float("inf")]})
    again = ProcessorFacts.model_validate_json(facts(optimizers=[optimizer]).model_dump_json())
    assert str(again.optimizers[0].changes) == "[nan, inf]"
