"""Recurrent layers are one call on a GPU, with a reserve space that neither torch nor a CPU knows of."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from gonogo.config.accelerator import Architecture
from gonogo.experiment.step import Step
from gonogo.memory.devices import card_of
from gonogo.memory.recurrent import MARGIN, Layers
from gonogo.memory.trace import trace_step
from gonogo.memory.trace_result import Traced
from tests.memory.steps import FLOAT, allocated, traced

BATCH, INPUT, HIDDEN = 25, 123, 320


class Last(nn.Module):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x)[0]


def step_of(layer: type[nn.Module], steps: int, architecture: Architecture = "ampere", **keys: Any) -> Traced:
    precision = keys.pop("precision", "32-true")

    def build() -> Step:
        model = Last(layer(INPUT, HIDDEN, **keys))
        return Step(
            model=model, optimizer=lambda: torch.optim.SGD(model.parameters()), precision=precision,
            run=lambda x: model(x).float().square().mean(), batch=torch.zeros(steps, BATCH, INPUT),
        )  # fmt: skip

    return traced(build, card=card_of(architecture))


@pytest.mark.parametrize(("cell", "reserve"), [("lstm", 736_000_000), ("gru", 864_000_000)])
def test_the_reserve_space_is_what_cudnn_returned(cell: str, reserve: int) -> None:
    layers = Layers(cell, layers=4, directions=1, hidden=320, steps=25_000, element_bytes=4, weights=0)
    assert layers.reserve_bytes(miopen=False) == reserve


def test_dropout_and_a_second_direction_keep_more() -> None:
    plain, both = (Layers("lstm", 2, directions, 64, 10, 2, 0) for directions in (1, 2))
    dropped = Layers("lstm", 2, 1, 64, 10, 2, 0, dropout=True)
    for miopen in (False, True):
        assert both.reserve_bytes(miopen) == 2 * plain.reserve_bytes(miopen) > 0
        assert dropped.reserve_bytes(miopen) == plain.reserve_bytes(miopen) + 64 * 10 * (2 + 1)


@pytest.mark.parametrize(
    ("layer", "planes", "precision", "bytes_each"),
    [(nn.LSTM, 11, "32-true", 4), (nn.GRU, 13, "bf16-mixed", 2), (nn.RNN, 3, "16-true", 2)],
)
def test_the_whole_layer_is_one_call_and_a_caution(
    layer: type[nn.Module], planes: int, precision: str, bytes_each: int
) -> None:
    found = step_of(layer, 50, num_layers=2, precision=precision)
    reserve = round(MARGIN * planes * HIDDEN * 50 * BATCH * bytes_each)
    assert reserve in allocated(found.events, "forward", "RNN" if layer is nn.RNN else layer.__name__)
    assert len(found.guesses) == 1 and "cuDNN" in found.guesses[0]
    assert found.operations == step_of(layer, 100, num_layers=2, precision=precision).operations


def test_amds_library_says_what_it_keeps() -> None:
    found = step_of(nn.LSTM, 50, "cdna3", num_layers=2, batch_first=False)
    assert found.guesses == [] and FLOAT * 7 * 2 * HIDDEN * 50 * BATCH in allocated(found.events, "forward")


def test_a_single_step_of_a_gru_is_fused_too() -> None:
    class Steps(nn.GRUCell):
        def forward(self, x: torch.Tensor, hx: torch.Tensor | None = None) -> tuple[torch.Tensor]:
            return (super().forward(x[1], super().forward(x[0])),)

    found = step_of(Steps, 2)
    assert allocated(found.events, "forward").count(FLOAT * 5 * HIDDEN * BATCH) == 2


class Texts(nn.Module):
    """Texts of different lengths, packed; the lengths are constants, or are computed from the texts."""

    def __init__(self, known: bool) -> None:
        super().__init__()
        self.known, self.layer = known, nn.LSTM(INPUT, HIDDEN)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        lengths = torch.arange(1, BATCH + 1) if self.known else x.detach().gt(0).any(-1).sum(0).cpu()
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=False)
        out, length_again = nn.utils.rnn.pad_packed_sequence(self.layer(packed)[0])
        assert out.shape == (BATCH, BATCH, HIDDEN) and length_again.tolist() == list(range(1, BATCH + 1))
        return out


def packed_step(known: bool) -> Step:
    model = Texts(known)
    return Step(
        model=model, optimizer=lambda: torch.optim.SGD(model.parameters()),
        run=lambda x: model(x).square().mean(), batch=torch.zeros(BATCH, BATCH, INPUT),
    )  # fmt: skip


@pytest.mark.skipif(torch.__version__.startswith("2.8."), reason="with torch 2.8 packed texts are UNKNOWN")
def test_packed_texts_take_what_their_lengths_say() -> None:
    found = traced(lambda: packed_step(known=True))
    steps = BATCH * (BATCH + 1) // 2
    made = allocated(found.events, "forward")
    assert FLOAT * steps * INPUT in made and round(MARGIN * 5 * HIDDEN * steps * FLOAT) in made
    unknown = trace_step(lambda: packed_step(known=False))
    assert unknown.events is None and "_pack_padded_sequence" in unknown.error
