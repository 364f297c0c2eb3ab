"""Chest phantoms in Hounsfield units: body, lungs, heart, spine, ribs, vessels with contrast, nodules, noise.

Analytic: each shape is a signed distance in millimetres, and a voxel on an edge gets the share that lies inside.
Attenuations are textbook values: lung -850, fat -100, soft tissue 40, vessels with contrast 250, cortical bone 700.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from experiments.vqgan3d.settings import ScanSettings

AIR, LUNG, FAT, SOFT, MARROW, CONTRAST, BONE = -1000.0, -850.0, -100.0, 40.0, 180.0, 250.0, 700.0
VESSELS, NODULES, BRANCHES = 6, 4, 3
RIB_EVERY_MM = 32.0

Point = tuple[float, float, float]


@dataclass
class Grid:
    """Coordinates in mm from the centre: x to the left, y to the back, z to the head."""

    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    voxel_mm: Point

    @property
    def edge_mm(self) -> float:
        """Width of an edge: the mean voxel."""
        return float(np.mean(self.voxel_mm))

    def away(self, centre: Point, squeezed: Point = (1.0, 1.0, 1.0)) -> np.ndarray:
        """Distance from a point, each axis divided by its factor."""
        parts = [
            ((axis - at) / factor) ** 2
            for axis, at, factor in zip((self.x, self.y, self.z), centre, squeezed, strict=True)
        ]
        return np.sqrt(parts[0] + parts[1] + parts[2])


def voxel_mm(settings: ScanSettings, rng: np.random.Generator) -> Point:
    """Voxel size of one scan: scanners' fields of view differ by a few percent."""
    scale = rng.uniform(0.95, 1.05)
    in_plane = scale * settings.field_of_view_mm
    return in_plane / settings.shape[0], in_plane / settings.shape[1], settings.height_mm / settings.shape[2]


def phantom(settings: ScanSettings, index: int, seed: int) -> tuple[np.ndarray, Point]:
    """One volume (X, Y, Z) float32 in HU, and its voxel size in mm; the same for the same index and seed."""
    rng = np.random.default_rng([seed, index])
    size = voxel_mm(settings, rng)
    axes = [(np.arange(n) - (n - 1) / 2) * mm for n, mm in zip(settings.shape, size, strict=True)]
    x, y, z = np.meshgrid(*axes, indexing="ij", sparse=True)
    grid = Grid(x + rng.uniform(-6, 6), y + rng.uniform(-6, 6), z, size)
    hu = np.full(settings.shape, AIR)
    _body(hu, grid, rng)
    _lungs(hu, grid, rng)
    _bones(hu, grid, rng)
    hu += rng.normal(0, settings.noise_hu, hu.shape)
    return hu.astype(np.float32), size


def _fill(hu: np.ndarray, grid: Grid, inside_mm: np.ndarray, value: float) -> np.ndarray:
    """Set the inside (positive distance from the edge); returns each voxel's share inside."""
    share = np.clip(inside_mm / grid.edge_mm + 0.5, 0, 1)
    hu += share * (value - hu)
    return share


def _body(hu: np.ndarray, grid: Grid, rng: np.random.Generator) -> None:
    """Skin and fat around soft tissue, wider at the shoulders."""
    wide, deep = rng.uniform(155, 170), rng.uniform(100, 112)
    wide = wide * (1 + 0.0004 * grid.z)
    flat = np.sqrt((grid.x / wide) ** 2 + (grid.y / deep) ** 2)
    _fill(hu, grid, (1 - flat) * deep, FAT)
    fat_mm = rng.uniform(8, 18)
    _fill(hu, grid, (1 - flat) * deep - fat_mm, SOFT)


def _lungs(hu: np.ndarray, grid: Grid, rng: np.random.Generator) -> None:
    heart = (rng.uniform(15, 30), rng.uniform(-30, -15), rng.uniform(-60, -30))
    tall = rng.uniform(105, 125)
    for side in (-1, 1):
        centre = (side * rng.uniform(72, 80), rng.uniform(-5, 5), rng.uniform(-10, 10))
        wide, deep = rng.uniform(52, 60), rng.uniform(66, 76)
        far = grid.away(centre, (wide / tall, deep / tall, 1.0))
        within = np.clip((tall - far) / grid.edge_mm, 0, 1)
        _fill(hu, grid, (tall - far) * wide / tall, rng.normal(LUNG, 20))
        _vessels(hu, grid, rng, centre, within)
        _nodules(hu, grid, rng, centre, within)
    _fill(hu, grid, 45 - grid.away(heart, (1.25, 1.0, 1.1)), SOFT + 60)
    _fill(hu, grid, 14 - np.hypot(grid.x - 12, grid.y - 30), CONTRAST)  # aorta
    _fill(hu, grid, 8 - np.hypot(grid.x, grid.y - 5), AIR + 20)  # trachea


def _vessels(hu: np.ndarray, grid: Grid, rng: np.random.Generator, centre: Point, within: np.ndarray) -> None:
    """Tubes that run outwards from the hilum and fork, thinner at each fork."""
    hilum = (0.45 * centre[0], centre[1], centre[2])
    for _ in range(VESSELS):
        start, radius = hilum, rng.uniform(4.5, 7)
        heading = rng.normal(size=3) + np.array([np.sign(centre[0]), 0, 0])
        for _ in range(BRANCHES):
            heading = heading / np.linalg.norm(heading) + rng.normal(0, 0.3, 3)
            end = tuple(a + 28 * float(b) for a, b in zip(start, heading / np.linalg.norm(heading), strict=True))
            tube = radius - _from_segment(grid, start, end)
            share = np.clip(tube / grid.edge_mm + 0.5, 0, 1) * within
            hu += share * (CONTRAST - 60 - hu)
            start, radius = (end[0], end[1], end[2]), 0.72 * radius


def _nodules(hu: np.ndarray, grid: Grid, rng: np.random.Generator, centre: Point, within: np.ndarray) -> None:
    for _ in range(rng.integers(0, NODULES + 1)):
        offset = rng.uniform(-0.6, 0.6, 3) * (50, 65, 100)
        place = (centre[0] + offset[0], centre[1] + offset[1], centre[2] + offset[2])
        share = np.clip((rng.uniform(4, 11) - grid.away(place)) / grid.edge_mm + 0.5, 0, 1) * within
        hu += share * (rng.uniform(0, 80) - hu)


def _bones(hu: np.ndarray, grid: Grid, rng: np.random.Generator) -> None:
    """Spine with discs between the vertebrae, and ribs that slope forward and down."""
    back = rng.uniform(62, 70)
    spine = np.hypot(grid.x, grid.y - back)
    between = np.cos(2 * np.pi * (grid.z + rng.uniform(0, 30)) / 30) > -0.8
    _fill(hu, grid, np.where(between, 19.0, 17.0) - spine, BONE / 2)
    _fill(hu, grid, 15 - spine, MARROW)
    shell = np.abs(np.sqrt((grid.x / 138) ** 2 + (grid.y / 88) ** 2) - 1) * 88
    height = (grid.z + 0.35 * grid.y + rng.uniform(0, RIB_EVERY_MM)) % RIB_EVERY_MM - RIB_EVERY_MM / 2
    _fill(hu, grid, 6 - np.hypot(shell, height), BONE)


def _from_segment(grid: Grid, start: Point, end: Point) -> np.ndarray:
    """Distance of each voxel from the line between two points."""
    along = np.subtract(end, start)
    offset = [axis - at for axis, at in zip((grid.x, grid.y, grid.z), start, strict=True)]
    where = sum(o * a for o, a in zip(offset, along, strict=True)) / float(along @ along)
    where = np.clip(where, 0, 1)
    squares = [(o - where * a) ** 2 for o, a in zip(offset, along, strict=True)]
    return np.sqrt(squares[0] + squares[1] + squares[2])
