"""Pairs that do not belong together."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gonogo.learning.data_checks import INDEPENDENT_P
from gonogo.learning.dependence import independence_p, masks_independence_p
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


@pytest.mark.parametrize("what", ["brightness", "texture", "centred"])
def test_masks_that_fit_their_own_pictures_and_masks_that_were_shuffled(what: str) -> None:
    rng, count, side = np.random.default_rng(0), 60, 64
    rows, columns = np.mgrid[:side, :side]
    found = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        centres = np.full((count, 2), 32) + rng.integers(-4, 5, (count, 2)) * (1 if what == "centred" else 4)
        radii = rng.integers(8, 14, count)
        inside = (rows - centres[:, :1, None]) ** 2 + (columns - centres[:, 1:, None]) ** 2 < radii[:, None, None] ** 2
        waves = np.sin(columns / rng.uniform(3, 12, (count, 1, 1)) + rng.uniform(0, 6, (count, 1, 1)))
        noise = rng.normal(0, 1, (count, side, side))
        pictures = waves + noise * (np.where(inside, 1.0, 0.3) if what == "texture" else 0.3)
        pictures += 0.0 if what == "texture" else 1.0 * inside
        masks = np.stack([~inside, inside], 1).astype(float)
        right = masks_independence_p(pictures[:, None], masks)
        wrong = masks_independence_p(pictures[:, None], masks[rng.permutation(count)])
        assert right is not None and wrong is not None and right <= 0.002
        found.append(wrong)
    assert sorted(found)[1] > INDEPENDENT_P


def test_masks_of_few_or_of_flat_pictures_tell_nothing() -> None:
    masks = np.random.default_rng(0).integers(0, 2, (60, 1, 8, 8)).astype(float)
    both = np.concatenate([masks, 1 - masks], 1)
    assert masks_independence_p(np.zeros((60, 3, 8, 8)), both) is None
    assert masks_independence_p(masks[:10], both[:10]) is None
    assert masks_independence_p(masks, np.repeat(both[:1], 60, 0)) is None
