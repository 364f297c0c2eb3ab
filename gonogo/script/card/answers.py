"""What a script asks of `torch.cuda` and is answered for a card that is not there."""

from __future__ import annotations

import contextlib
import types
from collections.abc import Callable, Iterator
from typing import Any

import torch

from gonogo.memory.devices import Card
from gonogo.memory.streams import CardEvent, CardStream
from gonogo.script.card.hybrid import CardRecorder

GENERATOR_BYTES = 16  # of a CUDA generator's state: seed and offset
DTYPES = {
    "FloatTensor": torch.float32, "DoubleTensor": torch.float64, "HalfTensor": torch.float16,
    "BFloat16Tensor": torch.bfloat16, "LongTensor": torch.int64, "IntTensor": torch.int32,
    "ShortTensor": torch.int16, "ByteTensor": torch.uint8, "CharTensor": torch.int8, "BoolTensor": torch.bool,
}  # fmt: skip
Replacement = tuple[Any, str, Any]


def always(value: Any) -> Callable[..., Any]:
    return lambda *args, **kwargs: value


class Generator(torch.Generator):
    """The processor's, whatever device it is asked for."""

    def __new__(cls, device: Any = None) -> Generator:
        return super().__new__(cls, "cpu")  # type: ignore[call-arg]


class TypeOnCard:
    """`torch.cuda.FloatTensor`: makes tensors of one dtype on the card."""

    is_cuda = True

    def __init__(self, name: str, dtype: torch.dtype) -> None:
        self.__name__, self.dtype = name, dtype
        self.__module__ = "torch.cuda"

    def __call__(self, *sizes: Any) -> torch.Tensor:
        if len(sizes) == 1 and not isinstance(sizes[0], (int, torch.Size)):
            return torch.as_tensor(sizes[0], dtype=self.dtype).to("cuda")
        shape = sizes[0] if len(sizes) == 1 and isinstance(sizes[0], torch.Size) else sizes
        return torch.empty(tuple(shape), dtype=self.dtype, device="cuda")

    def __str__(self) -> str:
        return f"torch.cuda.{self.__name__}"


def _type(plain: Callable[..., Any]) -> Callable[..., Any]:
    """Tensor.type that knows the card's types."""

    def converted(tensor: torch.Tensor, dtype: Any = None, *args: Any, **kwargs: Any) -> Any:
        name = dtype.removeprefix("torch.cuda.") if isinstance(dtype, str) else ""
        if isinstance(dtype, str) and dtype.startswith("torch.cuda.") and name in DTYPES:
            return tensor.to("cuda", DTYPES[name])
        if isinstance(dtype, TypeOnCard):
            return tensor.to("cuda", dtype.dtype)
        if dtype is None and tensor.is_cuda:
            return next(f"torch.cuda.{name}" for name, its in DTYPES.items() if its == tensor.dtype)
        return plain(tensor, *([] if dtype is None else [dtype]), *args, **kwargs)

    return converted


def _default_type(plain: Callable[..., Any]) -> Callable[..., Any]:
    """torch.set_default_tensor_type that knows the card's types."""

    def chosen(kind: Any) -> None:
        name = str(kind)
        if name.startswith("torch.cuda.") and name.removeprefix("torch.cuda.") in DTYPES:
            torch.set_default_dtype(DTYPES[name.removeprefix("torch.cuda.")])
            torch.set_default_device("cuda")
        else:
            plain(kind)

    return chosen


@contextlib.contextmanager
def _in_stream(stream: Any) -> Iterator[None]:
    yield


def properties(name: str, memory_bytes: int, card: Card) -> Any:
    """As `torch.cuda.get_device_properties` returns them."""
    major, minor = card.capability
    return types.SimpleNamespace(
        name=name, total_memory=memory_bytes, major=major, minor=minor, multi_processor_count=108,
        is_integrated=False, is_multi_gpu_board=False, gcnArchName="", warp_size=32, L2_cache_size=40 << 20,
        max_threads_per_multi_processor=2048, regs_per_multiprocessor=65536, shared_memory_per_block=49152,
        shared_memory_per_block_optin=101376, uuid="00000000-0000-0000-0000-000000000000",
    )  # fmt: skip


def replacements(name: str, memory_bytes: int, card: Card, recorder: CardRecorder) -> list[Replacement]:
    """(owner, attribute, replacement) of all that is asked of the card and needs one."""
    cuda = torch.cuda
    state = torch.zeros(GENERATOR_BYTES, dtype=torch.uint8)

    def live(*args: Any, **kwargs: Any) -> int:
        return recorder.live_bytes

    def free(*args: Any, **kwargs: Any) -> tuple[int, int]:
        return max(memory_bytes - recorder.live_bytes, 0), memory_bytes

    stream = CardStream()
    found: list[Replacement] = [
        (cuda, "get_device_properties", always(properties(name, memory_bytes, card))),
        (cuda, "get_device_name", always(name)),
        (cuda, "mem_get_info", free),
        (cuda, "memory_allocated", live),
        (cuda, "memory_reserved", live),
        (cuda, "max_memory_allocated", live),
        (cuda, "max_memory_reserved", live),
        (cuda, "memory_stats", always({})),
        (cuda, "memory_summary", always("")),
        (cuda, "is_initialized", always(True)),
        (cuda, "init", always(None)),
        (cuda, "ipc_collect", always(None)),
        (cuda, "set_per_process_memory_fraction", always(None)),
        # a build with CUDA has one generator for each card that it initialised, and so none
        *((cuda, name, always(None)) for name in ("manual_seed", "manual_seed_all", "seed", "seed_all")),
        (cuda, "initial_seed", always(0)),
        (cuda, "default_generators", (Generator(),)),
        (cuda, "get_rng_state", lambda *args, **kwargs: state.clone()),
        (cuda, "get_rng_state_all", lambda: [state.clone()]),
        (cuda, "set_rng_state", always(None)),
        (cuda, "set_rng_state_all", always(None)),
        (cuda, "get_arch_list", always([f"sm_{card.capability[0]}{card.capability[1]}"])),
        (cuda, "can_device_access_peer", always(False)),
        (cuda, "Stream", CardStream),
        (cuda, "Event", CardEvent),
        (cuda, "stream", _in_stream),
        (cuda, "current_stream", always(stream)),
        (cuda, "default_stream", always(stream)),
        (torch, "Generator", Generator),
        (torch.Tensor, "type", _type(torch.Tensor.type)),
        (torch.Tensor, "record_stream", always(None)),
        (torch, "set_default_tensor_type", _default_type(torch.set_default_tensor_type)),
    ]
    found += [(cuda, name, TypeOnCard(name, dtype)) for name, dtype in DTYPES.items()]
    return [(owner, name, value) for owner, name, value in found if hasattr(owner, name)]
