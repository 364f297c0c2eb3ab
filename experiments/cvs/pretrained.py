"""Pretrained ONNX models: where to get them, and how they are opened and run."""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gonogo import UserError

if TYPE_CHECKING:
    import onnxruntime

MODEL_SIDE = 518  # input side of Depth Anything V2 and DINOv2: 37 patches of 14 px
PATCH = 14
TOKEN_WIDTH = 384  # DINOv2 small
ANY_BYTES = 1 << 40  # whether a model runs is tried; its size is not judged

DEPTH_SOURCE = "https://huggingface.co/onnx-community/depth-anything-v2-small (onnx/model.onnx, Apache-2.0)"
TOKEN_SOURCE = "https://huggingface.co/onnx-community/dinov2-small (onnx/model.onnx, Apache-2.0)"
DECODER_SOURCE = "experiments.cvs.decoder.export_onnx, from a fitted decoder.pt"


@lru_cache(maxsize=4)
def open_model(path: Path, key: str, source: str) -> onnxruntime.InferenceSession:
    """An ONNX model, ready to run on one thread.

    Args:
        key: where the path was configured, for the message.
        source: where to get such a model, for the message.

    Raises:
        UserError: onnxruntime is not installed, the file does not exist, or it is not an ONNX model.
    """
    if importlib.util.find_spec("onnxruntime") is None:
        raise UserError(f"{key}: {path} needs the package onnxruntime, not installed: pip install 'gonogo[onnx]'")
    import onnxruntime

    if not path.is_file():
        raise UserError(f"{key}: {path}: no such file. Get it from {source}, or set the key to null.")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4  # errors are reported once, as a UserError
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions share no base class
        raise UserError(
            f"{key}: {path}: not an ONNX model that can run ({error}). Get it again from {source}."
        ) from None


def run_model(session: onnxruntime.InferenceSession, path: Path, values: np.ndarray) -> np.ndarray:
    """The first output for a single input.

    Raises:
        UserError: the model does not accept this input.
    """
    try:
        return np.asarray(session.run(None, {session.get_inputs()[0].name: values})[0])
    except Exception as error:  # onnxruntime's exceptions share no base class
        raise UserError(f"{path}: does not run on an input of shape {values.shape}: {error}") from None


def picture_side(session: onnxruntime.InferenceSession) -> tuple[int, int]:
    """Height and width of the picture (1, 3, height, width) that the model expects; 518 if it accepts any."""
    shape: list[Any] = session.get_inputs()[0].shape
    sides = shape[2:4] if len(shape) == 4 else [None, None]
    height, width = (side if isinstance(side, int) else MODEL_SIDE for side in sides)
    return height, width
