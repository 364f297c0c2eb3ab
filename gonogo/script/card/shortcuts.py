"""Calls that work on data or on compiled code, and what they do where there is neither."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from gonogo.memory.constant_values import known
from gonogo.memory.torch_private import DisableTorchDispatch, FakeTensor, tree_map_only
from gonogo.script.card import moving, values
from gonogo.script.card.answers import Replacement

Note = Callable[[str], None]


def replacements(note: Note, scalar: Callable[[Tensor], Any]) -> list[Replacement]:
    """(owner, attribute, replacement).

    Args:
        note: called with what a reader of the result should know.
        scalar: the value of a fake tensor with one element.
    """
    tensor: Any = Tensor
    found: list[Replacement] = [
        (torch, "compile", _compile(note)),
        (nn.Module, "compile", lambda self, *args, **kwargs: note(COMPILED)),
        (nn.Module, "_apply", moving.apply),
        (tensor, "data", property(tensor.data.__get__, moving.set_data)),
        (tensor, "pin_memory", lambda self, *args, **kwargs: self),
        (tensor, "is_pinned", lambda self, *args, **kwargs: False),
        (tensor, "item", _item(tensor.item, scalar)),
        (tensor, "numpy", _numpy(tensor.numpy)),
        (tensor, "tolist", _tolist(tensor.tolist)),
        (FakeTensor, "tolist", _tolist(tensor.tolist)),
        (tensor, "__format__", _format(tensor.__format__)),
        (tensor, "__repr__", _repr(tensor.__repr__)),
        (nn.DataParallel, "forward", lambda self, *inputs, **kwargs: self.module(*moved(inputs), **moved(kwargs))),
        (torch.amp.GradScaler, "_maybe_opt_step", _step_without_overflow),
    ]
    return found


def moved(tree: Any) -> Any:
    """All tensors in it on the card."""
    return tree_map_only(Tensor, lambda tensor: tensor.to("cuda"), tree)


COMPILED = "torch.compile is taken as the module itself: what its fusions save or its graphs keep is not counted"


def _compile(note: Note) -> Callable[..., Any]:
    """The model or function itself; its `_orig_mod` is itself as well."""

    def compiled(model: Any = None, *args: Any, **kwargs: Any) -> Any:
        if model is None:
            return compiled
        note(COMPILED)
        if isinstance(model, nn.Module):
            object.__setattr__(model, "_orig_mod", model)
        return model

    return compiled


def _step_without_overflow(scaler: Any, optimizer: Any, state: Any, *args: Any, **kwargs: Any) -> Any:
    return optimizer.step(*args, **kwargs)


def _data(tensor: FakeTensor) -> Tensor:
    """Real data in a fake tensor's place, whatever its size."""
    value = known(tensor)
    with DisableTorchDispatch():
        if value is not None:
            return value.clone()
        return torch.zeros(tuple(tensor.shape), dtype=tensor.dtype, device="cpu")


def _numpy(plain: Callable[..., Any]) -> Callable[..., Any]:
    def converted(tensor: Tensor, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(tensor, FakeTensor):
            return plain(tensor, *args, **kwargs)
        if tensor.fake_device.type == "cuda":
            raise TypeError(
                "can't convert cuda:0 device type tensor to numpy. "
                "Use Tensor.cpu() to copy the tensor to host memory first."
            )
        return plain(_data(tensor), *args, **kwargs)

    return converted


def _item(plain: Callable[..., Any], scalar: Callable[[Tensor], Any]) -> Callable[..., Any]:
    """Not by way of C++, where a guess would become a number like any other."""

    def value(tensor: Tensor) -> Any:
        return scalar(tensor) if isinstance(tensor, FakeTensor) and tensor.numel() == 1 else plain(tensor)

    return value


def _tolist(plain: Callable[..., Any]) -> Callable[..., Any]:
    def converted(tensor: Tensor) -> Any:
        if not isinstance(tensor, FakeTensor):
            return plain(tensor)
        if tensor.dim() == 0:
            return tensor.item()
        left = values.off_card(tensor)
        return plain(_data(left) if isinstance(left, FakeTensor) else left)

    return converted


def _format(plain: Callable[..., str]) -> Callable[..., str]:
    def formatted(tensor: Tensor, spec: str) -> str:
        if isinstance(tensor, FakeTensor) and tensor.dim() == 0:
            return format(tensor.item(), spec)
        return plain(tensor, spec)

    return formatted


def _repr(plain: Callable[..., str]) -> Callable[..., str]:
    def shown(tensor: Tensor, **kwargs: Any) -> str:
        if isinstance(tensor, FakeTensor):
            return f"tensor(..., device='{tensor.fake_device}', size={tuple(tensor.shape)})"
        return plain(tensor, **kwargs)

    return shown
