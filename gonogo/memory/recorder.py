"""Records what operations allocate and release, as fake tensors come and go."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules import module as modules

from gonogo.memory import constant_values
from gonogo.memory.events import PHASES, Events, NumberedNames
from gonogo.memory.gradient_sums import counts_when_owned, is_dense, references
from gonogo.memory.kernel_workspaces import fastest_bytes, scratch_bytes
from gonogo.memory.no_allocation import VIEWS, only_writes, view
from gonogo.memory.places import place_in_project
from gonogo.memory.torch_private import (
    FakeTensor,
    TorchDispatchMode,
    current_node,
    resizes_told,
    sequence_number,
)

aten = torch.ops.aten
_DEVICE = torch.ops.prim.device.default


class AllocationRecorder(TorchDispatchMode):
    """Sees every operation, above FakeTensorMode and below autograd.

    Attributes:
        phase, step: what is going on; whoever runs the step sets them.
        guesses: what was asked for and is not known, as text.
        operations: how many ran.
        last_op: the operation that ran last.
        kinds: block → what its owner says it is ("weights", "gradients", …).
        live_bytes: that are allocated now.
        miopen: AMD's library runs convolutions.
        stream: number of the one that blocks are allocated in, beside the first, 0.
        answers: asked first about every operation; None: its result is to be found out here.
        unseen: what is made now is on no card.
        places: block → line of the project's code that made it, while `placing` is on.
    """

    def __init__(self, device: str) -> None:
        super().__init__()
        self.device = device
        self.phase = "model"
        self.step = -1
        self.operations = 0
        self.last_op = ""
        self.guesses: dict[str, None] = {}
        self.kinds: dict[int, str] = {}
        self.live_bytes = self.stream = 0
        self.placing = self.miopen = self.unseen = False
        self.answers: Callable[..., Any] | None = None
        self.places: dict[int, str] = {}
        self.workspaces: list[tuple[int, int]] = []  # (row, bytes) of convolutions' fastest algorithms
        self._rows: list[tuple[int, int, int, int, int, int]] = []
        self._phases, self._ops, self._modules = NumberedNames(PHASES), NumberedNames(("",)), NumberedNames(("",))
        self._streams: list[tuple[int, int]] = []  # (block, stream)
        # storage → block, bytes, reference that tells of its release
        self._blocks: dict[int, tuple[int, int, Any]] = {}
        self._count = 0
        self._counts: tuple[int, int] | None = None
        self._stack: list[str] = []
        self._by_node: dict[int, str] = {}  # autograd's sequence number → module of the forward operation

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # torch would wrap every dispatch for torch.compile, which is slow

    # --- operations ---

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is _DEVICE and isinstance(args[0], FakeTensor):
            return args[0].fake_device  # most of all dispatches
        kwargs = kwargs or {}
        answered = None if self.answers is None else self.answers(func, types, args, kwargs)
        if answered is not None or func.namespace in ("prim", "profiler"):
            return func(*args, **kwargs) if answered is None else answered
        self.operations += 1
        self.last_op = str(func)
        if func is aten._local_scalar_dense.default:
            return self._scalar(args[0])
        if func is aten.add.Tensor and self.phase == "backward" and self._engine_adds(args):
            func = aten.add_.Tensor
        if only_writes(func):  # nothing is allocated, and checking hundreds of tensors is most of a trace's time
            constant_values.follow(func, args, kwargs, None)
            return None
        if func in VIEWS and isinstance(args[0], FakeTensor) and not kwargs:
            out: Any = view(func, args)
            constant_values.follow(func, args, kwargs, out)
            return out
        if func in constant_values.INDEXED:
            args = constant_values.with_places(func, args)
        module = self._module()
        if self.device == "cuda" and (fastest := fastest_bytes(func, args, self.miopen)):
            self.workspaces.append((len(self._rows), fastest))
        if self.device == "cuda" and (sizes := scratch_bytes(func, args)):
            scratch = [self._allocate(size, module) for size in sizes]
            out = func(*args, **kwargs)
            self._note(out, module)
            for block, size in zip(scratch, sizes, strict=True):
                self._row(block, -size, module)
        else:
            known = constant_values.shaped_by_data(func, args, kwargs)
            out = func(*args, **kwargs) if known is None else known
            self._note(out, module)
        constant_values.follow(func, args, kwargs, out)
        return out

    def _engine_adds(self, args: tuple[Any, ...]) -> bool:
        """Whether autograd's engine is summing two gradients of a tensor, the first of which nobody else holds.

        It then adds in place (torch/csrc/autograd/input_buffer.cpp), but not to subclasses of Tensor, as fake ones are.
        """
        if torch.is_grad_enabled() or not all(isinstance(argument, FakeTensor) for argument in args):
            return False
        first, second = args
        same = first.shape == second.shape and first.dtype == second.dtype
        return same and references(first) == self._counts and is_dense(first)

    def _note(self, out: Any, module: str) -> None:
        if isinstance(out, Tensor):
            self._see(out, module)
            if out.numel() == 1:
                out.made_by = self.last_op  # type: ignore[attr-defined]
        elif isinstance(out, (tuple, list)):
            for leaf in out:
                self._note(leaf, module)

    def _scalar(self, tensor: Tensor) -> Any:
        value = constant_values.scalar(tensor)
        if value is not None:
            return value
        source = getattr(tensor, "made_by", "an operation")
        guess: bool | int | float = "all" in source if tensor.dtype == torch.bool else 1
        guess = float(guess) if tensor.dtype.is_floating_point else guess
        self.assume(f"{source}: its value is not known, {guess} was assumed")
        return guess

    def assume(self, what: str) -> None:
        """Log what the trace relies on and nothing proves."""
        self.guesses[what] = None

    # --- modules ---

    @contextmanager
    def following(self) -> Iterator[None]:
        """Record, and know which module is running: its class names what it allocates, in its backward too."""

        def enter(module: nn.Module, args: Any) -> None:
            self._stack.append(type(module).__name__)

        def leave(module: nn.Module, args: Any, out: Any) -> None:
            self._stack.pop()

        handles = [
            modules.register_module_forward_pre_hook(enter),
            modules.register_module_forward_hook(leave, always_call=True),
        ]
        self._counts = counts_when_owned()
        try:
            with self, resizes_told(self._resized):
                yield
        finally:
            for handle in handles:
                handle.remove()

    def _module(self) -> str:
        if self._stack:
            name = self._stack[-1]
            self._by_node[sequence_number() - 1] = name
            return name
        node = current_node() if self.phase == "backward" else None
        return "" if node is None else self._by_node.get(node._sequence_nr(), "")

    # --- blocks ---

    def _see(self, tensor: Tensor, module: str) -> int | None:
        """The block behind the tensor, allocated now if it was not seen before; None if it is on another device."""
        tensor = getattr(tensor, "_local_tensor", tensor)  # of one that is shared out among cards, this card's part
        if not isinstance(tensor, FakeTensor) or tensor.fake_device.type != self.device:
            return None
        storage = tensor.untyped_storage()
        key = storage._cdata
        found = self._blocks.get(key)
        if found is not None:
            return found[0]
        size = storage.nbytes()
        if not size or self.unseen:
            return None
        block = self._allocate(size, module)
        self._blocks[key] = (block, size, weakref.ref(storage, lambda _: self._release(key)))
        return block

    def _resized(self, storage: torch.UntypedStorage, size: int) -> None:
        """A known storage frees its memory, or allocates again: another block with the same owner."""
        key = storage._cdata
        if key not in self._blocks or self._blocks[key][1] == size:
            return
        self.last_op = "storage.resize_"
        block, before, reference = self._blocks[key]
        if before:
            self._row(block, -before, "")
        if size:
            kind, block = self.kinds.get(block), self._allocate(size, self._module())
            self.kinds |= {} if kind is None else {block: kind}
        self._blocks[key] = (block, size, reference)

    def _allocate(self, size: int, module: str) -> int:
        block = self._count
        self._count += 1
        self._row(block, size, module)
        if self.stream:
            self._streams.append((block, self.stream))
        if self.placing:
            self.places[block] = place_in_project()
        return block

    def hold(self, sizes: Sequence[int]) -> list[int]:
        """Blocks that no tensor of the trace stands for; `let_go` releases them."""
        return [self._allocate(size, "") for size in sizes]

    def let_go(self, blocks: Sequence[int], sizes: Sequence[int]) -> None:
        for block, size in zip(blocks, sizes, strict=True):
            self._row(block, -size, "")

    def block_of(self, found: Any) -> int | None:
        """The block behind a tensor on the card; None for anything else."""
        if type(found) is not FakeTensor or found.fake_device.type != self.device:
            return None
        block = self._blocks.get(found.untyped_storage()._cdata)
        return None if block is None else block[0]

    def alive(self, since: int) -> dict[int, int]:
        """Block → bytes of those allocated from row `since` on that are still there."""
        found: dict[int, int] = {}
        for block, size, *_ in self._rows[since:]:
            if size > 0:
                found[block] = size
            else:
                found.pop(block, None)
        return found

    @property
    def rows(self) -> int:
        """How many events there are."""
        return len(self._rows)

    def _release(self, key: int) -> None:
        block, size, _ = self._blocks.pop(key)
        if size:
            self._row(block, -size, "")

    def _row(self, block: int, size: int, module: str) -> None:
        self.live_bytes += size
        self._rows.append(
            (block, size, self._phases[self.phase], self._ops[self.last_op], self._modules[module], self.step)
        )

    def label(self, tensor: Tensor | None, kind: str) -> None:
        """Say what the tensor's block is; the first word counts."""
        block = None if tensor is None else self._see(tensor, "")
        if block is not None:
            self.kinds.setdefault(block, kind)

    def events(self) -> Events:
        """All that was recorded."""
        columns = np.array(self._rows, dtype=np.int64).reshape(-1, 6).T
        block, size, phase, op, module, step = columns
        return Events(
            block=block.astype(np.int32), size=size, phase=phase.astype(np.int16), op=op.astype(np.int32),
            module=module.astype(np.int32), step=step.astype(np.int16),
            phases=self._phases.all, ops=self._ops.all, modules=self._modules.all,
            streams=np.array(self._streams, dtype=np.int32).reshape(-1, 2),
        )  # fmt: skip
