"""Gaussian splatting in plain torch: differentiable, vectorised over tiles, fast enough on one core.

The method is that of Kerbl et al., "3D Gaussian Splatting for Real-Time Radiance Field Rendering" (2023):
each Gaussian is projected to an ellipse; ellipses are sorted by depth and blended front to back, tile by
tile.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from experiments.cvs.cameras import Camera

TILE = 4  # pixels; smaller tiles mean more (Gaussian, tile) pairs, larger ones more pixels per pair
TILES_AT_ONCE = 32  # tiles with similar counts are blended together
NEAR_PLANE = 0.2  # scene units; Gaussians nearer to the camera, or behind it, are not drawn
DILATION = 0.3  # px², added to every ellipse so that none is thinner than a pixel (Kerbl et al.)
MAX_ALPHA = 0.99
MIN_ALPHA = 1 / 255  # contributions of a Gaussian below this are ignored
FIELD_MARGIN = 1.3  # of the half field of view; the projection is linearised no further out than this


class Gaussians(NamedTuple):
    """A cloud of N Gaussians in world coordinates.

    Attributes:
        means: (N, 3) scene units.
        factors: (N, 3, 3); the covariance is factor @ factorᵀ.
        colours: (N, 3) RGB, 0-1.
        opacities: (N,) in (0, 1).
    """

    means: Tensor
    factors: Tensor
    colours: Tensor
    opacities: Tensor


class Rendering(NamedTuple):
    """One view on a black background.

    Attributes:
        rgb: (3, H, W), 0-1 if the colours are.
        depth: (H, W) expected depth of the surface, scene units; 0 where nothing was rendered.
        alpha: (H, W) opacity of the cloud, 0-1.
    """

    rgb: Tensor
    depth: Tensor
    alpha: Tensor


class _Ellipses(NamedTuple):
    """Gaussians as the camera sees them: N of them, in pixels."""

    centre: Tensor  # (N, 2): u to the right, v down
    conic: Tensor  # (N, 3): a, b, c of the inverse covariance [[a, b], [b, c]]
    reach: Tensor  # (N, 2): half width and half height of the box outside which alpha < MIN_ALPHA
    channels: Tensor  # (N, 5): red, green, blue, depth, 1
    log_opacity: Tensor  # (N,)


def render(gaussians: Gaussians, camera: Camera) -> Rendering:
    """The cloud seen by a camera; differentiable in everything that `gaussians` holds."""
    ellipses = _project(gaussians, camera)
    columns, rows = -(-camera.width // TILE), -(-camera.height // TILE)
    picture = gaussians.means.new_zeros(rows * columns, 5, TILE * TILE)
    gaussian_of_pair, counts = _pairs(ellipses, columns, rows)
    if len(gaussian_of_pair):
        tiles, blended = _blend(ellipses, gaussian_of_pair, counts, columns)
        picture = picture.index_copy(0, tiles, blended)
    picture = picture.view(rows, columns, 5, TILE, TILE).permute(2, 0, 3, 1, 4)
    picture = picture.reshape(5, rows * TILE, columns * TILE)[:, : camera.height, : camera.width]
    alpha = picture[4]
    return Rendering(picture[:3], picture[3] / alpha.clamp(min=MIN_ALPHA), alpha)


def _project(gaussians: Gaussians, camera: Camera) -> _Ellipses:
    """Ellipses of the Gaussians in front of the camera, nearest first."""
    view = torch.as_tensor(camera.world_to_camera, dtype=gaussians.means.dtype)
    x, y, z = (gaussians.means @ view[:3, :3].T + view[:3, 3]).unbind(-1)
    with torch.no_grad():
        order = torch.argsort(-z)
        order = order[-z[order] > NEAR_PLANE]
    x, y, depth = x[order], y[order], -z[order]
    focal = camera.focal_px
    limit_x, limit_y = (FIELD_MARGIN * side / (2 * focal) for side in (camera.width, camera.height))
    slope_x, slope_y = (x / depth).clamp(-limit_x, limit_x), (y / depth).clamp(-limit_y, limit_y)
    zero, scale = torch.zeros_like(depth), focal / depth
    jacobian = torch.stack([scale, zero, scale * slope_x, zero, -scale, -scale * slope_y], -1).view(len(depth), 2, 3)
    spread = jacobian @ (view[:3, :3] @ gaussians.factors[order])
    covariance = spread @ spread.transpose(1, 2)
    xx, xy, yy = covariance[:, 0, 0] + DILATION, covariance[:, 0, 1], covariance[:, 1, 1] + DILATION
    determinant = xx * yy - xy * xy
    opacity = gaussians.opacities[order]
    with torch.no_grad():
        sigmas = (2 * (opacity / MIN_ALPHA).clamp(min=1).log()).sqrt()
        reach = sigmas[:, None] * torch.stack([xx, yy], -1).sqrt()
    return _Ellipses(
        centre=torch.stack([camera.width / 2 + scale * x, camera.height / 2 - scale * y], -1),
        conic=torch.stack([yy, -xy, xx], -1) / determinant[:, None],
        reach=reach,
        channels=torch.cat([gaussians.colours[order], depth[:, None], torch.ones_like(depth)[:, None]], -1),
        log_opacity=opacity.clamp(min=1e-12).log(),
    )


@torch.no_grad()
def _pairs(ellipses: _Ellipses, columns: int, rows: int) -> tuple[Tensor, Tensor]:
    """Which Gaussian touches which tile.

    Returns:
        The Gaussian of every pair, tile by tile and nearest first within one, and each tile's count.
    """
    limit = torch.tensor([columns, rows])
    first = torch.minimum(((ellipses.centre - ellipses.reach) / TILE).floor().clamp(min=0).long(), limit)
    end = torch.minimum(((ellipses.centre + ellipses.reach) / TILE).floor().clamp(min=-1).long() + 1, limit)
    spans = (end - first).clamp(min=0) * (ellipses.reach > 0)
    touched = spans.prod(-1)
    gaussian = torch.repeat_interleave(touched)
    within = torch.arange(len(gaussian)) - (touched.cumsum(0) - touched)[gaussian]
    width = spans[gaussian, 0]
    tile = (first[gaussian, 1] + within // width) * columns + first[gaussian, 0] + within % width
    tile, order = torch.sort(tile, stable=True)
    return gaussian[order], torch.bincount(tile, minlength=columns * rows)


def _blend(ellipses: _Ellipses, gaussian_of_pair: Tensor, counts: Tensor, columns: int) -> tuple[Tensor, Tensor]:
    """Front-to-back blending of every tile that has a Gaussian.

    Returns:
        Tile numbers (T,), and their pixels (T, 5, TILE²).
    """
    pixel = torch.arange(TILE, dtype=ellipses.centre.dtype) + 0.5 - TILE / 2
    down, right = (axis.reshape(-1) for axis in torch.meshgrid(pixel, pixel, indexing="ij"))
    monomials = torch.stack([right * right, right * down, down * down, right, down, torch.ones_like(right)])
    starts = counts.cumsum(0) - counts
    fullest_first = torch.argsort(counts, descending=True)[: int((counts > 0).sum())]
    pixels = []
    for tiles in fullest_first.split(TILES_AT_ONCE):
        place = torch.arange(int(counts[tiles[0]]))
        present = place < counts[tiles, None]
        index = gaussian_of_pair[(starts[tiles, None] + place).clamp(max=len(gaussian_of_pair) - 1)]
        corner = torch.stack([tiles % columns, tiles // columns], -1) * TILE
        offset = ellipses.centre[index] - (corner + TILE / 2)[:, None]
        exponent = _quadratic(ellipses.conic[index], offset, ellipses.log_opacity[index]) @ monomials
        alpha = exponent.exp().clamp(max=MAX_ALPHA) * present[..., None]
        transmitted = torch.cumprod(1 - alpha, 1)
        weight = torch.cat([alpha[:, :1], alpha[:, 1:] * transmitted[:, :-1]], 1)
        pixels.append(ellipses.channels[index].transpose(1, 2) @ weight)
    return fullest_first, torch.cat(pixels)


def _quadratic(conic: Tensor, offset: Tensor, log_opacity: Tensor) -> Tensor:
    """Coefficients (…, 6) of log alpha in x², xy, y², x, y, 1, where x, y is a pixel's place in its tile."""
    a, b, c = conic.unbind(-1)
    u, v = offset.unbind(-1)
    constant = log_opacity - 0.5 * (a * u * u + 2 * b * u * v + c * v * v)
    return torch.stack([-0.5 * a, -b, -0.5 * c, a * u + b * v, b * u + c * v, constant], -1)
