"""Copies of a model that are validated in its place, as averages of its weights are: do they follow it?"""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor, nn

SAMPLE = 12  # parameters
SAMPLED_VALUES = 4096  # of each


@dataclass
class CopyWatch:
    """What each model held when it was called first."""

    _begun: list[tuple[nn.Module, list[int], list[Tensor]]] = field(default_factory=list)

    def begun(self, model: nn.Module) -> None:
        trained = [index for index, one in enumerate(model.parameters()) if one.requires_grad]
        trained = trained[:: max(1, len(trained) // SAMPLE)][:SAMPLE]
        self._begun.append((model, trained, _values(model, trained)))

    def is_as_begun(self, copy: nn.Module) -> bool | None:
        """Whether it holds what a model of its kind held at the start, which that no longer does; None: of none."""
        for model, trained, values in self._begun:
            if model is not copy and type(model) is type(copy) and trained:
                return _same(_values(copy, trained), values) and not _same(_values(model, trained), values)
        return None


def _values(model: nn.Module, indices: list[int]) -> list[Tensor]:
    parameters = list(model.parameters())
    return [parameters[i].detach().reshape(-1)[:SAMPLED_VALUES].clone() for i in indices if i < len(parameters)]


def _same(first: list[Tensor], second: list[Tensor]) -> bool:
    return len(first) == len(second) and all(a.equal(b) for a, b in zip(first, second, strict=True))
