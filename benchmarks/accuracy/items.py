"""Single views beside their inputs, class by class, on disk and judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from accuracy.bad import KINDS, spoiled
from accuracy.camera import moved
from accuracy.good import INPUTS, Make
from accuracy.photographs import FOLDERS, SIZES, Photographs
from gonogo.config.quality_thresholds import QualityGate
from gonogo.quality.pictures.statistics import image_statistics, pair_statistics
from gonogo.quality.views.pairs import pair_faults

RENDERS, TRUNCATED = "renders of cvs", "truncated file"
RENDERED_VIEWS = 8  # of a scene


@dataclass
class Tally:
    """One class: how many of its items were flagged, and why."""

    good: bool
    knowable: bool
    items: int = 0
    flagged: int = 0
    faults: Counter[str] = field(default_factory=Counter)


def judged(folder: Path, seed: int, count: int, photographs: Photographs) -> dict[str, Tally]:
    """`count` items of every class, written to `folder`/items/CLASS/NNNN.png (the view) and judged."""
    gate, found = QualityGate(), {}
    for name, good, knowable, pairs in _classes(folder, seed, count, photographs):
        tally = found[name] = Tally(good, knowable)
        (folder / "items" / name).mkdir(parents=True)
        for number, (x, y) in enumerate(pairs):
            view = folder / "items" / name / f"{number:04d}.png"
            cv2.imwrite(str(folder / "input.png"), x)
            cv2.imwrite(str(view), y)
            if name == TRUNCATED:
                data = view.read_bytes()
                view.write_bytes(data[: len(data) * (number + 1) // (count + 1)])
            faults = _faults(folder / "input.png", view, gate)
            tally.items += 1
            tally.flagged += bool(faults)
            tally.faults.update(faults)
    return found


def _faults(x: Path, y: Path, gate: QualityGate) -> list[str]:
    own, other = image_statistics(x), image_statistics(y)
    pair = pair_statistics(own, other)
    if own.pixels is None or other.pixels is None or pair is None:
        return ["unreadable"]
    return [fault.id for fault in pair_faults(own.pixels, other.pixels, pair, gate)]


Pairs = Iterator[tuple[np.ndarray, np.ndarray]]


def _classes(folder: Path, seed: int, count: int, photographs: Photographs) -> Iterator[tuple[str, bool, bool, Pairs]]:
    """Name, whether it is good, whether a view alone can show it, and its pairs, each class from numbers of its own."""
    for number, (name, make) in enumerate(INPUTS.items()):
        yield name, True, True, _good(np.random.default_rng([seed, 0, number]), make, count, photographs)
    yield RENDERS, True, True, _renders(folder / "renders", seed, count)
    for number, (name, kind) in enumerate(KINDS.items()):
        yield name, False, kind.knowable, _bad(np.random.default_rng([seed, 1, number]), name, count, photographs)
    yield TRUNCATED, False, True, _good(np.random.default_rng([seed, 2]), INPUTS["photographs"], count, photographs)


def _good(rng: np.random.Generator, make: Make, count: int, photographs: Photographs) -> Pairs:
    for _ in range(count):
        x = make(rng, photographs, int(rng.choice(SIZES)))
        yield x, moved(rng, x)


def _bad(rng: np.random.Generator, name: str, count: int, photographs: Photographs) -> Pairs:
    for _ in range(count):
        yield spoiled(name, rng, photographs, int(rng.choice(SIZES)))


def _renders(folder: Path, seed: int, count: int) -> Pairs:
    """Views of the splat generator as it ships, all of a scene's."""
    from experiments.cvs.generate import generate, prepare
    from experiments.cvs.settings import DataSettings

    settings = DataSettings(views=RENDERED_VIEWS)
    folder.mkdir(parents=True)
    prepare(settings, FOLDERS[0], folder, seed)
    generate(settings, FOLDERS[0], folder, range(-(-count // RENDERED_VIEWS)), folder / "data", seed)
    for scene in sorted((folder / "data").iterdir()):
        x = cv2.imread(str(scene / "input.png"))
        for view in sorted(scene.glob("view_*/rgb.png")):
            yield x, cv2.imread(str(view))
