"""How far the input gets into the model: which modules see it at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from gonogo.learning.batches import leaves, on, same_chance

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule

    from gonogo.experiment.lightning import LightningExperiment


def modules_that_see(experiment: LightningExperiment, module: LightningModule, batch: Any) -> list[str] | None:
    """Modules with parameters of their own whose inputs change when the model's input is zeroed, as they are called.

    None where no such module is called through `forward`.
    """
    module.eval()
    here = on(module.device, batch)
    with torch.no_grad():
        real = _inputs_of_modules(module, here)
        zeroed = _inputs_of_modules(module, experiment.without_input(here))
    if not real:
        return None
    return [name for name, seen in real.items() if not _same(seen, zeroed.get(name, []))]


def _inputs_of_modules(module: LightningModule, batch: Any) -> dict[str, list[Tensor]]:
    """What each module is given when the batch is predicted, at its first call."""
    found: dict[str, list[Tensor]] = {}

    def remember(name: str) -> Any:
        def hook(_: nn.Module, given: tuple[Any, ...]) -> None:
            found.setdefault(name, [leaf.detach().clone() for leaf in leaves(given)])

        return hook

    own = [(name, part) for name, part in module.named_modules() if name and any(True for _ in part.parameters(False))]
    hooks = [part.register_forward_pre_hook(remember(name)) for name, part in own]
    try:
        with same_chance(module.device):
            module.predict_step(batch, 0)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def _same(one: list[Tensor], other: list[Tensor]) -> bool:
    return len(one) == len(other) and all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
