"""LSTM, GRU and simple recurrent layers as a GPU's library runs them: one fused call for all steps and layers.

The call keeps a reserve space from the forward to the backward pass, and takes a workspace for its own length. torch's
fake tensors know of neither, and a processor's build takes such a layer apart, step by step, which allocates otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}
# values of each cell, step and layer that cuDNN keeps; between layers their outputs besides. From two sizes that it
# returned, 736,000,000 B for an LSTM and 864,000,000 B for a GRU of 4 layers of 320 cells and 25,000 steps × samples at
# 32 bits (github.com/pytorch/pytorch/issues/2895), which these numbers give to the byte; a simple layer's is what the
# card's memory was in the same place. NVIDIA publishes no formula, and newer versions may keep more: hence MARGIN.
KEPT = {"lstm": 5, "gru": 6, "rnn_tanh": 1, "rnn_relu": 1}
MARGIN = 1.1
WORKSPACE = 1.5  # of the weights: 1.46 for both in that place
# MIOpen/src/rnn.cpp: `workspaceScale`, and GetReserveSize's twice that, of an LSTM once and the cells' states besides
SCALE = {"lstm": 6, "gru": 4, "rnn_tanh": 1, "rnn_relu": 1}
RESERVED = {"lstm": 7, "gru": 8, "rnn_tanh": 2, "rnn_relu": 2}


@dataclass(frozen=True)
class Layers:
    """A stack of recurrent layers, and what it is run on."""

    cell: str
    layers: int
    directions: int
    hidden: int
    steps: int  # time steps × samples; of packed sequences their sum
    element_bytes: int  # of the dtype that it is computed in
    weights: int  # elements, biases included
    dropout: bool = False

    @property
    def _plane(self) -> int:
        """Bytes of one value of each cell of a layer, for all steps."""
        return self.directions * self.hidden * self.steps * self.element_bytes

    @property
    def _between(self) -> int:
        """Bytes that dropout between the layers keeps: what it was given, and its mask."""
        return (self.layers - 1) * (self._plane + self._plane // self.element_bytes) if self.dropout else 0

    def reserve_bytes(self, miopen: bool) -> int:
        """Kept from the forward pass to the backward pass."""
        if miopen:
            return RESERVED[self.cell] * self.layers * self._plane + self._between
        return (KEPT[self.cell] * self.layers + self.layers - 1) * self._plane + self._between

    def workspace_bytes(self, miopen: bool) -> int:
        """Taken for the length of the call."""
        if miopen:
            return SCALE[self.cell] * self.layers * self._plane
        return round(WORKSPACE * self.weights * self.element_bytes)


class _Fused(torch.autograd.Function):
    """The call and its backward; nothing is computed."""

    @staticmethod
    def forward(
        ctx: Any, layers: Layers, miopen: bool, x: Tensor, states: int, width: int, *rest: Tensor
    ) -> tuple[Tensor, ...]:
        """`rest`: `states` initial states, then the weights. Returns the output (…, width), and the last states."""
        ctx.layers, ctx.miopen, ctx.states, ctx.given = layers, miopen, states, len(rest)
        contiguous = x.contiguous()
        out = x.new_empty(*x.shape[:-1], width)
        last = tuple(torch.empty_like(state) for state in rest[:states])
        reserve = round((1 if miopen else MARGIN) * layers.reserve_bytes(miopen))
        kept = x.new_empty(reserve, dtype=torch.uint8)
        flat = [x.new_empty(layers.weights)] if miopen else []  # aten/src/ATen/native/miopen/RNN_miopen.cpp: weight_buf
        x.new_empty(layers.workspace_bytes(miopen), dtype=torch.uint8)
        del contiguous
        ctx.save_for_backward(x, *rest, out, kept, *flat)
        return out, *last

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, *rest = ctx.saved_tensors
        weights = rest[ctx.states : ctx.given]
        held = [gradient.contiguous() for gradient in gradients]
        size = ctx.layers.workspace_bytes(ctx.miopen)
        contiguous, dx = x.contiguous(), torch.empty_like(x)
        first = [torch.empty_like(state) for state in rest[: ctx.states]]
        x.new_empty(size, dtype=torch.uint8)
        flat = x.new_zeros(sum(weight.numel() for weight in weights))
        x.new_empty(size, dtype=torch.uint8)
        del held, contiguous
        parts = flat.split([weight.numel() for weight in weights])
        found = [part.view(weight.shape) for part, weight in zip(parts, weights, strict=True)]
        return None, None, dx, None, None, *first, *found


def kernels(miopen: bool, assume: Callable[[str], None]) -> dict[str, Callable[..., Any]]:
    """Kernels of torch's recurrent operators, by name.

    Args:
        miopen: AMD's library in the place of cuDNN.
        assume: told what is not known for certain.
    """

    def run(
        cell: str, x: Tensor, states: Sequence[Tensor], weights: Sequence[Tensor], number: int, dropout: float,
        train: bool, bidirectional: bool,
    ) -> tuple[Tensor, ...]:  # fmt: skip
        if not miopen:
            assume(f"{cell}: how much memory cuDNN takes for it is not documented; {MARGIN:g} times a measured rule")
        x, states, weights = _in_one_dtype(x, states, weights)
        hidden, directions = weights[1].shape[0] // GATES[cell], 2 if bidirectional else 1
        layers = Layers(
            cell=cell, layers=number, directions=directions, hidden=hidden, steps=x.shape[:-1].numel(),
            element_bytes=x.element_size(), weights=sum(weight.numel() for weight in weights),
            dropout=train and dropout > 0,
        )  # fmt: skip
        width = directions * states[0].shape[-1]
        return _Fused.apply(layers, miopen, x, len(states), width, *states, *weights)

    def of(cell: str) -> dict[str, Callable[..., Any]]:
        def whole(
            x: Tensor, state: Any, weights: Any, biases: bool, number: int, dropout: float, train: bool,
            bidirectional: bool, batch_first: bool,
        ) -> tuple[Tensor, ...]:  # fmt: skip
            states = state if cell == "lstm" else [state]
            x = x.transpose(0, 1) if batch_first else x
            out, *last = run(cell, x, states, weights, number, dropout, train, bidirectional)
            return out.transpose(0, 1) if batch_first else out, *last

        def packed(
            x: Tensor, lengths: Tensor, state: Any, weights: Any, biases: bool, number: int, dropout: float,
            train: bool, bidirectional: bool,
        ) -> tuple[Tensor, ...]:  # fmt: skip
            states = state if cell == "lstm" else [state]
            return run(cell, x, states, weights, number, dropout, train, bidirectional)

        return {f"{cell}.input": whole, f"{cell}.data": packed}

    return {name: kernel for cell in GATES for name, kernel in of(cell).items()}


def _gru_cell(
    of_input: Tensor, of_state: Tensor, state: Tensor, bias: Tensor | None = None, state_bias: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Output and workspace (aten/src/ATen/native/cuda/RNN.cu)."""
    return torch.empty_like(state), of_input.new_empty(len(state), 5 * state.shape[1])


def _gru_cell_backward(gradient: Tensor, workspace: Tensor, has_bias: bool) -> tuple[Tensor | None, ...]:
    batch, hidden = gradient.shape
    of_input, of_state = (workspace.new_empty(batch, 3 * hidden) for _ in range(2))
    biases = [workspace.new_empty(3 * hidden) if has_bias else None for _ in range(2)]
    return of_input, of_state, torch.empty_like(gradient), *biases


# shapes of a single step's fused operators, where torch knows none
META: dict[str, Callable[..., Any]] = {
    "_thnn_fused_gru_cell": _gru_cell,
    "_thnn_fused_gru_cell_backward": _gru_cell_backward,
}


def _in_one_dtype(
    x: Tensor, states: Sequence[Tensor], weights: Sequence[Tensor]
) -> tuple[Tensor, Sequence[Tensor], Sequence[Tensor]]:
    """Under autocast all is computed in its dtype, on copies (aten/src/ATen/cudnn/AutocastRNN.cpp)."""
    if not torch.is_autocast_enabled("cuda"):
        return x, states, weights
    dtype = torch.get_autocast_dtype("cuda")
    return x.to(dtype), [state.to(dtype) for state in states], [weight.to(dtype) for weight in weights]
