"""Lightning's strategy for FSDP2, with checkpoints that are those of one card: whole, and in the same format."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.strategies import ModelParallelStrategy
from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import Optimizer

from gonogo.base.errors import UserError
from gonogo.training.sharding import whole_optimizer_state


class SharedWeights(ModelParallelStrategy):
    """Each rank keeps its part of weights, gradients and optimizer state.

    A checkpoint is gathered by the first rank, and read as on one card: hooks of the module see it before it is loaded,
    and the optimizer's state goes by the numbers of its parameters. Lightning's own strategy numbers all parameters of
    the module, which no plain optimizer reads where some are frozen, and reads no state of an optimizer that has none.
    """

    lightning_restore_optimizer = True

    def __init__(self, cards: int, timeout: dt.timedelta) -> None:
        super().__init__(cards, 1, save_distributed_checkpoint=False, timeout=timeout)

    def optimizer_state(self, optimizer: Any) -> dict[str, Any]:
        """Of the first rank; empty in the others."""
        plain: Optimizer = optimizer.optimizer if isinstance(optimizer, LightningOptimizer) else optimizer
        self._keep_own_part()
        found = whole_optimizer_state(self._module, plain)
        if not found:
            return {}
        numbers = {name: number for number, name in enumerate(self._names(plain))}
        return {
            "state": {numbers[name]: state for name, state in found["state"].items()},
            "param_groups": [
                {**group, "params": [numbers[name] for name in group["params"]]} for group in found["param_groups"]
            ],
        }

    def load_checkpoint(self, checkpoint_path: str | Path, weights_only: bool | None = True) -> dict[str, Any]:
        """The file, every rank for itself."""
        return dict(torch.load(checkpoint_path, map_location="cpu", weights_only=True, mmap=True))

    def load_model_state_dict(self, checkpoint: Mapping[str, Any], strict: bool = True) -> None:
        options = StateDictOptions(full_state_dict=True, strict=strict)
        set_model_state_dict(self._module, checkpoint["state_dict"], options=options)

    def load_optimizer_state_dict(self, checkpoint: Mapping[str, Any]) -> None:
        self._keep_own_part()
        for optimizer, saved in zip(self.optimizers, checkpoint["optimizer_states"], strict=True):
            parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
            state = {
                number: {key: _own_part(value, parameters[number]) for key, value in values.items()}
                for number, values in saved["state"].items()
            }
            optimizer.load_state_dict({**saved, "state": state})

    @property
    def _module(self) -> torch.nn.Module:
        assert self.lightning_module is not None
        return self.lightning_module

    def _keep_own_part(self) -> None:
        """What is whole still, after a validation, is let go: an optimizer's parameters are the parts."""
        for module in self._module.modules():
            if isinstance(module, FSDPModule):
                module.reshard()

    def _names(self, optimizer: Optimizer) -> list[str]:
        """Of its parameters, in the order of their numbers."""
        names = {id(parameter): name for name, parameter in self._module.named_parameters()}
        return [names[id(parameter)] for group in optimizer.param_groups for parameter in group["params"]]


def _own_part(value: Any, parameter: torch.Tensor) -> Any:
    """Of what an optimizer keeps of a parameter, as this rank keeps it.

    Raises:
        UserError: it has another shape, so nothing says which part of it is this rank's.
    """
    if not isinstance(value, torch.Tensor) or not isinstance(parameter, DTensor) or value.numel() == 1:
        return value
    if value.shape != parameter.shape:
        raise UserError(
            f"training.strategy: fsdp: the checkpoint's optimizer keeps a tensor of shape {tuple(value.shape)} for a "
            f"parameter of shape {tuple(parameter.shape)}, which cannot be shared out among cards; set strategy: ddp"
        )
    mesh = parameter.device_mesh
    return distribute_tensor(value.to(mesh.device_type), mesh, parameter.placements, src_data_rank=None)
