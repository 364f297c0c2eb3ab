"""One card among several that share a model's weights by PyTorch's FSDP2, in a group whose other cards do not exist.

FSDP2 itself runs, on tensors without data: its collectives are those of torch's "fake" process group, which answers at
once. What it allocates in streams of its own is served from their pools, as on a card.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from gonogo.base.replaced import Replaced
from gonogo.memory.fake_gpu import move_data
from gonogo.memory.streams import CardEvent, CardStream
from gonogo.memory.torch_private import fake_cards, outside_modes, tree_leaves
from gonogo.training.sharding import MESH

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh

    from gonogo.memory.recorder import AllocationRecorder

# operation of FSDP2 → the argument that it fills, and what that is
FILLS = {
    "all_gather_copy_in": ("all_gather_output", "weights being gathered"),
    "split_with_sizes_copy": ("out", "gathered weights"),
    "chunk_cat": ("out", "gradients being shared out"),
}
NAMED = 3  # kinds of units


@contextlib.contextmanager
def one_card_of(cards: int, recorder: AllocationRecorder) -> Iterator[DeviceMesh]:
    """Within, this process is the first of so many cards; gives the mesh (cards, 1) that they make."""
    with Replaced() as held:
        store, parts, shapes = fake_cards()
        import torch.distributed as dist
        from torch.distributed.device_mesh import init_device_mesh

        fills = {getattr(torch.ops.fsdp, name).default: what for name, what in FILLS.items()}

        def answer(func: Any, types: Any, args: Any, kwargs: Any) -> Any:
            if not frozenset(types).isdisjoint(parts):
                return NotImplemented  # they call the operation on this card's part
            if func is torch.ops._c10d_functional.wait_tensor.default:
                return args[0]  # without data torch would make another
            if func in fills:
                name, kind = fills[func]
                names = [argument.name for argument in func._schema.arguments]
                for tensor in tree_leaves(kwargs.get(name, args[names.index(name) :][:1])):
                    recorder.label(tensor, kind)
            return None

        _follow_streams(recorder, held)
        _leave_out_shapes(recorder, held, shapes)
        held.set(recorder, "answers", answer)
        held.everywhere("torch.distributed.fsdp", "_move_states_to_device", _move)
        with outside_modes():
            dist.init_process_group("fake", store=store(), rank=0, world_size=cards)
            held.callback(dist.destroy_process_group)
            mesh = init_device_mesh(recorder.device, (cards, 1), mesh_dim_names=MESH)
        yield mesh


def _move(parameters: Sequence[torch.Tensor], buffers: Sequence[torch.Tensor], device: torch.device) -> None:
    """As FSDP2 moves what it is about to share out, on tensors without data."""
    for tensor in [*parameters, *buffers]:
        if tensor.device != device:
            move_data(tensor, tensor.to(device))


def shared_out(cards: int, units: Sequence[nn.Module]) -> str:
    """What one of them keeps, in words."""
    of = f"each of {len(units)} units ({_names(units)})" if units else "all"
    return (
        f"{cards} cards: the peak is of the first, with its part of weights, gradients and optimizer state (FSDP2); "
        f"the weights of {of} are whole in their turn, those outside of them during the step"
    )


def _names(units: Sequence[nn.Module]) -> str:
    names = list(dict.fromkeys(type(unit).__name__.removeprefix("FSDP") for unit in units))
    return ", ".join(names[:NAMED]) + (" and others" if len(names) > NAMED else "")


def _leave_out_shapes(recorder: AllocationRecorder, held: Replaced, shapes: tuple[Any, str]) -> None:
    """Of an operation's whole result DTensor learns the shape on tensors that no card allocates."""
    owner, name = shapes
    plain = getattr(owner, name)

    def unseen(*args: Any, **kwargs: Any) -> Any:
        before, recorder.unseen = recorder.unseen, True
        try:
            return plain(*args, **kwargs)
        finally:
            recorder.unseen = before

    held.set(owner, name, unseen)


def _follow_streams(recorder: AllocationRecorder, held: Replaced) -> None:
    """Blocks are of the stream that is the current one; a processor has none."""
    if recorder.device != "cuda":
        return
    numbers: dict[int, int] = {}
    first = CardStream()

    @contextlib.contextmanager
    def within(stream: Any) -> Iterator[None]:
        before = recorder.stream
        recorder.stream = 0 if stream is first else numbers.setdefault(id(stream), len(numbers) + 1)
        try:
            yield
        finally:
            recorder.stream = before

    for name, value in {
        "Stream": CardStream, "Event": CardEvent, "stream": within, "current_stream": lambda *_: first,
    }.items():  # fmt: skip
        held.set(torch.cuda, name, value)
    held.set(torch.accelerator, "current_stream", lambda *_: first)
