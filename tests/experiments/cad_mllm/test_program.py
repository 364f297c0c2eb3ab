from __future__ import annotations

import numpy as np
import pytest

from experiments.cad_mllm.parts import FAMILIES, caption, draw
from experiments.cad_mllm.program import built, overlap, parsed, written
from experiments.cad_mllm.shapes import dense_points, rendered, surface_points

PLATE = "add box 0 0 0 30 20 4 ; cut cyl 15 10 0 2 4"


def test_a_program_builds_its_solid() -> None:
    solid = built(parsed(PLATE))
    assert solid.volume() == pytest.approx(30 * 20 * 4 - np.pi * 2**2 * 4, rel=0.001)
    assert written(parsed(PLATE)) == PLATE


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "operation 1"),
        ("add box 0 0 0 30 20", "box takes 6 whole numbers"),
        ("add box 0 0 0 30 20 4 ; cut", "operation 2"),
        ("add cyl 0 0 0 two 4", "cyl takes 5"),
        ("grow box 0 0 0 1 1 1", "does not begin with add or cut"),
    ],
)
def test_what_is_no_program_is_named(text: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        parsed(text)


def test_a_program_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="leaves nothing"):
        built(parsed("cut box 0 0 0 30 20 4"))


def test_overlap_is_one_for_the_same_and_half_for_half() -> None:
    whole, half = (built(parsed(f"add box 0 0 0 {width} 20 4")) for width in (20, 10))
    assert overlap(whole, whole) == pytest.approx(1)
    assert overlap(whole, half) == pytest.approx(0.5)


def test_every_part_of_every_family_builds_and_lies_on_the_grid() -> None:
    seen = set()
    for index in range(200):
        part = draw(np.random.default_rng([0, index]))
        low, high = np.split(np.array(built(parsed(part.program)).bounding_box()), 2)
        assert (low >= -1e-6).all() and (high <= 40 + 1e-6).all(), part
        seen.add(part.family)
    assert len(seen) == len(FAMILIES)


def test_a_caption_tells_as_much_as_it_is_asked_to() -> None:
    part = draw(np.random.default_rng(1))
    whole = caption(part, np.random.default_rng(0), 1.0)
    assert all(f"{number} {word}" in whole for word, number in part.sizes.items())
    assert not any(f" {number} " in caption(part, np.random.default_rng(0), 0.0) for number in part.sizes.values())


def test_points_lie_on_the_surface_with_normals_of_length_one() -> None:
    cloud = surface_points(built(parsed("add box 0 0 0 40 40 40")), 100, seed=3)
    assert cloud.shape == (100, 6) and cloud.dtype == np.float32
    assert np.abs(cloud[:, :3]).max(1) == pytest.approx(np.ones(100), abs=1e-5)
    assert np.linalg.norm(cloud[:, 3:], axis=1) == pytest.approx(np.ones(100), abs=1e-5)
    assert (cloud == surface_points(built(parsed("add box 0 0 0 40 40 40")), 100, seed=3)).all()


def test_the_picture_shows_a_larger_part_larger() -> None:
    def light(side: int) -> float:
        cloud = surface_points(built(parsed(f"add box 0 0 0 {side} {side} {side}")), dense_points(32), 0)
        return float((rendered(cloud, 32) > 0).mean())

    assert 0.02 < light(10) < light(20) < light(40) < 0.8
