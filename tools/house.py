"""Draws the house: rooms of the package, their floors and who imports whom, from the code.

    python -m tools.house           print it, and draw it into docs/architecture.md
    python -m tools.house --check   exit code 1 where the drawing there is not that of the code

A room is a folder or module directly below gonogo/. The floors are the layers of import-linter's contract in
pyproject.toml.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import grimp

from tools.generated import ROOT, write_or_check

PAGE = "docs/architecture.md"


@dataclass(frozen=True)
class House:
    """What the code says.

    Attributes:
        floors: rooms by floor, the top one first.
        arrows: room → rooms that it imports, with how many imports.
        modules: room → its modules.
        up: imports from a room to one of its own floor or above, as `module → module`.
        circles: modules that import each other in a circle.
    """

    floors: list[list[str]]
    arrows: dict[str, dict[str, int]]
    modules: dict[str, list[str]]
    up: list[str]
    circles: list[str]

    @property
    def rooms(self) -> list[str]:
        return [room for floor in self.floors for room in floor]


DOORS = ("gonogo", "gonogo.__main__")  # no rooms of their own


def layers(pyproject: Path = ROOT / "pyproject.toml") -> list[list[str]]:
    """Rooms by floor, as the contract has them."""
    contracts = tomllib.loads(pyproject.read_text())["tool"]["importlinter"]["contracts"]
    (contract,) = [one for one in contracts if one["type"] == "layers"]
    return [[room.strip("() ").removeprefix("gonogo.") for room in floor.split("|")] for floor in contract["layers"]]


def read_house() -> House:
    """The house as the code is.

    Raises:
        SystemExit: a module belongs to no room of the contract.
    """
    graph = grimp.build_graph("gonogo", cache_dir=None)
    floors = layers()
    level = {room: number for number, floor in enumerate(floors) for room in floor}
    room_of = {module: module.split(".")[1] for module in graph.modules if module not in DOORS}
    if outside := sorted({room for room in room_of.values() if room not in level}):
        raise SystemExit(f"{', '.join(outside)}: no layer of import-linter's contract in pyproject.toml has this room")
    arrows: dict[str, dict[str, int]] = {room: {} for room in level}
    up = []
    imports = {module: graph.find_modules_directly_imported_by(module) & room_of.keys() for module in room_of}
    for module, others in sorted(imports.items()):
        for other in sorted(others):
            one, two = room_of[module], room_of[other]
            if one == two:
                continue
            arrows[one][two] = arrows[one].get(two, 0) + 1
            if level[two] <= level[one]:
                up.append(f"{module} → {other}")
    modules = {room: sorted(module for module, its in room_of.items() if its == room) for room in level}
    return House(floors, arrows, modules, up, in_circles(imports))


def in_circles(imports: Mapping[str, set[str]]) -> list[str]:
    """Modules that import each other in a circle, or lie between two circles."""
    left = dict(imports)
    while ends := {one for one in left if not left[one] & left.keys()} | left.keys() - set().union(*left.values()):
        left = {one: others for one, others in left.items() if one not in ends}
    return sorted(left)


def needed_arrows(arrows: Mapping[str, Mapping[str, int]]) -> list[tuple[str, str]]:
    """The arrows that no path of others stands for: enough to see what each room may know."""

    def below(room: str) -> set[str]:
        return {further for other in arrows[room] for further in {other, *below(other)}}

    return [
        (room, other)
        for room, others in arrows.items()
        for other in others
        if not any(other in below(between) for between in others if between != other)
    ]


def summary(house: House) -> str:
    arrows = sum(len(others) for others in house.arrows.values())
    return (
        f"{len(house.rooms)} rooms on {len(house.floors)} floors; {arrows} arrows, {len(house.up)} imports "
        f"upwards, {len(house.circles)} modules in a circle"
    )


def as_text(house: House) -> str:
    """For a terminal: each room with its size and what it imports."""
    lines = [summary(house), ""]
    for number, floor in enumerate(house.floors):
        for room in floor:
            size = sum(len(_source(module).read_text().splitlines()) for module in house.modules[room])
            others = ", ".join(f"{other} {count}" for other, count in sorted(house.arrows[room].items()))
            lines.append(
                f"floor {len(house.floors) - number:2d}  {room:12s} {len(house.modules[room]):3d} modules "
                f"{size:6,d} lines  imports {others or 'nothing'}"
            )
    lines += [f"upwards: {arrow}" for arrow in house.up]
    lines += [f"in a circle: {module}" for module in house.circles]
    return "\n".join(lines)


def _source(module: str) -> Path:
    path = ROOT / module.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def as_mermaid(house: House) -> str:
    """For a page. An arrow that a path of others stands for is left out."""
    boxes = [f"  {room}[{room}]" for room in house.rooms]
    arrows = [f"  {room} --> {other}" for room, other in needed_arrows(house.arrows)]
    caption = (
        f"{summary(house)}. An arrow points to the room that is imported; one that follows from others is not drawn."
    )
    return "\n".join(["```mermaid", "flowchart TB", *boxes, *arrows, "```", "", caption])


if __name__ == "__main__":
    drawn = read_house()
    if "--check" not in sys.argv:
        print(as_text(drawn))
    write_or_check({PAGE: {"house": as_mermaid(drawn)}}, "house")
