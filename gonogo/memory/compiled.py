"""Steps that are compiled on the card and traced as they stand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

GRAPHS = ("reduce-overhead", "max-autotune")  # modes that replay CUDA graphs, from memory pools of their own


@contextmanager
def traced_as_written(note: Callable[[str], None]) -> Iterator[None]:
    """Within, nothing is compiled; `note` gets `torch.compile` and its mode where something would have been."""
    plain, of_module = torch.compile, nn.Module.compile

    def compile_(model: Any = None, **options: Any) -> Any:
        note(described(str(options.get("mode") or "")))
        return (lambda function: function) if model is None else model

    def compile_module(module: nn.Module, *args: Any, **options: Any) -> None:
        note(described(str(options.get("mode") or "")))

    nn.Module.compile = compile_module  # type: ignore[assignment, method-assign]
    torch.compile = compile_
    stance = torch.compiler.set_stance("force_eager")
    try:
        with stance:
            yield
    finally:
        torch.compile, nn.Module.compile = plain, of_module  # type: ignore[method-assign]


def described(mode: str) -> str:
    pools = ", with CUDA graphs, which hold memory pools of their own" if mode in GRAPHS else ""
    return f"torch.compile{f' ({mode})' if mode else ''}{pools}"


def is_compiled(model: nn.Module) -> bool:
    """Whether it, or a part of it, was compiled before."""
    return any(
        type(module).__name__ == "OptimizedModule" or getattr(module, "_compiled_call_impl", None) is not None
        for module in model.modules()
    )
