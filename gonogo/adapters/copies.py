"""Copies of models and optimizers, so that what a project made stays as it was."""

from __future__ import annotations

import copy
import inspect
from typing import Any

import torch
from torch import Tensor, nn

from gonogo.base.errors import UserError


def fresh(model: Any) -> nn.Module:
    """A new model of a function that makes it, or a copy of a model with the weights that it has; on the processor.

    While a step is traced, parameters of the copy have shapes and no values.

    Raises:
        UserError: the model cannot be copied.
    """
    if not isinstance(model, nn.Module):
        made = model()
        if not isinstance(made, nn.Module):
            raise UserError(f"model: the function returns a {type(made).__name__}, not a torch.nn.Module")
        return made if _tracing() else made.cpu()
    try:
        return copy.deepcopy(model, _without_values(model)) if _tracing() else copy.deepcopy(model).cpu()
    except Exception as error:  # whatever a model holds may refuse
        raise UserError(
            f"model: this {type(model).__name__} cannot be copied ({error}); give a function that makes it: "
            "model=lambda: Net()"
        ) from None


def _without_values(model: nn.Module) -> dict[int, object]:
    """For `deepcopy`: what takes the place of each parameter."""
    return {
        id(parameter): nn.Parameter(torch.empty_like(parameter, device="cpu"), parameter.requires_grad)
        for parameter in model.parameters()
    }


def _tracing() -> bool:
    """Whether tensors are made without values here, as in the memory gate's trace."""
    return type(torch.empty(0)) is not Tensor


def optimizer_like(optimizer: torch.optim.Optimizer, old: nn.Module, new: nn.Module) -> torch.optim.Optimizer:
    """The same optimizer, of the same parameters of a copy of its model. What is no parameter of it, it holds apart."""
    names = {id(parameter): name for name, parameter in old.named_parameters(remove_duplicate=False)}
    mine = dict(new.named_parameters(remove_duplicate=False))

    def counterpart(parameter: Tensor) -> Tensor:
        name = names.get(id(parameter))
        return mine[name] if name in mine else parameter.detach().clone().requires_grad_()

    groups = [{**group, "params": [counterpart(p) for p in group["params"]]} for group in optimizer.param_groups]
    accepted = inspect.signature(type(optimizer)).parameters
    defaults = {name: value for name, value in optimizer.defaults.items() if name in accepted}
    return type(optimizer)(groups, **defaults)
