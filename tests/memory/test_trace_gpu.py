"""Where torch's CPU build would be silently wrong about a GPU: each case against what the GPU allocates."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from gonogo.experiment.step import Step
from gonogo.memory.devices import Card
from tests.memory.steps import FLOAT, allocated, dense, peak, traced

BATCH, WIDTH = 64, 512
ACTIVATION = FLOAT * BATCH * WIDTH


def layered(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(WIDTH, WIDTH), *layers, nn.Linear(WIDTH, WIDTH))


@pytest.mark.parametrize("name", ["SiLU", "Mish"])
def test_backward_of_fused_activations_allocates_one_tensor(name: str) -> None:
    found = traced(dense(lambda: layered(getattr(nn, name)()), BATCH, WIDTH))
    assert allocated(found.events, "backward", name) == [ACTIVATION]


@pytest.mark.skipif(torch.__version__.startswith("2.8."), reason="torch 2.8 takes the layer apart")
def test_rms_norm_keeps_one_number_a_row() -> None:
    found = traced(dense(lambda: layered(nn.RMSNorm(WIDTH)), BATCH, WIDTH))
    assert sorted(allocated(found.events, "forward", "RMSNorm")) == [FLOAT * BATCH, ACTIVATION]
    assert sorted(allocated(found.events, "backward", "RMSNorm")) == [FLOAT * WIDTH, ACTIVATION]


def test_dropout_keeps_a_mask_of_one_byte_an_element() -> None:
    found = traced(dense(lambda: layered(nn.Dropout(0.1)), BATCH, WIDTH))
    assert sorted(allocated(found.events, "forward", "Dropout")) == [ACTIVATION // 4, ACTIVATION]


class Attention(nn.Module):
    """Heads of 64 over a sequence, in a batch of 2."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.mix = nn.Linear(WIDTH, WIDTH)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        if self.how == "plain":
            return self.attend(tokens)
        return checkpoint(self.attend, self.mix(tokens), use_reentrant=self.how == "reentrant")

    def attend(self, tokens: torch.Tensor) -> torch.Tensor:
        heads = self.mix(tokens).view(2, -1, WIDTH // 64, 64).transpose(1, 2)
        return F.scaled_dot_product_attention(heads, heads, heads, is_causal=True)


LENGTH = 1024
SQUARE = 2 * (WIDTH // 64) * LENGTH * LENGTH  # elements of the matrix that no kernel of these keeps


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "bf16-true"])
@pytest.mark.parametrize("how", ["plain", "reentrant", "not reentrant"])
def test_attention_keeps_no_square(how: str, precision: str) -> None:
    found = traced(dense(lambda: Attention(how), 2 * LENGTH, WIDTH, precision=precision))
    assert found.events.size.max() < 2 * SQUARE / 4
    kernel = "efficient" if precision == "32-true" else "flash"
    ran = [op for op in found.events.ops if "attention" in op]
    assert ran and all(kernel in op for op in ran)


def test_attention_saves_its_output_and_one_number_a_row() -> None:
    found = traced(dense(lambda: Attention("plain"), 2 * LENGTH, WIDTH))
    made = allocated(found.events, "forward", "Attention")
    output, sums = FLOAT * 2 * LENGTH * WIDTH, FLOAT * 2 * (WIDTH // 64) * LENGTH
    assert output in made and sums in made and sum(made) < output + sums + 100


def test_a_card_without_such_kernels_keeps_the_square() -> None:
    card = Card((10, 1), flash=False, efficient=False)
    assert traced(dense(lambda: Attention("plain"), 2 * LENGTH, WIDTH), card=card).events.size.max() == FLOAT * SQUARE


@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
def test_autocast_is_on(precision: str) -> None:
    found = traced(dense(lambda: layered(nn.ReLU()), BATCH, WIDTH, precision=precision))
    assert allocated(found.events, "forward", "ReLU") == [ACTIVATION // 2]
    weights = [
        size
        for block, size in zip(found.events.block, found.events.size, strict=True)
        if size > 0 and found.kinds.get(block) == "weights"
    ]
    assert sum(weights) == 2 * FLOAT * (WIDTH * WIDTH + WIDTH)


@pytest.mark.parametrize("precision", ["bf16-true", "16-true"])
def test_a_model_in_half_precision_has_half_the_bytes(precision: str) -> None:
    whole, half = (
        traced(dense(lambda: layered(nn.ReLU()), BATCH, WIDTH, precision=name)) for name in ("32-true", precision)
    )
    assert peak(half.events) < 0.55 * peak(whole.events)


def stack() -> nn.Module:
    return nn.Sequential(*(nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(8)))


STACK = 8 * FLOAT * WIDTH * WIDTH


def test_optimizers_take_their_foreach_default() -> None:
    """All weights at once: beside weights, gradients and two moments there is one more copy for a moment."""
    found = traced(dense(stack, 1, WIDTH, optimizer=lambda model: torch.optim.AdamW(model.parameters())))
    assert 5 * STACK <= peak(found.events, "optimizer") < 5.1 * STACK
    one_by_one = traced(
        dense(stack, 1, WIDTH, optimizer=lambda model: torch.optim.AdamW(model.parameters(), foreach=False))
    )
    assert peak(one_by_one.events, "optimizer") < 4.5 * STACK


def test_a_fused_optimizer_needs_nothing_beside_its_state() -> None:
    found = traced(
        dense(stack, 1, WIDTH, optimizer=lambda model: torch.optim.AdamW(model.parameters(), fused=True, lr=0.1))
    )
    assert 4 * STACK <= peak(found.events, "optimizer") < 4.1 * STACK


def test_clipping_takes_its_foreach_default() -> None:
    found = traced(dense(stack, 1, WIDTH, gradient_clip_val=1.0))
    assert any("_foreach_norm" in op for op in found.events.ops)
    assert sum(allocated(found.events, "clip")) < 1000


def test_an_optimizer_that_was_built_before_the_model_moved_still_has_its_parameters() -> None:
    def build() -> Step:
        model = stack()
        return Step(
            model=model, optimizer=torch.optim.Adam(model.parameters()), run=lambda x: model(x).sum(),
            batch=torch.zeros(1, WIDTH),
        )  # fmt: skip

    found = traced(build)
    state = [b for b, kind in found.kinds.items() if kind == "optimizer state"]
    assert (
        found.events.size[(found.events.size > 0)][
            [b in state for b in found.events.block[found.events.size > 0]]
        ].sum()
        == 2 * STACK
    )


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.inner(x)) * torch.sigmoid(x)


def test_autograd_sums_gradients_in_place() -> None:
    found = traced(dense(lambda: nn.Sequential(Residual(), Residual()), BATCH, WIDTH))
    made_by_add = [
        found.events.ops[op] for op, size in zip(found.events.op, found.events.size, strict=True) if size > 0
    ]
    assert "aten.add.Tensor" not in made_by_add


class Reads(nn.Module):
    """Reads a value of its input on the host."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scale = self.inner(x).amax().item()
        return self.inner(x) * scale


class Counts(nn.Module):
    """As many layers as a schedule says, which is computed with tensors."""

    def __init__(self) -> None:
        super().__init__()
        depths = torch.unique(torch.round(torch.exp2(torch.linspace(0, 2, 3)))).int().tolist()
        self.inner = nn.ModuleList(nn.Linear(WIDTH, WIDTH, bias=False) for depth in depths for _ in range(depth))
        self.register_buffer("seen", torch.tensor(0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen += 1
        assert self.seen.item() in (1, 2) and not (self.seen > 5)
        for layer in self.inner:
            x = layer(x)
        return x


def test_a_guessed_value_is_told_with_its_operation() -> None:
    found = traced(dense(Reads, BATCH, WIDTH))
    assert len(found.guesses) == 1 and "aten.amax.default" in found.guesses[0]


def test_values_that_follow_from_constants_are_exact() -> None:
    found = traced(dense(Counts, BATCH, WIDTH))
    assert found.guesses == []
    assert found.parameters == (1 + 2 + 4) * WIDTH * WIDTH


@pytest.mark.skipif(importlib.util.find_spec("transformers") is None, reason="transformers is not installed")
def test_transformers_builds_no_mask_for_texts_of_one_length() -> None:
    from gonogo.memory.builders import allow_torchvision
    from gonogo.memory.library_steps import language_model_step

    allow_torchvision()
    from transformers import AutoConfig, AutoModelForCausalLM

    def build(padded: bool) -> Any:
        config = AutoConfig.for_model(
            "llama", hidden_size=64, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2, vocab_size=64,
        )  # fmt: skip
        step = language_model_step(AutoModelForCausalLM.from_config(config), 2, LENGTH, "SGD")
        if not padded:
            step.batch["attention_mask"][:] = 1
        return step

    whole, padded = traced(lambda: build(False)), traced(lambda: build(True))
    assert not whole.guesses and not padded.guesses
    assert whole.events.size.max() < LENGTH * LENGTH <= padded.events.size.max()
