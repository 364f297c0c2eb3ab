"""Small folders of data in the generator's layout, made without it: a picture whose views are shifts of it."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from experiments.cvs.cameras import input_camera, orbit_camera, pose
from experiments.cvs.settings import CVSSettings, DataSettings, ModelSettings

SIZE = 32
VIEWS = 4


def small_settings(**model: object) -> CVSSettings:
    """A network of a few thousand weights for pictures of SIZE pixels."""
    small = {"base_channels": 8, "channel_multipliers": (1, 2), "token_width": 16, "pose_tokens": 4}
    return CVSSettings(data=DataSettings(image_size=SIZE, views=VIEWS), model=ModelSettings(**{**small, **model}))


def write_items(folder: Path, indices: range, brightness: float = 1.0) -> Path:
    """Items with these indices: views from -20° to 20° show the picture shifted, on black where it ends."""
    settings = DataSettings(image_size=SIZE)
    for index in indices:
        rng = np.random.default_rng(index)
        coarse = rng.uniform(40, 255, (4, 4, 3)).astype(np.float32)
        picture = cv2.resize(coarse, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC).clip(0, 255).astype(np.uint8)
        item = folder / f"image_{index:04d}"
        item.mkdir(parents=True)
        Image.fromarray(picture).save(item / "input.png")
        np.save(item / "input_depth.npy", np.full((SIZE, SIZE), 3, np.float32))
        for number, azimuth_deg in enumerate(np.linspace(-20, 20, VIEWS)):
            view = item / f"view_{number:03d}"
            view.mkdir()
            shift = np.float32([[1, 0, azimuth_deg * SIZE / 200], [0, 1, 0]])
            Image.fromarray((cv2.warpAffine(picture, shift, (SIZE, SIZE)) * brightness).astype(np.uint8)).save(
                view / "rgb.png"
            )
            np.save(view / "depth.npy", cv2.warpAffine(np.full((SIZE, SIZE), 3, np.float32), shift, (SIZE, SIZE)))
            camera = orbit_camera(settings, np.array([0.0, 0.0, -3.0]), 3.0, azimuth_deg, 0.0)
            (view / "pose.json").write_text(json.dumps(pose(camera, input_camera(settings))))
    return folder
