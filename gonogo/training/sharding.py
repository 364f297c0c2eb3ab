"""How a module's weights are shared out among cards (PyTorch's FSDP2)."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from torch import nn

from gonogo.base.errors import UserError

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule
    from torch.distributed.device_mesh import DeviceMesh
    from torch.optim import Optimizer

MESH = ("data_parallel", "tensor_parallel")  # names of a mesh's dimensions, as Lightning's strategy has them
LISTS = (nn.ModuleList, nn.ModuleDict)
LIGHTNING = ("lightning", "pytorch_lightning")
STEPS = ("training_step", "validation_step", "predict_step")  # that are called as `forward` is


def units(module: nn.Module) -> list[nn.Module]:
    """The parts whose weights are whole at the same time, each in its turn: what the outermost lists hold.

    Blocks of a transformer, stages of a U-Net. What is in no list is one more unit, whole for as long as a step takes.
    """
    found = dict.fromkeys(_blocks(module))
    return [each for each in found if any(True for _ in each.parameters())]


def _blocks(module: nn.Module) -> Iterator[nn.Module]:
    held = isinstance(module, (*LISTS, nn.Sequential))
    for child in module.children():
        if held and not isinstance(child, LISTS):
            yield child
        else:
            yield from _blocks(child)


def whole_state(module: nn.Module, optimizers: Sequence[Optimizer]) -> dict[str, Any]:
    """Weights and optimizer state as Lightning saves them: gathered one by one, and kept by the first card's host."""
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

    whole = StateDictOptions(full_state_dict=True, cpu_offload=True)
    return {
        "state_dict": get_model_state_dict(module, options=whole),
        "optimizer_states": [whole_optimizer_state(module, each) for each in optimizers],
    }


def whole_optimizer_state(module: nn.Module, optimizer: Optimizer) -> dict[str, Any]:
    """`state` by the parameters' names, and `param_groups`; empty but on the first card."""
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_optimizer_state_dict

    whole = StateDictOptions(full_state_dict=True, cpu_offload=True)
    return dict(get_optimizer_state_dict(module, optimizer, options=whole))


def share_out(module: LightningModule) -> None:
    """Let the Trainer leave each card its part of the module's weights."""
    lightning: Any = module
    lightning.configure_model = lambda: shard(module, lightning.device_mesh)


def shard(module: nn.Module, mesh: DeviceMesh) -> Sequence[nn.Module]:
    """Leave this card its part of the weights, unit by unit; returns the units.

    A module with a `configure_model` of its own may do it there, by `self.device_mesh`.

    Args:
        mesh: (cards, 1), its first dimension `data_parallel`; its device is where the weights are afterwards.

    Raises:
        UserError: the module steps its optimizers itself.
    """
    if not getattr(module, "automatic_optimization", True):
        raise UserError(
            f"training.strategy: fsdp: {type(module).__name__} steps its optimizers itself (automatic_optimization is "
            "False), within the step that its weights are whole for; set strategy: ddp"
        )
    from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method

    own = getattr(type(module), "configure_model", None)
    if own is not None and not own.__module__.startswith(LIGHTNING):
        lightning: Any = module
        lightning._device_mesh = mesh
        own(module)
        if any(isinstance(each, FSDPModule) for each in module.modules()):
            return [each for each in module.modules() if isinstance(each, FSDPModule)]
    found, cards = units(module), mesh["data_parallel"]
    for unit in found:
        fully_shard(unit, mesh=cards)
    fully_shard(module, mesh=cards)
    for name in STEPS:
        if hasattr(module, name):
            signature = inspect.signature(getattr(type(module), name))
            register_fsdp_forward_method(module, name)
            getattr(module, name).__func__.__signature__ = signature  # with `self`, which torch's wrapper hides
    return found
