"""The memory gate on one step, from Python."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gonogo import check_memory
from gonogo.base.errors import UserError
from gonogo.verdict import Status


def step_of(width: int, batch: int):
    model = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 10))
    optimizer = torch.optim.AdamW(model.parameters())
    return model, optimizer, lambda rows: model(rows).square().mean(), torch.zeros(batch, width)


def small_step():
    return step_of(256, 8)


def test_a_function_of_the_caller_is_traced_without_its_memory() -> None:
    verdict = check_memory(small_step, card="h200")
    assert (verdict.status, verdict.gate, verdict.experiment) == (Status.GO, "memory", "small_step")
    huge = check_memory(lambda: step_of(60_000, 64), card="rtx_5070_ti")  # 14 GB of weights and as much three times
    assert (huge.status, huge.cause) == (Status.NO_GO, "MEMORY")
    (peak,) = [check for check in huge.checks if check.id == "peak_memory"]
    assert isinstance(peak.value, float) and peak.value > 50


def test_a_function_by_name_gives_the_same() -> None:
    by_name = check_memory("tests.memory.test_check:small_step")
    assert by_name.checks[0].value == check_memory(small_step).checks[0].value


def test_what_is_no_step_is_one_sentence() -> None:
    verdict = check_memory(lambda: 3)
    assert verdict.status is Status.UNKNOWN and "returned int: return gonogo.Step" in verdict.summary
    with pytest.raises(UserError, match="unknown 'h2000'"):
        check_memory(small_step, card="h2000")


def test_what_cannot_be_traced_is_unknown() -> None:
    def raises():
        raise RuntimeError("no such table")

    verdict = check_memory(raises)
    assert verdict.status is Status.UNKNOWN and "no such table" in verdict.summary
