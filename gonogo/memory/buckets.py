"""What DistributedDataParallel keeps on each card, as `gonogo.training.trainer` sets it up (gradient_as_bucket_view).

Buckets of gradients stay from step to step. A backward that is synchronised makes each gradient, copies it into its
bucket and lets the copy's source go; while gradients accumulate without that, they lie beside the buckets. Before the
second step's forward the buckets are made again, in the order in which gradients came, while the first ones are there.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

from gonogo.memory.recorder import AllocationRecorder

FIRST_BYTES, REST_BYTES = 1 << 20, 25 << 20  # the reducer's own, of torch 2.0 to 2.13


class Buckets:
    """Of a model that is on the card.

    Attributes:
        synchronised: the backward that runs is one after which cards agree.
    """

    def __init__(self, model: nn.Module, recorder: AllocationRecorder) -> None:
        self._parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self._recorder, self._rebuilt, self._agreed = recorder, False, False
        self.synchronised = True
        self._views = self._made()

    def before_forward(self) -> None:
        """At the first after a synchronised backward, the buckets are made again."""
        if self._rebuilt or not self._agreed:
            return
        self._rebuilt, views = True, self._made()
        for parameter in self._parameters:
            if parameter.grad is not None:
                parameter.grad = views[parameter]
        self._views = views

    def take(self, parameter: nn.Parameter) -> None:
        """After its gradient was accumulated."""
        if self.synchronised and parameter.grad is not None:
            self._agreed = True
            view = self._views[parameter]
            view.copy_(parameter.grad)
            parameter.grad = view

    def _made(self) -> dict[nn.Parameter, torch.Tensor]:
        views: dict[nn.Parameter, torch.Tensor] = {}
        for group in _groups(self._parameters):
            flat = torch.empty(sum(one.numel() for one in group), dtype=group[0].dtype, device=group[0].device)
            self._recorder.label(flat, "gradients")
            parts = flat.split([one.numel() for one in group])
            views |= {one: part.view_as(one) for one, part in zip(group, parts, strict=True)}
        return views


def _groups(parameters: list[nn.Parameter]) -> Iterator[list[nn.Parameter]]:
    """From the last on; of one type each."""
    limit, open_ = FIRST_BYTES, dict[object, list[nn.Parameter]]()
    for one in reversed(parameters):
        group = open_.setdefault((one.dtype, one.device), [])
        group.append(one)
        if sum(each.numel() * each.element_size() for each in group) >= limit:
            yield open_.pop((one.dtype, one.device))
            limit = REST_BYTES
    yield from open_.values()
