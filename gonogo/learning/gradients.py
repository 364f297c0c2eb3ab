"""Where gradients arrive: their norm at each step, and the modules that they never reach."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from gonogo.learning.measurements import Gradients

WATCHED_STEPS = 50  # after which only the norm is kept, unless something has not been reached yet


class GradientRecord:
    """Call `step` after each backward pass, before gradients are clipped.

    Parameters that take no gradient at the start, such as those of a discriminator that starts later, are left out.
    """

    def __init__(self, module: nn.Module) -> None:
        self.names = [name for name, parameter in module.named_parameters() if parameter.requires_grad]
        self._parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
        self._reached = torch.zeros(len(self.names), dtype=torch.bool)
        self._held: set[int] = set()
        self.norms: list[float] = []

    def step(self, optimizers: Iterable[torch.optim.Optimizer]) -> None:
        gradients = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients) if gradients else torch.zeros(())
        self.norms.append(float(norm))
        if len(self.norms) <= WATCHED_STEPS and not bool(self._reached.all()):
            self._reached |= torch.tensor([_flows(parameter.grad) for parameter in self._parameters])
            self._held |= {id(p) for o in optimizers for group in o.param_groups for p in group["params"]}

    def report(self) -> Gradients:
        missed = {name for name, reached in zip(self.names, self._reached.tolist(), strict=True) if not reached}
        nothing = len(missed) == len(self.names)
        modules = list(dict.fromkeys(map(_owner, self.names)))
        first = _owner(self.names[0]) if self.names else ""
        idle = [
            _owner(name)
            for name, parameter in zip(self.names, self._parameters, strict=True)
            if self._held and id(parameter) not in self._held and name not in missed
        ]
        return Gradients(
            norms=list(self.norms),
            modules=len(modules),
            unreached=[module for module in modules if any(_owner(name) == module for name in missed)],
            blocked=modules if nothing else [module for module in modules if f"{module}.bias" in missed],
            starved_first=f"{first}.weight" in missed
            and f"{first}.bias" in self.names
            and f"{first}.bias" not in missed,
            not_optimized=list(dict.fromkeys(idle)),
        )


def _flows(gradient: Tensor | None) -> bool:
    return gradient is not None and bool(gradient.any())


def _owner(name: str) -> str:
    """`net.0.weight` → `net.0`."""
    return name.rpartition(".")[0] or name
