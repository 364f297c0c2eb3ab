"""CAD programs: solids added and cut, one after another, on a grid of integers.

    add box 0 0 0 30 20 4 ; cut cyl 15 10 0 2 4

`box` is followed by its lowest corner and its three sides, `cyl` by the centre of its base, its radius and its height.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from manifold3d import Manifold

MODES, SOLIDS = ("add", "cut"), {"box": 6, "cyl": 5}  # numbers of each
LARGEST = 40  # number in a program
SEPARATOR = ";"
SEGMENTS = 32  # of a circle
WORDS = (*MODES, *SOLIDS, SEPARATOR, *map(str, range(LARGEST + 1)))
"""Every word that can occur in a program."""


@dataclass(frozen=True)
class Operation:
    mode: Literal["add", "cut"]
    solid: Literal["box", "cyl"]
    numbers: tuple[int, ...]

    def __str__(self) -> str:
        return " ".join([self.mode, self.solid, *map(str, self.numbers)])


def written(operations: Iterable[Operation]) -> str:
    """As text."""
    return f" {SEPARATOR} ".join(map(str, operations))


def parsed(text: str) -> list[Operation]:
    """The operations of a program.

    Raises:
        ValueError: it is malformed; says where.
    """
    found = []
    for number, part in enumerate(text.split(SEPARATOR), 1):
        words = part.split()
        if len(words) < 2 or words[0] not in MODES or words[1] not in SOLIDS:
            raise ValueError(f"operation {number}: {' '.join(words)!r} does not begin with add or cut, box or cyl")
        numbers = words[2:]
        if len(numbers) != SOLIDS[words[1]] or not all(word.isdecimal() for word in numbers):
            raise ValueError(f"operation {number}: {words[1]} takes {SOLIDS[words[1]]} whole numbers")
        found.append(Operation(words[0], words[1], tuple(map(int, numbers))))  # type: ignore[arg-type]
    return found


def built(operations: Sequence[Operation]) -> Manifold:
    """The solid (manifold3d).

    Raises:
        ValueError: the solid is empty.
    """
    from manifold3d import Manifold

    whole = Manifold()
    for operation in operations:
        part = _solid(operation)
        whole = whole + part if operation.mode == "add" else whole - part
    if whole.is_empty() or whole.volume() <= 0:
        raise ValueError("the program leaves nothing")
    return whole


def overlap(one: Manifold, other: Manifold) -> float:
    """Intersection over union of the two volumes, 0-1."""
    both = (one ^ other).volume()
    return both / (one.volume() + other.volume() - both)


def _solid(operation: Operation) -> Manifold:
    from manifold3d import Manifold

    x, y, z, *size = operation.numbers
    if operation.solid == "box":
        return Manifold.cube(size).translate((x, y, z))
    radius, height = size
    return Manifold.cylinder(height, radius, circular_segments=SEGMENTS).translate((x, y, z))
