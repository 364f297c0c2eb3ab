"""The private names of torch that a trace needs, looked up here and nowhere else.

torch may rename or remove any of them in a minor version, so `pyproject.toml` pins the minor versions that they were
tested with, and a missing one is an error that says which versions have them.
"""

# ruff: noqa: F401  imported from here by the other modules
from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from gonogo.base.errors import UserError

TESTED = ("2.8", "2.10", "2.11", "2.12", "2.13", "2.14", "2.15")  # minor versions; `dependencies` in pyproject.toml

LIBRARIES = Path(torch.__file__).parent / "lib"
VERSION = torch.__version__
REGISTRAR = "_ZN3c104impl24DeviceGuardImplRegistrarC1ENS_10DeviceTypeEPKNS0_24DeviceGuardImplInterfaceE"
HOOKS = "_ZN2at6detail12getCUDAHooksEv"


def missing(name: object) -> UserError:
    """What to tell a user whose torch lacks something."""
    minors = f"{TESTED[0]} to {TESTED[-1]}"
    install = f"pip install 'torch=={TESTED[-1]}.*'"
    return UserError(
        f"torch {torch.__version__}: a private name that the memory trace needs is missing ({name}); "
        f"the trace works with torch {minors}: {install}"
    )


try:
    from torch._decomp import meta_table
    from torch._subclasses import fake_tensor
    from torch._subclasses.fake_tensor import (
        DataDependentOutputException,
        DynamicOutputShapeException,
        FakeTensor,
        FakeTensorMode,
        UnsupportedOperatorException,
        in_kernel_invocation_manager,
    )
    from torch.optim.optimizer import _foreach_supported_types as optimizer_foreach_types
    from torch.utils._foreach_utils import _foreach_supported_types as clipping_foreach_types
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._python_dispatch import _disable_current_modes as outside_modes
    from torch.utils._pytree import tree_flatten, tree_leaves, tree_map, tree_map_only, tree_unflatten

    C: Any = torch._C
    DisableTorchDispatch = C._DisableTorchDispatch
    has_kernel = C._dispatch_has_kernel_for_dispatch_key
    sequence_number = C._autograd._get_sequence_nr
    current_node = C._current_autograd_node
    storage_use_count = C._storage_Use_Count
    swap_tensor_impl = C._swap_tensor_impl
    tensor_data: Any = C.TensorBase.data
    tensor_use_count = torch.Tensor._use_count  # type: ignore[attr-defined]
    CUDNN_BACKEND = C._ConvBackend.Cudnn
    CUDA_TYPE = C._autograd.DeviceType.CUDA
    DeviceGuard: Any = getattr(getattr(C, "_acc", None), "DeviceGuard", None)  # 2.9; builds with CUDA do without it
    # (owner, name) of what `fake_gpu` replaces
    LAZY_INIT = (torch.cuda, "_lazy_init")
    EXCHANGE_DEVICE = (torch.cuda, "_exchange_device")
    MAYBE_EXCHANGE_DEVICE = (torch.cuda, "_maybe_exchange_device")
    AMP_NOT_AVAILABLE = (torch.cuda.amp.common, "amp_definitely_not_available")
    INIT_CONTEXT = (fake_tensor, "init_gpu_context")
    CONV_BACKEND = (C, "_select_conv_backend")
    CONV_MEMORY_FORMAT = (C, "_conv_determine_backend_memory_format")
    MODULE_APPLY = (torch.nn.Module, "_apply")
    TRUNC_NORMAL = ((torch.nn.init, "trunc_normal_"), (torch.nn.init, "_no_grad_trunc_normal_"))
    for _owner, _name in (
        LAZY_INIT, EXCHANGE_DEVICE, MAYBE_EXCHANGE_DEVICE, AMP_NOT_AVAILABLE, CONV_BACKEND, CONV_MEMORY_FORMAT,
        INIT_CONTEXT, MODULE_APPLY, *TRUNC_NORMAL,
    ):  # fmt: skip
        getattr(_owner, _name)
except (ImportError, AttributeError) as error:
    raise missing(error) from None


def fake_cards() -> tuple[Any, tuple[type, ...], tuple[Any, str]]:
    """What a process group of the backend "fake" needs; `torch.distributed` is imported for it.

    Returns:
        its kind of store, the types of tensors that cards have parts of, (owner, name) of how those learn shapes.

    Raises:
        UserError: this torch lacks one of them.
    """
    try:
        import torch.distributed.fsdp  # declares torch.ops.fsdp
        from torch.distributed._functional_collectives import AsyncCollectiveTensor
        from torch.distributed.tensor import DTensor
        from torch.distributed.tensor._sharding_prop import ShardingPropagator
        from torch.testing._internal.distributed.fake_pg import FakeStore

        name = "_propagate_tensor_meta_non_cached"
        getattr(ShardingPropagator, name)
    except (ImportError, AttributeError) as error:
        raise missing(error) from None
    return FakeStore, (DTensor, AsyncCollectiveTensor), (ShardingPropagator, name)


@contextmanager
def resizes_told(told: Callable[[torch.UntypedStorage, int], None]) -> Iterator[None]:
    """`told(storage, bytes)` after each resize of a storage, of which no operation says anything."""
    resize = torch.UntypedStorage.resize_

    def resized(storage: torch.UntypedStorage, size: int) -> Any:
        done = resize(storage, size)
        told(storage, size)
        return done

    torch.UntypedStorage.resize_ = resized  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        torch.UntypedStorage.resize_ = resize  # type: ignore[method-assign]


def symbol(library: str, name: str) -> Any:
    """The function `name` of torch's own library, `libtorch_cpu` for `torch_cpu`.

    Raises:
        UserError: this build of torch has no such library or function.
    """
    folder = LIBRARIES
    file = next(iter(sorted(folder.glob(f"*{library}.*"))), None)
    if file is None:
        raise missing(f"library {library} in {folder}")
    try:
        return getattr(ctypes.CDLL(str(file)), name)
    except AttributeError:
        raise missing(f"{name} in {file.name}") from None
