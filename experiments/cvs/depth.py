"""Depth of an input: from a pretrained model, from its own true disparity, or from an embedded prior.

All three are converted to nearness: linear in inverse depth, 0 at the far end of the scene, 1 at its near end.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from experiments.cvs.photographs import Item
from experiments.cvs.pretrained import (
    DEPTH_SOURCE,
    PATCH,
    TOKEN_SOURCE,
    TOKEN_WIDTH,
    open_model,
    picture_side,
    run_model,
)
from experiments.cvs.settings import CVSSettings, DataSettings
from gonogo import UserError

IMAGENET_MEAN, IMAGENET_STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
CLIPPED_PERCENT = 1.0  # of the pixels, at either end, are clipped to the nearest and the farthest depth


def depth_of(item: Item, settings: DataSettings) -> np.ndarray:
    """Depth in scene units (S, S) float32, within [near, far].

    Raises:
        UserError: the configured model is missing or does not run.
    """
    if settings.depth_model is not None:
        nearness = _spread(predicted(item.image, settings.depth_model))
    elif item.inverse_depth is not None:
        nearness = _spread(item.inverse_depth)
    else:
        nearness = prior(item.image)
    return (1 / (1 / settings.far + nearness * (1 / settings.near - 1 / settings.far))).astype(np.float32)


def _spread(inverse: np.ndarray) -> np.ndarray:
    """Relative inverse depth of any range → nearness over the whole of [0, 1]; a constant one becomes 0.5."""
    low, high = np.percentile(inverse, [CLIPPED_PERCENT, 100 - CLIPPED_PERCENT])
    return np.clip((inverse - low) / (high - low), 0, 1) if high - low > 1e-6 else np.full(inverse.shape, 0.5)


def prior(image: np.ndarray) -> np.ndarray:
    """A guess at nearness from a picture (S, S, 3) uint8: a gentle relief (S, S) float32, 0-1.

    Low parts of a photograph tend to be near (a ground plane), and so do the centre (the subject) and bright parts.
    A guided filter smooths the sum along the picture's own edges, so the relief follows the picture (He, Sun and Tang,
    "Guided image filtering", 2013).
    """
    size = image.shape[0]
    luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    y, x = np.meshgrid(np.linspace(-1, 1, size), np.linspace(-1, 1, size), indexing="ij")
    low = (1 + y) / 2
    middle = np.exp(-(x**2 + y**2))
    lit = cv2.GaussianBlur(luma, (0, 0), max(size / 16, 0.5))
    guess = (0.2 + 0.25 * low + 0.2 * middle + 0.2 * lit).astype(np.float32)
    return np.clip(_guided_filter(luma, guess, radius=max(size // 8, 1), epsilon=0.02), 0, 1)


def _guided_filter(guide: np.ndarray, values: np.ndarray, radius: int, epsilon: float) -> np.ndarray:
    def mean(array: np.ndarray) -> np.ndarray:
        return cv2.blur(array, (2 * radius + 1, 2 * radius + 1), borderType=cv2.BORDER_REFLECT)

    guide_mean, value_mean = mean(guide), mean(values)
    slope = (mean(guide * values) - guide_mean * value_mean) / (mean(guide * guide) - guide_mean**2 + epsilon)
    return mean(slope) * guide + mean(value_mean - slope * guide_mean)


def predicted(image: np.ndarray, model: Path) -> np.ndarray:
    """Relative inverse depth (S, S) float32 of a picture (S, S, 3) uint8, from Depth Anything V2 or a similar model.

    Raises:
        UserError: the model is missing, does not run, or does not return a finite value for each pixel.
    """
    session = open_model(model, "settings.data.depth_model", DEPTH_SOURCE)
    height, width = picture_side(session)
    picture = cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC) / 255
    picture = ((picture - IMAGENET_MEAN) / IMAGENET_STD).transpose(2, 0, 1)[None].astype(np.float32)
    output = run_model(session, model, picture)
    if output.size != height * width or not np.isfinite(output).all():
        raise UserError(
            f"{model}: returns {output.shape} for a picture of {picture.shape}; one finite value per pixel "
            f"is expected. Is it a depth model? One is at {DEPTH_SOURCE}."
        )
    inverse = output.reshape(height, width).astype(np.float32)
    return cv2.resize(inverse, image.shape[1::-1], interpolation=cv2.INTER_AREA)


# --- do the configured models exist, and do they run? ---


def check_models(settings: CVSSettings) -> list[tuple[str, bool, str]]:
    """A dummy inference with every ONNX model that the settings name; those left at null are skipped.

    Returns:
        For each, the name of its key, whether it exists and runs, and a detail.
    """
    attempts = [
        ("depth_model", settings.data.depth_model, _try_depth),
        ("decoder_model", settings.data.decoder_model, _try_decoder),
        ("token_model", settings.model.token_model, _try_tokens),
    ]
    checks: list[tuple[str, bool, str]] = []
    for name, path, attempt in attempts:
        if path is not None:
            try:
                checks.append((name, True, f"{path}: {attempt(path, settings)}"))
            except UserError as error:
                checks.append((name, False, str(error)))
    return checks


def _try_depth(path: Path, settings: CVSSettings) -> str:
    size = settings.data.image_size
    depth = predicted(np.zeros((size, size, 3), np.uint8), path)
    return f"depth for {depth.shape[0]} × {depth.shape[1]} pixels"


def _try_decoder(path: Path, settings: CVSSettings) -> str:
    import torch

    from experiments.cvs.decoder import FEATURES, load_onnx

    per_cell = settings.data.gaussians_per_cell
    load_onnx(path, per_cell)(torch.zeros(4, FEATURES))
    return f"{per_cell} Gaussians per cell"


def _try_tokens(path: Path, settings: CVSSettings) -> str:
    session = open_model(path, "settings.model.token_model", TOKEN_SOURCE)
    height, width = picture_side(session)
    tokens = run_model(session, path, np.zeros((1, 3, height, width), np.float32))
    patches = (height // PATCH) * (width // PATCH)
    if tokens.ndim != 3 or tokens.shape[1] not in (patches, patches + 1) or tokens.shape[2] != TOKEN_WIDTH:
        raise UserError(
            f"{path}: returns {tokens.shape}; {patches} or {patches + 1} tokens of {TOKEN_WIDTH} are "
            f"expected. Get the model from {TOKEN_SOURCE}."
        )
    return f"{tokens.shape[1]} tokens of {tokens.shape[2]}"
