"""What lies on the processor is real, what lies on the card is fake: both in one process, operation by operation."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gonogo.memory.constant_values import known
from gonogo.memory.fake_gpu import FakeGPUMode
from gonogo.memory.recorder import AllocationRecorder
from gonogo.memory.torch_private import (
    DataDependentOutputException,
    DisableTorchDispatch,
    DynamicOutputShapeException,
    FakeTensor,
    UnsupportedOperatorException,
    has_kernel,
    tree_map_only,
)
from gonogo.memory.trace import explained
from gonogo.script.card import shaped_by_data, values

aten = torch.ops.aten
_DEVICE = torch.ops.prim.device.default
MADE_OF_OTHERS = "CompositeImplicitAutograd"
_PINNED = {aten._pin_memory.default, aten.is_pinned.default}
_SCALAR = aten._local_scalar_dense.default
# what goes wrong in the trace and not in the script; a shape that does not match is a RuntimeError, and the script's
OURS = (
    DataDependentOutputException, DynamicOutputShapeException, UnsupportedOperatorException,
    NotImplementedError, AttributeError, AssertionError, TypeError, KeyError,
)  # fmt: skip


def is_card(device: Any) -> bool:
    """Whether a device, as an operation is given one, is the card."""
    return isinstance(device, torch.device) and device.type == "cuda"


def on_card(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether an operation reads or makes anything there."""
    for argument in (*args, *kwargs.values()):
        if isinstance(argument, FakeTensor) or is_card(argument):
            return True
        if isinstance(argument, (list, tuple)) and any(isinstance(leaf, FakeTensor) for leaf in argument):
            return True
    return False


class HybridMode(FakeGPUMode):
    """FakeTensorMode for operations with something on the card. Real operands become fake for its length."""

    def __init__(self) -> None:
        super().__init__(allow_non_fake_inputs=True, allow_fallback_kernels=False)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if not on_card(args, kwargs):
            with DisableTorchDispatch():
                return func(*args, **kwargs)

        def lifted(tensor: Tensor) -> Tensor:
            return tensor if isinstance(tensor, FakeTensor) else self.from_tensor(tensor)

        real = args[0] if args and isinstance(args[0], Tensor) and not isinstance(args[0], FakeTensor) else None
        args, kwargs = tree_map_only(Tensor, lifted, (args, kwargs))
        out = super().__torch_dispatch__(func, types, args, kwargs)
        return real if real is not None and func._schema.is_mutable else out  # nothing comes back from the card


class CardRecorder(AllocationRecorder):
    """Records what is on the card, and leaves alone what is not.

    Args:
        folder: whose files are the script's own.
        give_up: called with the reason where an operation cannot be traced; it does not return.
    """

    def __init__(self, folder: Path, give_up: Callable[[str], None]) -> None:
        super().__init__("cuda")
        self.folder, self.give_up = folder, give_up
        self._one_at_a_time = threading.RLock()
        self.apart: tuple[str, ...] = ()  # phases that are recorded whatever else is not
        self.hurried = False  # training goes on without being traced, and what it allocates is not recorded
        self.notes: dict[str, None] = {}
        self.seen: Callable[[Any, tuple[Any, ...], Any], None] = lambda func, args, out: None
        self.before: Callable[[], None] = lambda: None

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is _DEVICE and isinstance(args[0], FakeTensor):
            return args[0].fake_device
        kwargs = kwargs or {}
        if func in _PINNED:
            return args[0] if func is aten._pin_memory.default else False
        if kwargs.get("pin_memory"):
            kwargs = {**kwargs, "pin_memory": False}
        if not on_card(args, kwargs):
            with DisableTorchDispatch():
                return func(*args, **kwargs)
        with self._one_at_a_time:
            return self._on_card(func, types, args, kwargs)

    def _on_card(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if func is _SCALAR:
            return self.scalar(args[0])
        if func is aten.equal.default:
            self.guess("aten.equal: its result is not known, True was assumed")
            return True
        return self._traced(func, types, args, kwargs)

    def _traced(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        self.before()
        try:
            args = shaped_by_data.with_full_masks(func, args, self.guess)
            out = shaped_by_data.bounded(func, args, self.guess, self.note)
            if out is None:
                out = super().__torch_dispatch__(func, types, args, kwargs)
            else:
                self._note(out, self._module())
        except OURS as problem:
            if isinstance(problem, DataDependentOutputException) and has_kernel(func.name(), MADE_OF_OTHERS):
                with self:  # in inference mode it comes whole; its parts are answered as anywhere else
                    return func.decompose(*args, **kwargs)
            self.give_up(explained(problem, self))
            raise
        self.seen(func, args, out)
        if isinstance(out, FakeTensor):
            if out.dtype == torch.bool:
                out.about_numbers = _about_numbers(func, args)  # type: ignore[attr-defined]
            if out.fake_device.type == "cpu" and _from_card(args):
                return values.off_card(out)
        elif func is aten._to_copy.default and isinstance(args[0], FakeTensor):
            left = values.off_card(args[0], out)
            if left is not out and known(args[0]) is None and left.is_floating_point() and left.numel() > 1:
                self.note(f"{values.place(self.folder)}: {values.STAND_INS}")
            return left
        return out

    def scalar(self, tensor: Tensor) -> Any:
        """Its value, or one in its place."""
        return values.scalar(tensor, self.step, self.folder, self.assume, self.note)

    def guess(self, what: str) -> None:
        """Assume it, and say where in the script."""
        where = values.place(self.folder)
        self.assume(f"{where}, {what}" if where else what)

    def note(self, what: str) -> None:
        """What a reader should know, and what makes nothing doubtful."""
        self.notes[what] = None

    def _see(self, tensor: Tensor, module: str) -> int | None:
        if self.hurried and self.phase not in self.apart and tensor.untyped_storage()._cdata not in self._blocks:
            return None
        return super()._see(tensor, module)

    @property
    def depth(self) -> int:
        """How many modules are running, one inside the other."""
        return len(self._stack)


def _about_numbers(func: Any, args: tuple[Any, ...]) -> bool:
    """Whether a truth value says that numbers are finite, and nothing else."""
    if str(func).startswith(values.FINITE):
        return True
    if func in (aten.ne.Tensor, aten.eq.Tensor) and args[0] is args[1]:
        return True
    if func in (aten.ne.Scalar, aten.eq.Scalar) and args[1] == float("inf"):
        return True
    bools = [leaf for leaf in args if isinstance(leaf, FakeTensor) and leaf.dtype == torch.bool]
    return bool(bools) and all(getattr(leaf, "about_numbers", False) for leaf in bools)


def _from_card(args: tuple[Any, ...]) -> bool:
    return any(isinstance(argument, FakeTensor) and argument.fake_device.type == "cuda" for argument in args)
