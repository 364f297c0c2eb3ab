"""Sets of scenes, changed, and what was judged of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gonogo.quality.judgement import Judgement
from gonogo.verdict import Check, Status
from tests.quality.scenes import Scene, make_scene

WIDE_ANGLES = tuple(np.linspace(-50, 50, 8))


def scenes(count: int = 6, **how: object) -> list[Scene]:
    return [make_scene(seed, **how) for seed in range(count)]  # type: ignore[arg-type]


def changed(made: list[Scene], change: Callable[[np.ndarray], np.ndarray], bad: int | None = None) -> list[Scene]:
    """The views of the first `bad` scenes changed, of all for None."""
    for scene in made[:bad]:
        scene.views = [np.clip(change(view.astype(float)), 0, 255).astype(np.uint8) for view in scene.views]
    return made


def darkened(view: np.ndarray) -> np.ndarray:
    return 0.05 * view


def check(judgement: Judgement, id: str) -> Check:
    return next(check for check in judgement.checks if check.id == id)


def stopped(judgement: Judgement) -> list[str]:
    return [check.id for check in judgement.checks if check.status is Status.NO_GO]
