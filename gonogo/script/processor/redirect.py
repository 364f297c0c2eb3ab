"""A script that trains on "cuda" is run on the processor: what it asks of the card is answered, what it moves stays."""

from __future__ import annotations

import time
import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.overrides import TorchFunctionMode
from torch.utils._device import DeviceContext

from gonogo.base.replaced import Replaced
from gonogo.learning.watch_loss_calls import Before, watched_call
from gonogo.script.processor.session import Session

MEMORY_BYTES = 80 << 30


def is_card(device: Any) -> bool:
    if isinstance(device, str):
        return device.partition(":")[0] in {"cuda", "hip"}
    return isinstance(device, torch.device) and device.type == "cuda"


def here(value: Any) -> Any:
    """The processor for the card; anything else as it is."""
    return "cpu" if is_card(value) else value


class OnProcessor(TorchFunctionMode):
    """Moves whatever goes to the card to the processor, and shows calls to those who watch them."""

    def __init__(self, watched: Mapping[Any, Before]) -> None:
        super().__init__()
        self.watched = watched

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is Tensor.cuda:
            return _copied(args[0])
        if func is Tensor.pin_memory:
            return args[0]
        if func is torch.device:  # a name, not a place: the script may ask it what it is
            return func(*args, **(kwargs or {}))
        if func is Tensor.to:
            args, kwargs, moved = _destination(args, kwargs or {})
            if moved and args[0].device.type == "cpu":
                kwargs.setdefault("copy", True)
        else:
            if kwargs and "device" in kwargs:
                device = kwargs["device"]
                if is_card(device) or (isinstance(device, int) and not isinstance(device, bool)):
                    kwargs = {**kwargs, "device": "cpu"}
            for value in args:
                if type(value) is str or type(value) is torch.device:
                    args = tuple(_type_here(one) for one in args)
                    break
        return watched_call(self.watched, func, args, kwargs)


def _copied(tensor: Tensor) -> Tensor:
    """As a move to the card copies: what is done to one in place is not seen in the other."""
    return tensor.clone()


def _type_here(value: Any) -> Any:
    if isinstance(value, str) and value.startswith("torch.cuda."):
        return value.replace("torch.cuda.", "torch.")
    return here(value)


def _destination(args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any], bool]:
    """Arguments of `Tensor.to` with the card replaced, and whether it was the card."""
    moved = False
    if len(args) > 1 and (is_card(args[1]) or (isinstance(args[1], int) and not isinstance(args[1], bool))):
        args, moved = (args[0], "cpu", *args[2:]), True
    if "device" in kwargs and (is_card(kwargs["device"]) or isinstance(kwargs["device"], int)):
        kwargs, moved = {**kwargs, "device": "cpu"}, True
    if moved and (args[0].requires_grad and not torch.is_grad_enabled()):
        moved = False  # module.to(): the parameter itself is moved
    if len(args) > 3 and moved:  # device, dtype, non_blocking, copy by place
        moved = False
    return args, kwargs, moved


def fast_bfloat16() -> bool:
    """Whether this processor computes in bfloat16 itself; otherwise it takes fifty times as long."""
    probe = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_device_supported", None)
    named = [getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")]
    supported = any(bool(ask()) for ask in named if ask is not None)
    return supported and (probe is None or bool(probe()))


@contextmanager
def redirected(session: Session, watched: Mapping[Any, Before]) -> Iterator[None]:
    """Within, the card is there as far as the script can tell, and all is done on the processor."""
    with Replaced() as replaced:
        for owner, name, value in (*_answers(), *_movers(session)):
            replaced.put(owner, name, value)
        with OnProcessor(watched):
            yield


def _always(value: Any) -> Callable[..., Any]:
    return lambda *args, **kwargs: value


class NoStream:
    """A stream or event of a card that is not there."""

    cuda_stream = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.device = torch.device("cuda", 0)
        self.at = 0.0

    def record(self, *args: Any) -> None:
        self.at = time.perf_counter()

    def elapsed_time(self, end: NoStream) -> float:
        return 1000 * (end.at - self.at)

    def query(self) -> bool:
        return True

    def __enter__(self) -> NoStream:
        return self

    def __exit__(self, *problem: Any) -> None: ...

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _always(None)


def _answers() -> list[tuple[Any, str, Any]]:
    """What scripts ask about the card: (owner, name, answer)."""
    cuda, properties = torch.cuda, types.SimpleNamespace(
        name="NVIDIA GPU", total_memory=MEMORY_BYTES, major=8, minor=0, multi_processor_count=108, warp_size=32
    )  # fmt: skip
    answers: list[tuple[Any, str, Any]] = [
        (cuda, "is_available", _always(True)), (cuda, "device_count", _always(1)),
        (cuda, "is_bf16_supported", _always(True)), (cuda, "is_initialized", _always(True)),
        (cuda, "current_device", _always(0)), (cuda, "get_device_name", _always(properties.name)),
        (cuda, "get_device_capability", _always((8, 0))), (cuda, "get_device_properties", _always(properties)),
        (cuda, "mem_get_info", _always((MEMORY_BYTES, MEMORY_BYTES))), (cuda, "memory_stats", _always({})),
        (cuda, "get_arch_list", _always(["sm_80"])), (cuda, "memory_summary", _always("")),
        *((place, "get_rng_state", lambda *a, **k: torch.get_rng_state()) for place in (cuda, cuda.random)),
        *((place, "get_rng_state_all", lambda *a, **k: [torch.get_rng_state()]) for place in (cuda, cuda.random)),
        (cuda, "Stream", NoStream), (cuda, "Event", NoStream), (cuda, "stream", lambda *a, **k: nullcontext()),
        (cuda, "current_stream", lambda *a, **k: NoStream()), (cuda, "default_stream", lambda *a, **k: NoStream()),
        (cuda, "_exchange_device", _always(0)), (cuda, "_maybe_exchange_device", _always(0)),
        (torch.accelerator, "is_available", _always(True)), (torch.accelerator, "device_count", _always(1)),
        (torch.accelerator, "current_accelerator", _always(torch.device("cuda"))),
        (torch.accelerator, "current_device_index", _always(0)),
        (torch.accelerator, "current_stream", lambda *a, **k: NoStream()),
    ]  # fmt: skip
    nothing = (
        "init", "_lazy_init", "set_device", "synchronize", "empty_cache", "reset_peak_memory_stats", "ipc_collect",
        "reset_max_memory_allocated", "manual_seed", "manual_seed_all", "seed", "seed_all", "set_rng_state",
        "set_rng_state_all", "set_stream", "set_per_process_memory_fraction", "reset_accumulated_memory_stats",
    )  # fmt: skip
    answers += [(place, name, _always(None)) for name in nothing for place in (cuda, cuda.random)]
    numbers = ("memory_allocated", "max_memory_allocated", "memory_reserved", "max_memory_reserved", "utilization")
    answers += [(cuda, name, _always(0)) for name in numbers]
    answers += [(torch.accelerator, name, _always(None)) for name in ("synchronize", "set_device_index")]
    kinds = [name for name in dir(torch) if name.endswith("Tensor") and hasattr(cuda, name)]
    answers += [(cuda, name, getattr(torch, name)) for name in kinds]
    if hasattr(cuda, "nvtx"):
        answers += [(cuda.nvtx, name, _always(None)) for name in ("range_push", "range_pop", "mark")]
    return answers


def _movers(session: Session) -> list[tuple[Any, str, Any]]:
    """What takes a device and is no function that a mode sees: (owner, name, replacement)."""
    autocast, scaler = torch.amp.autocast_mode.autocast, torch.amp.GradScaler
    plain_autocast, plain_scaler = autocast.__init__, scaler.__init__
    load, context = torch.load, DeviceContext
    plain_context, plain_to = context.__init__, nn.Module.to
    parallel, distributed = nn.DataParallel, nn.parallel.DistributedDataParallel
    plain_distributed = distributed.__init__

    def autocast_init(
        self: Any, device_type: Any, dtype: Any = None, enabled: bool = True, cache_enabled: bool | None = None
    ) -> None:
        if not is_card(device_type):
            return plain_autocast(self, device_type, dtype, enabled, cache_enabled)
        fast = fast_bfloat16()
        if enabled and not fast:
            session.note("mixed precision: computed in float32, as this processor has no bfloat16 of its own")
        return plain_autocast(self, "cpu", torch.bfloat16, bool(enabled) and fast, cache_enabled)

    def scaler_init(self: Any, *args: Any, **kwargs: Any) -> None:
        kwargs.pop("device", None), kwargs.pop("enabled", None)
        plain_scaler(self, "cpu", enabled=False)

    def load_here(*args: Any, **kwargs: Any) -> Any:
        if len(args) > 1:
            args = (args[0], "cpu", *args[2:])
        else:
            kwargs["map_location"] = "cpu"
        return load(*args, **kwargs)

    def module_to(self: nn.Module, *args: Any, **kwargs: Any) -> nn.Module:
        if args and isinstance(args[0], int):
            args = ("cpu", *args[1:])
        if isinstance(kwargs.get("device"), int):
            kwargs["device"] = "cpu"
        return plain_to(self, *map(here, args), **{name: here(value) for name, value in kwargs.items()})

    def distributed_init(self: Any, module: Any, device_ids: Any = None, output_device: Any = None, *a: Any, **k: Any):  # type: ignore[no-untyped-def]
        return plain_distributed(self, module, None, None, *a, **k)

    return [
        (autocast, "__init__", autocast_init), (scaler, "__init__", scaler_init), (torch, "load", load_here),
        (context, "__init__", lambda self, device: plain_context(self, here(device))),
        (nn.Module, "to", module_to), (nn.Module, "cuda", lambda self, device=None: self),
        (parallel, "forward", lambda self, *inputs, **more: self.module(*inputs, **more)),
        (distributed, "__init__", distributed_init),
        (torch, "set_default_device", _default_device(torch.set_default_device)),
        (torch, "Generator", _generator()),
        (Optimizer, "_accelerator_graph_capture_health_check", _always(None)),
        (Optimizer, "_cuda_graph_capture_health_check", _always(None)),
    ]  # fmt: skip


def _default_device(plain: Callable[[Any], None]) -> Callable[[Any], None]:
    return lambda device: plain(here(device))


def _generator() -> type:
    plain = torch.Generator

    class AnyGenerator(type):
        def __instancecheck__(cls, instance: Any) -> bool:
            return isinstance(instance, plain)

    class GeneratorHere(metaclass=AnyGenerator):
        def __new__(cls, device: Any = "cpu") -> Any:
            return plain(here(device))

    return GeneratorHere
