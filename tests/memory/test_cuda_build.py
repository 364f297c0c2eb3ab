"""A torch that is built with CUDA, on a machine without a GPU, traces the same as the CPU build."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator

import pytest
import torch
from torch import nn

from gonogo.memory import fake_gpu, no_driver
from gonogo.memory.devices import Card
from gonogo.memory.events import Events
from tests.memory.steps import dense, traced


def events() -> Events:
    found = traced(dense(lambda: nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1)), 16, 64)).events
    assert found is not None
    return found


def rows(address: int | None) -> ctypes.Array[ctypes.c_void_p]:
    return (ctypes.c_void_p * fake_gpu.TABLE_ROWS).from_address(address or 0)


@pytest.fixture
def cuda_build(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A CUDA build without a GPU: a guard, hooks that say so, and a query for the GPU's context that raises."""
    if torch.backends.cuda.is_built():
        yield
        return
    fake_gpu.register_guard()
    raises = rows(fake_gpu.hooks_table().value)[fake_gpu.HAS_PRIMARY_CONTEXT]
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: True)
    with fake_gpu.replaced_hooks():
        rows(fake_gpu.hooks_table().value)[fake_gpu.HAS_PRIMARY_CONTEXT] = raises
        yield


def test_a_cuda_build_without_a_card_traces_the_same_bytes(request: pytest.FixtureRequest) -> None:
    before = events()
    request.getfixturevalue("cuda_build")
    after = events()
    assert after.size.tolist() == before.size.tolist() and after.ops == before.ops


@pytest.mark.usefixtures("cuda_build")
@pytest.mark.parametrize("card", [False, True])
def test_torch_asks_its_own_hooks_only_where_there_is_a_card(card: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if no_driver.answer_for_one_gpu():
        pytest.skip("torch says of itself that there is a GPU, from now on")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: card)
    own = fake_gpu.hooks_table().value
    with fake_gpu.fake_gpu(Card(), lambda size: None):
        assert (fake_gpu.hooks_table().value == own) is card
    assert fake_gpu.hooks_table().value == own
