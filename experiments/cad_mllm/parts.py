"""Families of parts: sizes drawn at random, the program that builds them, a caption that names some of the sizes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from experiments.cad_mllm.program import Operation, written

COUNTS = {1: "one hole", 2: "two holes"}
MIDDLE = 20  # centre of round parts


@dataclass(frozen=True)
class Part:
    """One part.

    Attributes:
        sizes: what the caption may name, as `word` → number.
    """

    family: str
    sizes: dict[str, int]
    operations: tuple[Operation, ...]
    holes: int = 0

    @property
    def program(self) -> str:
        return written(self.operations)


def draw(rng: np.random.Generator) -> Part:
    """A part of any family."""
    return FAMILIES[int(rng.integers(len(FAMILIES)))](rng)


def caption(part: Part, rng: np.random.Generator, detail: float) -> str:
    """Its family, the number of holes, and each of its sizes with probability `detail`, in random order."""
    told = [f"{number} {word}" for word, number in part.sizes.items() if rng.random() < detail]
    rng.shuffle(told)
    holes = [f"with {COUNTS[part.holes]}"] if part.holes else []
    return " ".join([f"a {part.family}", *holes, *told])


def _plate(rng: np.random.Generator) -> Part:
    width, depth, thick = 2 * _whole(rng, 8, 20), 2 * _whole(rng, 5, 20), _whole(rng, 2, 8)
    radius, holes = _whole(rng, 1, 3), _whole(rng, 1, 2)
    body = Operation("add", "box", (0, 0, 0, width, depth, thick))
    places = [width // 2] if holes == 1 else [width // 4, width - width // 4]
    cuts = [Operation("cut", "cyl", (x, depth // 2, 0, radius, thick)) for x in places]
    sizes = {"wide": width, "deep": depth, "thick": thick, "bore": radius}
    return Part("plate", sizes, (body, *cuts), holes)


def _disc(rng: np.random.Generator) -> Part:
    radius, thick = _whole(rng, 6, 20), _whole(rng, 2, 12)
    bore = _whole(rng, 1, min(5, radius - 2))
    offset = _whole(rng, 0, radius - bore - 1)
    body = Operation("add", "cyl", (MIDDLE, MIDDLE, 0, radius, thick))
    cut = Operation("cut", "cyl", (MIDDLE + offset, MIDDLE, 0, bore, thick))
    return Part("disc", {"radius": radius, "thick": thick, "bore": bore, "offset": offset}, (body, cut), 1)


def _bracket(rng: np.random.Generator) -> Part:
    width, depth, tall = 2 * _whole(rng, 6, 20), 2 * _whole(rng, 5, 20), 2 * _whole(rng, 6, 20)
    thick = _whole(rng, 2, 5)
    foot = Operation("add", "box", (0, 0, 0, width, depth, thick))
    wall = Operation("add", "box", (0, 0, thick, thick, depth, tall - thick))
    return Part("bracket", {"wide": width, "deep": depth, "tall": tall, "thick": thick}, (foot, wall))


def _shaft(rng: np.random.Generator) -> Part:
    radius, long = _whole(rng, 6, 18), _whole(rng, 4, 20)
    thin, end = _whole(rng, 2, radius - 2), _whole(rng, 4, 20)
    body = Operation("add", "cyl", (MIDDLE, MIDDLE, 0, radius, long))
    neck = Operation("add", "cyl", (MIDDLE, MIDDLE, long, thin, end))
    return Part("shaft", {"radius": radius, "long": long, "neck": thin, "end": end}, (body, neck))


def _whole(rng: np.random.Generator, low: int, high: int) -> int:
    """From low to high, inclusive."""
    return int(rng.integers(low, high + 1))


FAMILIES: tuple[Callable[[np.random.Generator], Part], ...] = (_plate, _disc, _bracket, _shaft)
CAPTION_WORDS = tuple(
    sorted(
        {"a", "with", "plate", "disc", "bracket", "shaft"}
        | {word for phrase in COUNTS.values() for word in phrase.split()}
        | {"wide", "deep", "thick", "bore", "radius", "tall", "long", "neck", "end", "offset"}
    )
)
"""Every word of a caption that is not a number."""
