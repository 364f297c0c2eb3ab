"""A GPU that does not exist: under FakeTensorMode, any build of torch behaves as if it had one.

Without a GPU, torch refuses tensors on "cuda" in two places. Autograd asks for the GPU's device guard (whose streams
it would synchronize), and its engine asks the CUDA hooks whether CUDA was built and whether the GPU has a context. A
build with CUDA has a guard. For a CPU-only one, torch has a guard that is implemented in Python
(`torch._C._acc.DeviceGuard`), but registers it for one device type only; it is registered for CUDA here through the C++
registrar. No build's hooks can answer for a GPU that does not exist: without CUDA they refuse, with CUDA they raise on
the device's index. Their answers are replaced in a copy of their table of virtual functions while the fake GPU is on.
Registrar and hooks are found by name in torch's libraries, so no compiler is needed.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn import Module

from gonogo.base.replaced import Replaced
from gonogo.memory import no_driver, torch_private
from gonogo.memory.devices import Card
from gonogo.memory.kernels import cuda_kernels
from gonogo.memory.torch_private import FakeTensor, FakeTensorMode

CUDA = 1  # c10::DeviceType::CUDA
IS_BUILT, HAS_PRIMARY_CONTEXT = 2, 4  # rows of at::AcceleratorHooksInterface's table, after its two destructors
TABLE_ROWS = 256  # more than at::CUDAHooksInterface has

_kept: list[Any] = []  # what C++ points to


class FakeGPUMode(FakeTensorMode):
    """FakeTensorMode that never touches a device, although `torch.cuda.is_available()` says that there is one."""

    # its wrapper is for torch.compile, and slow
    __torch_dispatch__ = getattr(FakeTensorMode.__torch_dispatch__, "__wrapped__", FakeTensorMode.__torch_dispatch__)

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False

    @property
    def avoid_device_init(self) -> bool:
        return True


@contextmanager
def fake_gpu(card: Card, assume: Callable[[str], None]) -> Iterator[None]:
    """Within, torch dispatches and allocates as on `card`; only fake tensors may be on "cuda".

    Args:
        assume: called with each assumption that no source confirms.

    Raises:
        UserError: this build of torch lacks a private name.
    """
    with Replaced() as stack:
        if not torch.backends.cuda.is_built():
            register_guard()
        if no_driver.answer_for_one_gpu() or not torch.cuda.is_available():
            stack.enter_context(replaced_hooks())
        # one thread: the engine's device threads exist only if the guard was there before the first backward
        stack.enter_context(torch.autograd.set_multithreading_enabled(False))
        stack.enter_context(cuda_kernels(card, assume))
        for owner, name, value in _replacements(card):
            stack.set(owner, name, value)
        # optimizers and clipping default to foreach for listed types only, and FakeTensor is not listed
        for types in (torch_private.optimizer_foreach_types, torch_private.clipping_foreach_types):
            types.append(FakeTensor)
            stack.callback(types.remove, FakeTensor)
        yield


def forget_tracing() -> None:
    """Keep transformers from building full attention masks, as it does for tensors that it is traced with."""
    module = sys.modules.get("transformers.utils.import_utils")
    if module is not None:
        module.is_fake_tensor = lambda tensor: False  # type: ignore[attr-defined]


def register_guard() -> None:
    """A device guard for CUDA, written in Python, once for this process.

    Raises:
        UserError: this torch has none that Python can write.
    """
    if _kept:
        return
    if torch_private.DeviceGuard is None:
        raise torch_private.missing("torch._C._acc.DeviceGuard, which a build without CUDA needs")

    class Guard(torch_private.DeviceGuard):
        def type_(self) -> Any:
            return torch_private.CUDA_TYPE

    register = torch_private.symbol("c10", torch_private.REGISTRAR)
    register.argtypes, register.restype = [ctypes.c_void_p, ctypes.c_int8, ctypes.c_void_p], None
    guard = Guard()
    in_cpp = ctypes.c_void_p.from_address(id(guard) + object.__basicsize__)  # pybind11 keeps its pointer first
    this = ctypes.create_string_buffer(16)  # the registrar has no members
    register(ctypes.addressof(this), CUDA, in_cpp)
    _kept.append(guard)


def hooks_table() -> ctypes.c_void_p:
    """Where the CUDA hooks keep the address of their virtual functions."""
    hooks = torch_private.symbol("torch_cpu", torch_private.HOOKS)
    hooks.argtypes, hooks.restype = [], ctypes.c_void_p
    return ctypes.c_void_p.from_address(hooks())


@contextmanager
def replaced_hooks() -> Iterator[None]:
    """Within, the CUDA hooks say that CUDA was built, and that no GPU has a context."""
    table_of_hooks = hooks_table()
    before = table_of_hooks.value or 0
    table = (ctypes.c_void_p * TABLE_ROWS)()
    head = 2 * ctypes.sizeof(ctypes.c_void_p)  # offset to top and type information come before the first row
    ctypes.memmove(table, before - head, ctypes.sizeof(table))
    is_built = ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_void_p)(lambda this: True)
    has_context = ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_void_p, ctypes.c_int8)(lambda this, index: False)
    table[2 + IS_BUILT] = ctypes.cast(is_built, ctypes.c_void_p).value
    table[2 + HAS_PRIMARY_CONTEXT] = ctypes.cast(has_context, ctypes.c_void_p).value
    table_of_hooks.value = ctypes.addressof(table) + head
    try:
        yield
    finally:
        table_of_hooks.value = before


def _replacements(card: Card) -> list[tuple[Any, str, Any]]:
    """What Python code asks to find out whether there is a GPU: (owner, name, replacement)."""

    def always(value: Any) -> Callable[..., Any]:
        return lambda *args, **kwargs: value

    cuda = torch.cuda
    return [
        (cuda, "is_available", always(True)),
        (cuda, "is_bf16_supported", always(True)),
        (cuda, "device_count", always(1)),
        (cuda, "current_device", always(0)),
        (cuda, "set_device", always(None)),
        (cuda, "synchronize", always(None)),
        (cuda, "empty_cache", always(None)),
        (cuda, "is_current_stream_capturing", always(False)),  # optimizers ask before each step
        (*torch_private.LAZY_INIT, always(None)),
        (*torch_private.EXCHANGE_DEVICE, always(0)),
        (*torch_private.MAYBE_EXCHANGE_DEVICE, always(0)),
        (cuda, "memory_allocated", always(0)),
        (cuda, "max_memory_allocated", always(0)),
        (cuda, "memory_reserved", always(0)),
        (cuda, "max_memory_reserved", always(0)),
        (cuda, "reset_peak_memory_stats", always(None)),
        (cuda, "get_device_name", always("a GPU that does not exist")),
        (cuda, "get_device_capability", always(card.capability)),
        (*torch_private.AMP_NOT_AVAILABLE, always(False)),  # autocast("cuda") switches itself off
        (*torch_private.INIT_CONTEXT, always(None)),
        (*torch_private.CONV_BACKEND, always(torch_private.CUDNN_BACKEND)),
        (*torch_private.CONV_MEMORY_FORMAT, _cudnn_memory_format),
    ]


@contextmanager
def fake_modules() -> Iterator[None]:
    """Within, modules of fake tensors can be initialised, moved and copied."""
    with Replaced() as stack:
        stack.set(torch.Tensor, "__deepcopy__", _deepcopy)
        stack.set(*torch_private.MODULE_APPLY, keeping_parameters(move_data))
        for owner, name in torch_private.TRUNC_NORMAL:  # draws again until all values are within bounds
            stack.set(owner, name, lambda tensor, *args, **kwargs: tensor)
        yield


def _deepcopy(tensor: torch.Tensor, memo: dict[int, Any]) -> torch.Tensor:
    """A copy without the storage, which a fake tensor has none of."""
    if id(tensor) not in memo:
        memo[id(tensor)] = tensor.detach().clone().requires_grad_(tensor.requires_grad)
    return memo[id(tensor)]


def _cudnn_memory_format(tensor: torch.Tensor, weight: torch.Tensor, backend: Any) -> torch.memory_format:
    """Channels last if either operand is (aten/src/ATen/native/ConvUtils.h, cudnn_conv_suggest_memory_format)."""
    last = {4: torch.channels_last, 5: torch.channels_last_3d}.get(weight.dim())
    if last is None:
        return torch.contiguous_format
    for operand in (tensor, weight):
        if operand.is_contiguous(memory_format=last) and not operand.is_contiguous():
            return last
    return torch.contiguous_format


def keeping_parameters(move: Callable[[torch.Tensor, torch.Tensor], None]) -> Callable[..., Module]:
    """Module._apply that keeps the Parameter objects, as on real tensors; torch's own cannot swap fake ones.

    Args:
        move: `tensor.data = data`.
    """

    def apply(self: Module, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> Module:
        for child in self.children() if recurse else ():
            child._apply(fn)
        for parameter in self._parameters.values():
            if parameter is None:
                continue
            with torch.no_grad():
                gradient = parameter.grad
                move(parameter, fn(parameter.data))
                if gradient is not None:
                    move(gradient, fn(gradient.data))
                    parameter.grad = gradient
        for name, buffer in self._buffers.items():
            if buffer is not None:
                self._buffers[name] = fn(buffer)
        return self

    return apply


def move_data(tensor: torch.Tensor, data: torch.Tensor) -> None:
    """`tensor.data = data`, with what Python keeps of a fake tensor."""
    tensor.data = data
    if isinstance(tensor, FakeTensor) and isinstance(data, FakeTensor):
        tensor.fake_device = data.fake_device
        tensor.known_value = getattr(data, "known_value", None)  # type: ignore[attr-defined]
