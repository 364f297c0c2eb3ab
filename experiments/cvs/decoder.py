"""Photograph + depth → a cloud of Gaussians: a small network corrects an initial guess, cell by cell.

The picture is cut into a grid of cells. The initial guess puts K Gaussians into each: on the surface that the depth
map describes, flattened along it, each as wide as its share of the cell, in the cell's colours. The network sees a
cell's surroundings and corrects all parameters. Its inputs and outputs are relative to the cell, so any grid works.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.adam import adam

from experiments.cvs.cameras import Camera, input_camera, orbit_camera
from experiments.cvs.pretrained import DECODER_SOURCE, open_model, run_model
from experiments.cvs.settings import DataSettings
from experiments.cvs.splats import Gaussians, render
from gonogo import UserError, replacing

PATCH = 4  # a cell's surroundings: 4 × 4 half cells, its own 2 × 2 in the centre
FEATURES = 3 * PATCH * PATCH + 3 + 3 + 2  # colours relative to the mean, mean colour, depth and its slope, position
PARAMETERS = 13  # of one Gaussian: offset 2, depth 1, log scale 3, rotation 3, colour 3, opacity 1
HIDDEN = 64

SIGMA = 0.55  # standard deviation of a Gaussian, in spacings of the initial guess
THICKNESS = 0.15  # across the surface, relative to along it
OPACITY_LOGIT = 2.5  # 0.92
MAX_OFFSET = 0.5  # spacings along the surface
MAX_DEPTH_OFFSET = 0.01  # of the depth
MAX_LOG_SCALE = 1.0

FIT_GRID = 16
FIT_LEARNING_RATE = 4e-3
SIDES_DEG = (-20.0, 20.0)
SIDE_WEIGHT = 0.5

Decoder = Callable[[Tensor], Tensor]  # features (cells, FEATURES) → raw parameters (cells, K · PARAMETERS)
Pair = tuple[np.ndarray, np.ndarray]  # image (S, S, 3) uint8, depth (S, S) in scene units


class Network(nn.Module):
    """Features (cells, FEATURES) → corrections (cells, K · PARAMETERS); initially zero."""

    def __init__(self, gaussians_per_cell: int) -> None:
        super().__init__()
        self.gaussians_per_cell = gaussians_per_cell
        last = nn.Linear(HIDDEN, gaussians_per_cell * PARAMETERS)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.layers = nn.Sequential(nn.Linear(FEATURES, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, HIDDEN), nn.SiLU(), last)

    def forward(self, features: Tensor) -> Tensor:
        return self.layers(features)


def decode(decoder: Decoder, pair: Pair, settings: DataSettings, grid: int | None = None) -> Gaussians:
    """The cloud of one input: grid² cells of K Gaussians, as the input camera sees them."""
    grid = grid or settings.grid
    image, depth = _tensors(pair)
    raw = decoder(_features(image, depth, grid, settings))
    return _gaussians(raw, image, depth, grid, settings)


def _tensors(pair: Pair) -> tuple[Tensor, Tensor]:
    """Image (3, S, S) 0-1 and depth (S, S)."""
    image, depth = (torch.tensor(array, dtype=torch.float32) for array in pair)
    return image.permute(2, 0, 1) / 255, depth


def _features(image: Tensor, depth: Tensor, grid: int, settings: DataSettings) -> Tensor:
    """What the network sees of each cell (grid², FEATURES), row by row."""
    halves = F.pad(_area(image, 2 * grid, 2 * grid)[None], (1, 1, 1, 1), mode="replicate")
    patches = F.unfold(halves, PATCH, stride=2)[0].T.reshape(grid * grid, 3, PATCH * PATCH)
    mean = patches.mean(-1, keepdim=True)
    share = (depth - settings.near) / (settings.far - settings.near)
    share = _area(share[None], grid, grid)[0]
    slopes = torch.gradient(share)
    place = (torch.arange(grid) + 0.5) / grid * 2 - 1
    down, right = torch.meshgrid(place, place, indexing="ij")
    single = torch.stack([share, *slopes, down, right], -1).reshape(grid * grid, -1)
    return torch.cat([(patches - mean).flatten(1), mean[..., 0], single], 1)


def _gaussians(raw: Tensor, image: Tensor, depth: Tensor, grid: int, settings: DataSettings) -> Gaussians:
    """The initial guess, corrected."""
    rows, columns = _lattice(settings.gaussians_per_cell)
    height, width = grid * rows, grid * columns
    raw = raw.view(grid, grid, rows, columns, PARAMETERS).transpose(1, 2).reshape(height * width, PARAMETERS)
    offset, along_ray, log_scale, rotation, colour, opacity = raw.split([2, 1, 3, 3, 3, 1], -1)
    points, frames = _surface(_area(depth[None], height, width)[0], settings.focal_ratio)
    moved = points + (frames[..., :2] @ (MAX_OFFSET * offset.tanh())[..., None])[..., 0]
    scale = SIGMA * torch.exp(MAX_LOG_SCALE * log_scale.tanh())
    return Gaussians(
        means=moved * (1 + MAX_DEPTH_OFFSET * along_ray.tanh()),
        factors=frames @ _rotations(rotation) * scale[:, None],
        colours=_area(image, height, width).flatten(1).T + colour,
        opacities=torch.sigmoid(OPACITY_LOGIT + opacity[:, 0]),
    )


def _lattice(count: int) -> tuple[int, int]:
    """Rows and columns of the points that share a cell: as close to a square as their count allows."""
    rows = next(n for n in range(math.isqrt(count), 0, -1) if count % n == 0)
    return rows, count // rows


def _surface(depth: Tensor, focal_ratio: float) -> tuple[Tensor, Tensor]:
    """Points of a depth map (H, W) in the world, and the surface's frame at each.

    Returns:
        (H·W, 3), and (H·W, 3, 3) whose columns are the steps to the next point right and down and the normal.
    """
    height, width = depth.shape
    down = (torch.arange(height) + 0.5) / height - 0.5
    right = (torch.arange(width) + 0.5) / width - 0.5
    x, y = right[None] / focal_ratio * depth, -down[:, None] / focal_ratio * depth
    points = torch.stack([x, y, -depth], -1)
    step_down, step_right = torch.gradient(points, dim=(0, 1))
    normal = F.normalize(torch.cross(step_down, step_right, dim=-1), dim=-1)
    breadth = torch.minimum(step_down.norm(dim=-1), step_right.norm(dim=-1))
    frames = torch.stack([step_right, step_down, normal * THICKNESS * breadth[..., None]], -1)
    return points.reshape(-1, 3), frames.reshape(-1, 3, 3)


def _rotations(vector: Tensor) -> Tensor:
    """Rotation matrices (N, 3, 3) of the normalised quaternions 1 + vector (N, 3); zero is the identity."""
    w, x, y, z = F.normalize(torch.cat([torch.ones_like(vector[:, :1]), vector], -1), dim=-1).unbind(-1)
    rows = [
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    ]  # fmt: skip
    return torch.stack(rows, -1).view(-1, 3, 3)


def _area(values: Tensor, height: int, width: int) -> Tensor:
    """(C, H, W) → (C, height, width), each value the mean over its area."""
    return F.interpolate(values[None], (height, width), mode="area")[0]


# --- on disk ---


def save(network: Network, path: Path) -> None:
    """A checkpoint, written whole or not at all."""
    with replacing(path) as temporary:
        torch.save({"gaussians_per_cell": network.gaussians_per_cell, "weights": network.state_dict()}, temporary)


def load(path: Path, gaussians_per_cell: int) -> Network:
    """The network of a checkpoint.

    Raises:
        UserError: it is missing or damaged, or was fitted for another number of Gaussians per cell.
    """
    try:
        checkpoint = torch.load(path, weights_only=True)
        fitted_for = checkpoint["gaussians_per_cell"]
        network = Network(fitted_for)
        network.load_state_dict(checkpoint["weights"])
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; the stage `prepare` writes it.") from None
    except Exception as error:  # what torch raises depends on which bytes are damaged
        raise UserError(f"{path}: not a decoder checkpoint ({error}); remove it and run again.") from None
    if fitted_for != gaussians_per_cell:
        raise UserError(
            f"{path}: fitted for {fitted_for} Gaussians per cell, but settings.data.gaussians_per_cell is "
            f"{gaussians_per_cell}; remove it and run again."
        )
    return network.eval()


def export_onnx(network: Network, path: Path) -> None:
    """An ONNX model for any number of cells: `features` (cells, FEATURES) → `raw` (cells, K · PARAMETERS)."""
    with replacing(path) as temporary:
        torch.onnx.export(
            network,
            (torch.zeros(1, FEATURES),),
            str(temporary),
            input_names=["features"],
            output_names=["raw"],
            dynamic_axes={"features": {0: "cells"}, "raw": {0: "cells"}},
            dynamo=False,
        )


def load_onnx(path: Path, gaussians_per_cell: int) -> Decoder:
    """A decoder that runs an ONNX model with `export_onnx`'s input and output.

    Raises:
        UserError: at once if the file is missing or not a model; when called, if its shapes differ.
    """
    session = open_model(path, "settings.data.decoder_model", DECODER_SOURCE)

    def raw(features: Tensor) -> Tensor:
        output = run_model(session, path, features.numpy())
        wanted = (len(features), gaussians_per_cell * PARAMETERS)
        if output.shape != wanted:
            raise UserError(
                f"{path}: gives {output.shape} for features of {tuple(features.shape)}, but {wanted} is "
                f"expected: {PARAMETERS} values for each Gaussian, settings.data.gaussians_per_cell "
                f"({gaussians_per_cell}) of them per cell."
            )
        return torch.from_numpy(output)

    return raw


# --- fitting ---


def fit(pairs: Sequence[Pair], settings: DataSettings, seed: int) -> Network:
    """A network whose clouds match the input from its own pose, and have no gaps from the side.

    From the side, the reference is the initial guess with one Gaussian per input pixel. Fitted on a small grid with
    as many pixels per cell as the data's grid. By Adam's function, because making an object of its class imports
    torch's compiler, which takes a second: a third of all this.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Network(settings.gaussians_per_cell)
    grid = min(FIT_GRID, settings.grid)
    size = max(round(settings.image_size * grid / settings.grid), 1)
    own = input_camera(settings).resized(size)
    lessons = [_lesson(pair, size, settings) for pair in pairs]
    weights: list[Tensor] = list(network.parameters())
    means, squares = ([torch.zeros_like(weight) for weight in weights] for _ in range(2))
    counts = [torch.tensor(0.0) for _ in weights]
    for step in range(settings.fit_steps):
        pair, lesson = pairs[step % len(pairs)], lessons[step % len(pairs)]
        cloud = decode(network, pair, settings, grid)
        loss = F.mse_loss(render(cloud, own).rgb, lesson.own)
        side = lesson.sides[step // len(pairs) % len(lesson.sides)]
        view = render(cloud, side.camera)
        loss = loss + SIDE_WEIGHT * (F.mse_loss(view.rgb, side.rgb) + F.mse_loss(view.alpha, side.alpha))
        gradients = list(torch.autograd.grad(loss, weights))
        rate = FIT_LEARNING_RATE * (1 + math.cos(math.pi * step / settings.fit_steps)) / 2
        with torch.no_grad():
            adam(
                weights, gradients, means, squares, [], counts, amsgrad=False, beta1=0.9, beta2=0.999, lr=rate,
                weight_decay=0, eps=1e-8, maximize=False,
            )  # fmt: skip
    return network.eval()


class _Side(NamedTuple):
    camera: Camera
    rgb: Tensor
    alpha: Tensor


class _Lesson(NamedTuple):
    own: Tensor  # (3, size, size)
    sides: list[_Side]


@torch.no_grad()
def _lesson(pair: Pair, size: int, settings: DataSettings) -> _Lesson:
    """References at `size`; sides are rendered at full size and downsampled, so that they are sharp."""
    image, depth = _tensors(pair)
    one = settings.model_copy(update={"gaussians_per_cell": 1})
    dense = decode(lambda features: features.new_zeros(len(features), PARAMETERS), pair, one, image.shape[-1])
    middle = float(depth.mean())
    sides = []
    for azimuth_deg in SIDES_DEG:
        camera = orbit_camera(settings, np.array([0.0, 0.0, -middle]), middle, azimuth_deg, 0.0)
        view = render(dense, camera)
        both = _area(torch.cat([view.rgb, view.alpha[None]]), size, size)
        sides.append(_Side(camera.resized(size), both[:3], both[3]))
    return _Lesson(_area(image, size, size), sides)
