"""The largest value of a script's own argument that a card holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from gonogo.base.errors import UserError
from gonogo.config.experiment import Training
from gonogo.memory.estimate import MemoryEstimate, failed
from gonogo.script.card.vary import RUNS, check_of, largest_batch, search, value_in, with_value
from gonogo.script.request import PassRequest, ScriptCommand
from gonogo.verdict import Status
from tests.memory.cards import card
from tests.script.card.runs import LIMIT_S, SCRIPTS


def command(*arguments: str) -> ScriptCommand:
    return ScriptCommand(words=["train.py", *arguments], path="train.py", arguments=list(arguments))


def needs(size: int, capacity: int) -> MemoryEstimate:
    return MemoryEstimate(
        micro_batch_size=1, accumulate_grad_batches=1, precision="32-true", live_bytes=size, reserved_bytes=size,
        fits=size <= capacity,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "argument", "now", "then"),
    [
        (["--lr", "1", "--batch-size", "32"], "--batch-size {}", 32, ["--lr", "1", "--batch-size", "7"]),
        (["--batch_size=12", "x"], "--batch_size={}", 12, ["--batch_size=7", "x"]),
        (["x"], "-b {}", None, ["x", "-b", "7"]),
        (["data.batch=4", "data.batch=5"], "data.batch={}", 5, ["data.batch=4", "data.batch=7"]),
    ],
)
def test_the_argument_is_changed_where_it_is(
    arguments: list[str], argument: str, now: int | None, then: list[str]
) -> None:
    assert value_in(command(*arguments), argument) == now
    assert with_value(command(*arguments), argument, 7).arguments == then


def test_an_argument_without_a_place_for_the_number_is_refused() -> None:
    with pytest.raises(UserError, match=r"write \{\} where the number goes"):
        with_value(command(), "--batch-size", 7)


@pytest.mark.parametrize(
    ("fixed", "each", "answer"), [(1000, 37, 243), (1000, 9000, 1), (20000, 1, None), (0, 5, 2000)]
)
def test_the_answer_fits_and_the_next_does_not(fixed: int, each: int, answer: int | None) -> None:
    found = search("-b {}", 8, 10_000, lambda value: needs(fixed + each * value, 10_000))
    assert found.largest == answer and found.proven and len(found.tried) <= RUNS
    if answer:
        assert {answer, answer + 1} <= {one.value for one in found.tried}


def test_steps_in_the_need_are_bisected() -> None:
    found = search("-b {}", 8, 100_000, lambda value: needs(1000 * (value // 10 * 10 + 9), 100_000))
    assert found.largest is not None and found.largest <= 99 and len(found.tried) <= RUNS


def test_what_cannot_be_traced_is_unknown() -> None:
    found = search("-b {}", 8, 1000, lambda value: failed(Training(), "ValueError: no"))
    check = check_of(found, card())
    assert check.status is Status.UNKNOWN and "ValueError: no" in check.why


@pytest.mark.slow
def test_a_script_is_run_again_with_another_batch(tmp_path: Path) -> None:
    path = str(SCRIPTS / "adversarial.py")
    words = ScriptCommand(words=[path], path=path)
    request = PassRequest(
        kind="card", command=words, folder=SCRIPTS, scratch=tmp_path, steps=2, limit_s=LIMIT_S
    )  # fmt: skip
    (tmp_path / "work").mkdir()
    on = card(0.5, context_bytes=0)
    found = largest_batch("--batch {}", request, on, tmp_path / "work", lambda line: None)
    fits = {one.value: one.fits for one in found.tried}
    assert found.largest is not None and fits[found.largest] and check_of(found, on).status is Status.GO
    assert not found.proven or fits[found.largest + 1] is False
