"""How far the input gets into the model: which modules see it at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from gonogo.experiment.measure import Classes
from gonogo.learning.batches import leaves, on, same_chance, with_leaf
from gonogo.learning.measurements import DataSummary

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule

    from gonogo.experiment.lightning import LightningExperiment

MOST_ASKED = 5  # modules without a gradient
NEXT = 0.9  # share of the targets that are the next token


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


def without_effect(
    experiment: LightningExperiment, module: LightningModule, batch: Any, names: list[str]
) -> list[str] | None:
    """Those of the modules whose outputs the answers do not depend on: exchanged for noise, they change nothing."""
    if not names:
        return None
    module.eval()
    here, parts = on(module.device, batch), dict(module.named_modules())
    with torch.no_grad(), same_chance(module.device):
        plain = module.predict_step(here, 0)
        found = []
        for name in names[:MOST_ASKED]:
            part = parts.get(name)
            hook = None if part is None else part.register_forward_hook(_noise)
            try:
                with same_chance(module.device):
                    changed = module.predict_step(here, 0)
            finally:
                if hook is not None:
                    hook.remove()
            if _same(leaves(plain), leaves(changed)) and part is not None:
                found.append(name)
    return found


def _noise(_: nn.Module, given: Any, output: Any) -> Any:
    if isinstance(output, Tensor) and output.is_floating_point():
        return output + torch.linspace(1, 2, output.numel(), dtype=output.dtype, device=output.device).view_as(output)
    return None


def looks_ahead(
    experiment: LightningExperiment, module: LightningModule, batch: Any, data: DataSummary
) -> float | None:
    """Change of earlier answers, over their spread, when the last token changes; None: of no next tokens."""
    tokens = experiment.inputs(batch)
    if (data.target_is_next or 0) < NEXT or tokens.ndim != 2:
        return None
    changed = tokens.clone()
    changed[:, -1] = tokens[:, 0]
    rows = changed[:, -1] != tokens[:, -1]
    other = with_leaf(batch, tokens, changed)
    if not bool(rows.any()) or other is None:
        return None
    module.eval()
    with torch.no_grad():
        answers = []
        for one in (batch, other):
            with same_chance(module.device):
                answers.append(module.predict_step(on(module.device, one), 0).float().cpu()[rows])
    measure = experiment.measure()
    axis = 3 - measure.dim if isinstance(measure, Classes) else 1  # of the positions: classes have the other
    before, after = (found.movedim(axis, 1)[:, : tokens.shape[1] - 1] for found in answers)
    return float((before - after).abs().max() / before.std().clamp(min=1e-12))


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
