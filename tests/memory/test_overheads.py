"""What comes beside the tensors: shown apart, kept workspaces replayed, soft ones never a reason to stop."""

from __future__ import annotations

from typing import get_args

import pytest

from gonogo.config.accelerator import Architecture
from gonogo.config.experiment import Training
from gonogo.memory.components import ACTIVATIONS, activations_by_module, components
from gonogo.memory.estimate import CACHED, estimate
from gonogo.memory.overheads import WORKSPACES, additions, is_matrix_product
from gonogo.memory.trace_result import Traced
from tests.memory.cards import GB, card, traced_step
from tests.memory.synthetic import WEIGHTS, training_step

TRAINING = Training(micro_batch_size=4)


def test_every_architecture_has_its_workspaces_with_their_sources() -> None:
    assert set(WORKSPACES) == set(get_args(Architecture))
    assert all(item.source for items in WORKSPACES.values() for item in items)


def test_only_what_the_step_calls_is_added() -> None:
    names = {item.name for item in additions(card(), ["aten.relu.default"])}
    assert len(names) == 1 and "context" in names.pop()
    assert [item.kind for item in additions(card(), ["aten.addmm.default"])] == ["context", "kept"]
    assert [item.kind for item in additions(card(), ["aten.convolution_backward.default"])] == ["context", "soft"]


@pytest.mark.parametrize(
    ("operation", "multiplies"),
    [
        ("aten.addmm.default", True), ("aten.bmm.default", True), ("aten.linear_backward.default", True),
        ("aten._scaled_dot_product_flash_attention.default", True), ("aten.upsample_bilinear2d.vec", False),
        ("aten.native_layer_norm.default", False),
    ],
)  # fmt: skip
def test_matrix_products_are_known_by_name(operation: str, multiplies: bool) -> None:
    assert is_matrix_product(operation) is multiplies


def test_kept_workspaces_are_replayed_and_the_context_is_not() -> None:
    with_products = estimate(traced_step(training_step(4)), TRAINING, card())
    without = estimate(traced_step(training_step(4, op="aten.relu.default")), TRAINING, card())
    assert with_products.live_bytes == without.live_bytes + 8_519_680
    assert with_products.components_bytes["cuBLAS workspace"] == 8_519_680
    assert with_products.reserved_bytes is not None and with_products.reserved_bytes > without.reserved_bytes
    assert with_products.needed_bytes == with_products.reserved_bytes + GB // 2


def test_soft_workspaces_are_shown_and_never_refuse_a_step() -> None:
    convolution = training_step(4, op="aten.convolution.default")
    tight = estimate(traced_step(training_step(4, op="aten.relu.default")), TRAINING, card(40))
    assert tight.needed_bytes is not None
    exact = card(tight.needed_bytes / GB)
    found = estimate(traced_step(convolution), TRAINING, exact)
    assert sum(item.bytes for item in found.additions if not item.hard) == 900_000_000
    assert found.fits and found.needed_bytes == tight.needed_bytes


def test_components_sum_up_to_what_the_allocator_reserves() -> None:
    found = components(training_step(4), {0: "moving average"})
    assert found["weights and buffers"] + found["moving average"] == WEIGHTS
    assert found[ACTIVATIONS] == 8 * GB and next(iter(found)) == ACTIVATIONS
    assert activations_by_module(training_step(4), {}) == {"Linear": 8 * GB}
    whole = estimate(traced_step(training_step(4)), TRAINING, card())
    assert sum(whole.components_bytes.values()) == whole.reserved_bytes and whole.components_bytes[CACHED] >= 0


def test_this_machines_processor_has_no_caching_allocator() -> None:
    here = card(16, is_this_machine=True, architecture="cpu")
    found = estimate(traced_step(training_step(4)), TRAINING, here)
    assert found.reserved_bytes == found.live_bytes and found.fits is True
    assert estimate(traced_step(training_step(7)), TRAINING, here).fits is False


def test_what_could_not_be_traced_has_no_number() -> None:
    found = estimate(Traced(1, 1, "32-true", error="aten.nonzero: its size depends on data"), TRAINING, card())
    assert found.needed_bytes is None and found.fits is None and "nonzero" in found.error
