"""Pairs that do not belong together."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gonogo.learning.dependence import independence_p
from gonogo.learning.features import spectra, vectors
from tests.learning.fixtures import numbers, pictures


@pytest.fixture(scope="module")
def crops() -> tuple[np.ndarray, np.ndarray]:
    return pictures(260, np.random.default_rng(3))


def test_pairs_that_belong_together_are_told_from_shuffled_ones(crops: tuple[np.ndarray, np.ndarray]) -> None:
    rng = np.random.default_rng(0)
    for x, y in (crops, numbers(250, rng, rng)):
        inputs, targets = vectors(torch.from_numpy(x)).numpy(), vectors(torch.from_numpy(y)).numpy()
        labels = [bytes([i % 256, i // 256]) for i in range(len(x))]
        together = independence_p([inputs], targets, labels)
        shuffled = [independence_p([inputs], rng.permutation(targets), labels) for _ in range(4)]
        assert together is not None and together < 0.01
        assert all(p is not None and p > 0.01 for p in shuffled)


def test_a_relation_that_is_not_linear_is_seen() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(250, 2))
    y = np.cos(3 * x[:, :1])
    p = independence_p([x], y, [bytes([i]) for i in range(250)])
    assert p is not None and p < 0.01


def test_views_of_one_input_do_not_count_as_many_pairs(crops: tuple[np.ndarray, np.ndarray]) -> None:
    """Items with the wrong input: within an item all is alike, and still nothing belongs together."""
    rng = np.random.default_rng(0)
    x, y = (vectors(torch.from_numpy(part[:40])).numpy() for part in crops)
    labels = [bytes([i]) for i in np.repeat(range(40), 8)]
    wrong = independence_p([np.repeat(x, 8, 0)], np.repeat(rng.permutation(y), 8, 0), labels)
    assert wrong is not None and wrong > 0.01
    assert independence_p([x[:10]], y[:10], labels[::8][:10]) is None


def test_a_rhythm_is_seen_wherever_the_window_begins() -> None:
    """The target is how fast the signal swings; every window begins at another phase, in every channel."""
    rng = np.random.default_rng(0)
    rate = rng.uniform(20, 40, (200, 1, 1))
    course = 2 * np.pi * (rate * np.arange(200) / 100 + rng.uniform(0, 1, (200, 4, 1)))
    signals = torch.from_numpy(np.sin(course) + rng.normal(0, 0.3, course.shape)).float()
    targets, labels = rate[:, :, 0], [bytes([i]) for i in range(200)]
    courses, rhythms = vectors(signals).numpy(), spectra(signals)
    assert rhythms is not None and spectra(signals[..., None]) is None
    alone = independence_p([courses], targets, labels)
    both = independence_p([courses, rhythms.numpy()], targets, labels)
    shuffled = [independence_p([courses, rhythms.numpy()], rng.permutation(targets), labels) for _ in range(3)]
    assert both is not None and both < 0.01 < (alone or 0)
    assert all(p is not None and p > 0.01 for p in shuffled)
