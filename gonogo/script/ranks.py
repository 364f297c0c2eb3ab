"""One process of a job that wants several: rank 0 runs here, the others are not started."""

from __future__ import annotations

import contextlib
import inspect
import multiprocessing.process
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gonogo.base.replaced import Replaced
from gonogo.script.imports import when_imported
from gonogo.script.request import ScriptCommand

FIRST_BUCKET_BYTES = 1 << 20  # DistributedDataParallel's own, of torch 2.0 to 2.13
PORT = "29511"
LIGHTNINGS = ("lightning.fabric", "lightning_fabric")


def launcher_environment(command: ScriptCommand, world_size: int) -> dict[str, str]:
    """What a launcher gives rank 0; empty where the script is started without one."""
    if not command.launcher or (command.launcher == "accelerate" and command.processes == 1):
        return {}
    size = str(world_size)
    return {
        "RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size, "GROUP_RANK": "0",
        "ROLE_RANK": "0", "ROLE_WORLD_SIZE": size, "GROUP_WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": PORT, "TORCHELASTIC_RUN_ID": "gonogo", "TORCHELASTIC_RESTART_COUNT": "0",
        "TORCHELASTIC_MAX_RESTARTS": "0",
    }  # fmt: skip


class Ranks:
    """What replaces the start of other processes, and the talk with them.

    Args:
        fake: as many ranks as asked for, of which none answers; otherwise one, whose answers are real.
        asked: called with the number of processes that the script wants.
        note: called with what was changed.
    """

    def __init__(self, fake: bool, asked: Callable[[int], None], note: Callable[[str], None]) -> None:
        self.fake, self.asked, self.note = fake, asked, note

    def replace(self, held: Replaced, command: ScriptCommand) -> None:
        self._starts(held)
        self._own_copies(held, command)
        self._devices(held)
        import torch.distributed as dist

        if dist.is_available():
            self._groups(held, dist)
            self._objects(held, dist)
            self._parallel(held)

    def _starts(self, held: Replaced) -> None:
        import torch.multiprocessing as mp

        spawning = sys.modules["torch.multiprocessing.spawn"]

        def spawn(fn: Any, args: Any = (), nprocs: int = 1, join: bool = True, *_: Any, **__: Any) -> Any:
            self.asked(nprocs)
            fn(0, *args)
            return None if join else _Joined()

        for owner in (mp, spawning):
            for name in ("spawn", "start_processes"):
                held.set(owner, name, spawn)

        process = multiprocessing.process.BaseProcess
        plain = process.start
        ranks: set[int] = set()

        def start(self_: Any) -> None:
            rank = _rank_of(self_)
            if rank is None:
                plain(self_)
                return
            ranks.add(rank)
            self.asked(len(ranks))
            if rank == 0:
                self_.run()
            self_.start = self_.join = self_.terminate = self_.close = lambda *_, **__: None
            self_.is_alive = lambda: False

        held.set(process, "start", start)

    def _own_copies(self, held: Replaced, command: ScriptCommand) -> None:
        """A script that starts itself for the other ranks gets processes that only wait."""
        init = subprocess.Popen.__init__
        script = Path(command.path).resolve() if command.path else None

        def is_copy(words: Any) -> bool:
            if not isinstance(words, (list, tuple)):
                return False
            names = [str(word) for word in words]
            if not names or "python" not in Path(names[0]).name:
                return False
            if command.module:
                return any(names[at : at + 2] == ["-m", command.module] for at in range(len(names)))
            return any(word.endswith(".py") and Path(word).resolve() == script for word in names[1:])

        def __init__(self_: Any, args: Any, *more: Any, **named: Any) -> None:
            if is_copy(args):
                self.note("the script starts itself again for other processes: these only wait")
                args = [sys.executable, "-c", "import time; time.sleep(86400)"]
            init(self_, args, *more, **named)

        held.set(subprocess.Popen, "__init__", __init__)

    def _devices(self, held: Replaced) -> None:
        """Lightning is not told that it has fewer cards than it asks for: it works on the first."""

        def sanitize(gpus: list[int], *_: Any, **__: Any) -> list[int]:
            self.asked(len(gpus))
            return gpus

        def change(module: Any) -> None:
            held.set(module, "_sanitize_gpu_ids", sanitize)

        when_imported(held, dict.fromkeys((f"{name}.utilities.device_parser" for name in LIGHTNINGS), change))

    def _groups(self, held: Replaced, dist: Any) -> None:
        from torch.distributed import distributed_c10d as c10d

        plain, new_group, store_of = c10d.init_process_group, c10d.new_group, dist.HashStore
        if self.fake:
            from torch.testing._internal.distributed.fake_pg import FakeStore

            store_of = FakeStore

        def init_process_group(backend: Any = None, init_method: Any = None, *args: Any, **named: Any) -> None:
            import os

            given = inspect.signature(plain).bind_partial(backend, init_method, *args, **named).arguments
            size = int(given.get("world_size", -1))
            size = size if size > 0 else int(os.environ.get("WORLD_SIZE", "1"))
            self.asked(size)
            # it sends the state of random numbers over the card, where there is nothing to send
            held.everywhere("accelerate", "synchronize_rng_states", lambda *_, **__: None)
            plain("fake" if self.fake else "gloo", store=store_of(), rank=0, world_size=size if self.fake else 1)

        def group(ranks: Any = None, *_: Any, **named: Any) -> Any:
            kept = {name: named[name] for name in ("group_desc", "use_local_synchronization") if name in named}
            return new_group([0] if ranks is not None and not self.fake else ranks, **kept)

        held.everywhere("torch.distributed", "init_process_group", init_process_group)
        held.everywhere("torch.distributed", "new_group", group)
        for name in ("barrier", "monitored_barrier"):
            held.everywhere("torch.distributed", name, lambda *_, **__: None)
        for name in ("is_nccl_available", "is_gloo_available"):
            held.everywhere("torch.distributed", name, lambda: True)

    def _objects(self, held: Replaced, dist: Any) -> None:
        """Objects come back as if every process had sent what this one has."""

        def all_gather_object(object_list: list[Any], obj: Any, group: Any = None) -> None:
            object_list[:] = [obj] * len(object_list)

        def gather_object(obj: Any, object_gather_list: list[Any] | None = None, *_: Any, **__: Any) -> None:
            if object_gather_list is not None:
                object_gather_list[:] = [obj] * len(object_gather_list)

        def scatter_object_list(outputs: list[Any], inputs: list[Any] | None = None, *_: Any, **__: Any) -> None:
            if inputs:
                outputs[0] = inputs[0]

        held.everywhere("torch.distributed", "all_gather_object", all_gather_object)
        held.everywhere("torch.distributed", "gather_object", gather_object)
        held.everywhere("torch.distributed", "scatter_object_list", scatter_object_list)
        held.everywhere("torch.distributed", "broadcast_object_list", lambda *_, **__: None)

    def _parallel(self, held: Replaced) -> None:
        import torch
        from torch import nn
        from torch.nn.parallel import DistributedDataParallel

        def __init__(ddp: Any, module: Any, device_ids: Any = None, output_device: Any = None, **named: Any) -> None:
            nn.Module.__init__(ddp)
            parameters = [one for one in module.parameters() if one.requires_grad]
            ddp.module, ddp.dim, ddp.device_ids, ddp.output_device = module, 0, device_ids, output_device
            ddp.device = next((one.device for one in parameters), torch.device("cpu"))
            ddp.device_type, ddp.is_multi_device_module = ddp.device.type, False
            ddp.require_backward_grad_sync, ddp.static_graph = True, named.get("static_graph", False)
            ddp.logger, ddp.parameters_to_ignore, ddp.mixed_precision = None, set(), None
            ddp.find_unused_parameters = named.get("find_unused_parameters", False)
            ddp.gradient_as_bucket_view = named.get("gradient_as_bucket_view", False)
            ddp.process_group = named.get("process_group") or torch.distributed.group.WORLD
            if self.fake and not ddp.gradient_as_bucket_view:
                cap = int((named.get("bucket_cap_mb") or 25) * (1 << 20))
                ddp.__dict__["gonogo_buckets"] = [
                    torch.empty(count, dtype=dtype, device=device)
                    for count, dtype, device in bucket_sizes(parameters, cap)
                ]

        @contextlib.contextmanager
        def no_sync(ddp: Any) -> Any:
            before, ddp.require_backward_grad_sync = ddp.require_backward_grad_sync, False
            try:
                yield
            finally:
                ddp.require_backward_grad_sync = before

        def train(ddp: Any, mode: bool = True) -> Any:
            return nn.Module.train(ddp, mode)

        def forward(ddp: Any, *inputs: Any, **named: Any) -> Any:
            return ddp.module(*inputs, **named)

        kind: Any = DistributedDataParallel
        for name, function in {"__init__": __init__, "no_sync": no_sync, "train": train, "forward": forward}.items():
            held.set(kind, name, function)
        for name in ("register_comm_hook", "_register_comm_hook", "_set_static_graph"):
            if hasattr(kind, name):
                held.set(kind, name, lambda *_, **__: None)
        held.set(kind, "_get_ddp_logging_data", lambda *_: {})
        same = staticmethod(lambda module, *_, **__: module)
        held.set(nn.SyncBatchNorm, "convert_sync_batchnorm", same)  # its statistics are a few bytes


def bucket_sizes(parameters: list[Any], cap_bytes: int) -> list[tuple[int, Any, Any]]:
    """(elements, dtype, device) of the buckets that DistributedDataParallel keeps beside the gradients."""
    buckets: list[tuple[int, Any, Any]] = []
    limit = FIRST_BUCKET_BYTES
    open_: dict[Any, int] = {}
    for one in reversed(parameters):
        key = (one.dtype, one.device)
        open_[key] = open_.get(key, 0) + one.numel()
        if open_[key] * one.element_size() >= limit:
            buckets.append((open_.pop(key), *key))
            limit = cap_bytes
    return buckets + [(count, *key) for key, count in open_.items()]


class _Joined:
    """Processes that have ended."""

    processes: tuple[()] = ()

    def join(self, *_: Any, **__: Any) -> bool:
        return True


def _rank_of(process: Any) -> int | None:
    """The rank that a process would have; None: it is no rank of a training job."""
    target, args, named = process._target, process._args, process._kwargs
    rank = named.get("rank", named.get("local_rank", args[0] if args else None))
    if type(rank) is not int or target is None:
        return None
    module = sys.modules.get(getattr(target, "__module__", ""), None)
    try:
        text = inspect.getsource(module) if module else ""
    except (OSError, TypeError):
        return None
    return rank if "init_process_group" in text or "Accelerator(" in text else None
