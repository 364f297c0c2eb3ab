"""The data of `cvs`: photographs → depth → Gaussians → posed views, and the measurement of the decoder on its own.

An item is a folder `image_NNNN/`: `input.png`, `input_depth.npy`, `source.json` (the photograph it is cropped from)
and, for each view, `view_NNN/` with `rgb.png`, `depth.npy` and `pose.json`. Depths are float32 (H, W), scene units; a
view's is 0 where nothing was rendered.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from experiments.cvs import decoder
from experiments.cvs.cameras import Camera, input_camera, orbit, orbit_camera, pose
from experiments.cvs.depth import depth_of
from experiments.cvs.photographs import Item, Photographs
from experiments.cvs.settings import DataSettings
from experiments.cvs.splats import Gaussians, Rendering, render
from gonogo import replacing, write_json

CHECKPOINT = "decoder.pt"
PICTURE = "decoder.png"
PREPARED_ITEMS = 16  # fitted on some, measured on the others
PICTURED_ITEMS = 6
COVERED_ALPHA = 0.5  # a pixel with a higher alpha than this is covered
SIDE_DEG = 15.0
MAX_PSNR_DB = 99.0
MOST_GAIN = 4.0  # of a view whose exposure is matched: a black one stays dark, and is judged so

Progress = Callable[[int, int], None]


def prepare(settings: DataSettings, inputs: Path, out: Path, seed: int) -> dict[str, Any]:
    """Fit the decoder on some of the inputs, unless one is configured, and measure it on the others.

    Writes `decoder.pt` and `decoder.png` to `out`. The picture shows, for each input measured, the input, its cloud
    from the same pose, and from 15° to the left and to the right.

    Returns:
        The medians of `measure`.

    Raises:
        UserError: the inputs or a configured model cannot be used.
    """
    photographs = Photographs(inputs)
    items = [photographs.item(index, settings.image_size, seed) for index in range(PREPARED_ITEMS)]
    known, held_out = split_items(items)
    if settings.decoder_model is None:
        network = decoder.fit([(item.image, depth_of(item, settings)) for item in known], settings, seed)
        decoder.save(network, out / CHECKPOINT)
    return measure(_decoder(settings, out), held_out, settings, out)


def split_items(items: Sequence[Item]) -> tuple[list[Item], list[Item]]:
    """Items to fit on, and items to measure on: other photographs, or other crops if there is only one."""
    names = sorted({item.name for item in items})
    if len(names) == 1:
        return list(items[::2]), list(items[1::2])
    held_out = set(names[1::2])
    return [i for i in items if i.name not in held_out], [i for i in items if i.name in held_out]


@torch.no_grad()
def measure(network: decoder.Decoder, items: Sequence[Item], settings: DataSettings, out: Path) -> dict[str, Any]:
    """How good a decoder is on its own, independent of the configured cameras.

    Returns:
        `own_view_psnr_db`: the cloud from the input's pose, against the input. `rotated_coverage`: share of pixels
        covered after rotating by 15° around the cloud's centre. `rotated_brightness`: mean luminance of those
        pixels relative to the input's. Each is the median over items; `items` is their number, `picture` a path
        below `out`.
    """
    psnr, coverage, brightness, rows = [], [], [], []
    for item in items:
        cloud = decoder.decode(network, (item.image, depth_of(item, settings)), settings)
        own = render(cloud, input_camera(settings))
        sides = [render(cloud, _side_camera(cloud, settings, degrees)) for degrees in (-SIDE_DEG, SIDE_DEG)]
        psnr.append(_psnr_db(_pixels(own), item.image))
        for side in sides:
            covered = (side.alpha > COVERED_ALPHA).numpy()
            coverage.append(covered.mean())
            light = _luminance(_pixels(side))[covered]
            brightness.append(light.mean() / max(_luminance(item.image).mean(), 1.0) if light.size else 0.0)
        rows.append(np.concatenate([item.image, *map(_pixels, [own, *sides])], axis=1))
    with replacing(out / PICTURE) as temporary:
        Image.fromarray(np.concatenate(rows[:PICTURED_ITEMS])).save(temporary)
    return {
        "own_view_psnr_db": float(np.median(psnr)),
        "rotated_coverage": float(np.median(coverage)),
        "rotated_brightness": float(np.median(brightness)),
        "items": len(items),
        "picture": PICTURE,
    }


@torch.no_grad()
def generate(
    settings: DataSettings,
    inputs: Path,
    assets: Path,
    indices: Sequence[int],
    out: Path,
    seed: int,
    progress: Progress | None = None,
) -> None:
    """Write the items with these indices into `out`; an index and a seed always give the same item.

    Args:
        assets: folder that `prepare` filled.
        progress: called after each item with the number done and the total.

    Raises:
        UserError: the inputs, the prepared decoder or a configured model cannot be used.
    """
    photographs = Photographs(inputs)
    network = _decoder(settings, assets)
    for done, index in enumerate(indices, start=1):
        item = photographs.item(index, settings.image_size, seed)
        depth = depth_of(item, settings)
        cloud = decoder.decode(network, (item.image, depth), settings)
        folder = out / f"image_{index:04d}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(item.image).save(folder / "input.png")
        np.save(folder / "input_depth.npy", depth)
        write_json(folder / "source.json", {"group": item.name})
        rng = np.random.default_rng([seed, index, settings.views])
        for number, camera in enumerate(orbit(settings, _distance(cloud), rng)):
            view = render(cloud, camera)
            if settings.match_exposure:
                view = exposed_as(item.image, view)
            _write_view(folder / f"view_{number:03d}", view, camera, settings)
        if progress is not None:
            progress(done, len(indices))


def exposed_as(photograph: np.ndarray, view: Rendering) -> Rendering:
    """The view with the photograph's mean luminance where it is covered; what is empty stays empty.

    Args:
        photograph: (S, S, 3) uint8.
    """
    covered = (view.alpha > COVERED_ALPHA).numpy()
    light = _luminance(_pixels(view))[covered].mean() if covered.any() else 0.0
    gain = _luminance(photograph).mean() / max(light, 1.0)
    return view._replace(rgb=view.rgb * float(np.clip(gain, 1 / MOST_GAIN, MOST_GAIN)))


def _write_view(folder: Path, view: Rendering, camera: Camera, settings: DataSettings) -> None:
    folder.mkdir(exist_ok=True)
    Image.fromarray(_pixels(view)).save(folder / "rgb.png")
    np.save(folder / "depth.npy", torch.where(view.alpha > COVERED_ALPHA, view.depth, 0).numpy())
    write_json(folder / "pose.json", pose(camera, input_camera(settings)))


def _decoder(settings: DataSettings, assets: Path) -> decoder.Decoder:
    if settings.decoder_model is not None:
        return decoder.load_onnx(settings.decoder_model, settings.gaussians_per_cell)
    return decoder.load(assets / CHECKPOINT, settings.gaussians_per_cell)


def _distance(cloud: Gaussians) -> float:
    """From the input camera to the cloud's centre, along its axis."""
    return float(-cloud.means[:, 2].mean())


def _side_camera(cloud: Gaussians, settings: DataSettings, azimuth_deg: float) -> Camera:
    distance = _distance(cloud)
    return orbit_camera(settings, np.array([0.0, 0.0, -distance]), distance, azimuth_deg, 0.0)


def _pixels(view: Rendering) -> np.ndarray:
    """(H, W, 3) uint8."""
    return (view.rgb.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()


def _luminance(pixels: np.ndarray) -> np.ndarray:
    return pixels @ np.array([0.299, 0.587, 0.114])


def _psnr_db(pixels: np.ndarray, reference: np.ndarray) -> float:
    error = np.square(pixels.astype(float) - reference).mean() / 255**2
    return min(-10 * math.log10(error), MAX_PSNR_DB) if error > 0 else MAX_PSNR_DB
