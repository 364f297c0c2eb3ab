"""Moving a real module, or any real tensor, to the card: the same Python objects become fake tensors.

Because the objects stay the same, tied weights stay tied, and optimizers, averages and lists that were made before
hold what is on the card.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import Parameter

from gonogo.memory.fake_gpu import keeping_parameters
from gonogo.memory.torch_private import FakeTensor, swap_tensor_impl, tensor_data

OF_FAKES = {"fake_mode", "constant", "pytype", "dispatch_keys", "real_tensor", "known_value", "made_by"}


def become(tensor: Tensor, other: Tensor) -> None:
    """Make `tensor` what `other` is, with what a script has set on it; `other` is not used again."""
    own = {name: value for name, value in vars(tensor).items() if name not in OF_FAKES and not name.startswith("_")}
    tensor.__class__, other.__class__ = other.__class__, tensor.__class__
    tensor.__dict__, other.__dict__ = other.__dict__, tensor.__dict__
    swap_tensor_impl(tensor, other)
    vars(tensor).update(own)


def set_data(tensor: Tensor, data: Tensor) -> None:
    """`tensor.data = data`, also where one of them is on the card and the other is not."""
    if isinstance(tensor, FakeTensor) is isinstance(data, FakeTensor):
        tensor_data.__set__(tensor, data)
        if isinstance(tensor, FakeTensor) and isinstance(data, FakeTensor):
            tensor.fake_device = data.fake_device
            tensor.known_value = getattr(data, "known_value", None)  # type: ignore[attr-defined]
        return
    with torch.no_grad():
        if isinstance(tensor, Parameter):
            become(tensor, Parameter(data.detach(), tensor.requires_grad))
        else:
            become(tensor, data.detach().requires_grad_(tensor.requires_grad))


apply = keeping_parameters(set_data)
