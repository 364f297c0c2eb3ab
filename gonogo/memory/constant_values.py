"""Real values of small tensors, carried along beside the fake ones.

A fake tensor has a shape and no data, so `.item()` and `if tensor:` have no answer. Where every operand of an
operation is known (a counter, an attention mask, a schedule), the operation is also run for real, on the processor,
and the answer is exact. Where it is not, the answer is a guess, and the guess is logged.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gonogo.memory.torch_private import DisableTorchDispatch, DynamicOutputShapeException, FakeTensor, tree_map

aten = torch.ops.aten
INDEXED = {  # by masks, too
    aten.index.Tensor, aten.index_put.default, aten.index_put_.default, aten._index_put_impl_.default,
}  # fmt: skip
NOT_WRITTEN = {  # memory as it was found: no value; integers are 0, as they are places that a scatter then fills
    aten.empty.memory_format, aten.empty_like.default, aten.empty_strided.default, aten.new_empty.default,
    aten.new_empty_strided.default,
}  # fmt: skip
LARGEST_FLOAT, LARGEST_INTEGER = 4096, 1 << 17  # elements of tensors whose values are carried along


class _Unknown(Exception):
    pass


class Known:
    """A real tensor beside a fake one. A copy of the fake one, as a moving average begins, gets a copy of it."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor

    def __deepcopy__(self, memo: Any) -> Known:
        with DisableTorchDispatch():
            return Known(self.tensor.clone())


def follow(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> None:
    """Note the values of `out`, the fake result of `func(*args, **kwargs)`, where they are known."""
    results = [out] if isinstance(out, Tensor) else out if isinstance(out, (tuple, list)) else []
    mutates = func._schema.is_mutable
    if not mutates and not all(_small(result) for result in results if isinstance(result, Tensor)):
        return
    try:
        reals = _really(func, args, kwargs)
    except Exception:  # an unknown operand, or no such operation on the processor: no value is known
        if mutates:
            _forget_mutated(func, args)
        return
    for result, value in zip(results, reals, strict=False):
        if isinstance(result, FakeTensor) and isinstance(value, Tensor):
            result.known_value = Known(value)  # type: ignore[attr-defined]


def shaped_by_data(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor | list[Tensor] | None:
    """Fake results of an operation whose results' shapes depend on values, all of them known.

    Under FakeTensorMode. None: not such an operation, or something is not known.
    """
    if torch.Tag.dynamic_output_shape not in func.tags:
        return None
    try:
        reals = _really(func, args, kwargs)
    except Exception:  # as above
        return None
    device = next(argument.device for argument in args if isinstance(argument, Tensor))
    results = [torch.empty(value.shape, dtype=value.dtype, device=device) for value in reals]
    return results[0] if len(results) == 1 else results


def places(tensor: Tensor) -> list[Tensor] | None:
    """Fake indices, one for each dimension, of where a mask whose values are known is true; on a GPU they are made too.

    Under FakeTensorMode. None: its values are not known.
    """
    value = known(tensor)
    if value is None:
        return None
    with DisableTorchDispatch():
        count = int(value.count_nonzero())
    return [torch.empty(count, dtype=torch.long, device=tensor.device) for _ in range(value.dim())]


def _really(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    """Results of the operation on the processor, with the values that its operands are known to have."""
    if torch.Tag.nondeterministic_seeded in func.tags:
        raise _Unknown
    real_args = [_real(argument) for argument in args]
    real_kwargs = {name: _real(argument) for name, argument in kwargs.items()}
    if "device" in real_kwargs:
        real_kwargs["device"] = torch.device("cpu")
    with DisableTorchDispatch():  # else the result is fake
        real = func(*real_args, **real_kwargs)
        if func in NOT_WRITTEN:
            if real.dtype.is_floating_point or real.dtype.is_complex:
                raise _Unknown
            real.zero_()
    return [real] if isinstance(real, Tensor) else list(real) if isinstance(real, (tuple, list)) else []


def known(tensor: Tensor) -> Tensor | None:
    """The tensor's real value, if it is known."""
    if not isinstance(tensor, FakeTensor):
        return tensor if _small(tensor) else None
    beside = getattr(tensor, "known_value", None)
    return None if beside is None or _is_forgotten(beside.tensor) else beside.tensor


def scalar(tensor: Tensor) -> Any:
    """`tensor.item()`, or None if it is not known."""
    value = known(tensor)
    if value is None:
        value = getattr(tensor, "constant", None)
    if value is None:
        return None
    with DisableTorchDispatch():
        return value.item()


def _small(tensor: Any) -> bool:
    if not isinstance(tensor, Tensor):
        return True
    limit = LARGEST_FLOAT if tensor.dtype.is_floating_point or tensor.dtype.is_complex else LARGEST_INTEGER
    return tensor.numel() <= limit


def _real(argument: Any) -> Any:
    if isinstance(argument, Tensor):
        value = known(argument)
        if value is None:
            raise _Unknown
        return value
    if isinstance(argument, (list, tuple)):
        return tree_map(lambda leaf: _real(leaf) if isinstance(leaf, Tensor) else leaf, argument)
    return argument


def _forget_mutated(func: Any, args: tuple[Any, ...]) -> None:
    """Written to with values that are not known: so are all views of the same memory, from now on."""
    for declared, argument in zip(func._schema.arguments, args, strict=False):
        if declared.alias_info is None or not declared.alias_info.is_write:
            continue
        for tensor in argument if isinstance(argument, (list, tuple)) else [argument]:
            beside = getattr(tensor, "known_value", None)
            if beside is not None:
                beside.tensor.untyped_storage()._forgotten = True


def _is_forgotten(value: Tensor) -> bool:
    return getattr(value.untyped_storage(), "_forgotten", False)


def with_places(func: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments with each mask whose values are known as the places where it is true.

    Raises:
        DynamicOutputShapeException: for a mask that is not known where its places are needed: here, or in the backward
            pass, from which no exception comes back (torch loses it while it leaves C++).
    """
    source, indices, *rest = args
    found: list[Any] = []
    for index in indices:
        where = places(index) if index is not None and index.dtype == torch.bool else [index]
        if where is None and func is not aten.index.Tensor and not rest[0].requires_grad:
            return args  # the gradient of what is put there is not asked for
        if where is None:
            raise DynamicOutputShapeException(aten.nonzero.default)
        found += where
    return source, found, *rest
