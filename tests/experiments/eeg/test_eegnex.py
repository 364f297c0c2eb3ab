"""The published architecture."""

from __future__ import annotations

import torch

from experiments.eeg.eegnex import EEGNeX
from experiments.eeg.settings import ModelSettings


def test_the_full_configuration_has_the_published_size_exactly() -> None:
    network = EEGNeX(ModelSettings(), channels=129, samples=200)
    assert sum(parameter.numel() for parameter in network.parameters()) == 62_353


def test_one_number_for_each_window_and_gradients_everywhere() -> None:
    network = EEGNeX(ModelSettings(), channels=6, samples=200)
    out = network(torch.randn(3, 6, 200))
    assert out.shape == (3, 1)
    out.square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in network.parameters())


def test_any_length_of_window_is_taken() -> None:
    for samples in (64, 100, 203):
        assert EEGNeX(ModelSettings(), 4, samples)(torch.randn(2, 4, samples)).shape == (2, 1)


def test_long_weights_are_shortened_and_short_ones_left() -> None:
    network = EEGNeX(ModelSettings(), 6, 200)
    with torch.no_grad():
        network.spatial[0].weight.mul_(100)
        network.out.weight.mul_(1e-3)
    before = network.out.weight.clone()
    network.limit_weights()
    assert torch.allclose(network.spatial[0].weight.flatten(1).norm(dim=1), torch.ones(64), atol=1e-4)
    assert torch.equal(network.out.weight, before)
