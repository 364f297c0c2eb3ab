"""The validation picture: predicted parts below the true ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from experiments.cad_mllm.program import built, parsed
from experiments.cad_mllm.shapes import dense_points, rendered, surface_points
from experiments.cad_mllm.tokens import Tokens
from gonogo import replacing

SHOWN, SIDE = 8, 64
NOTHING = 128  # grey, where a program builds no solid


def comparison(predicted: Tensor, target: Tensor, tokens: Tokens, out: Path) -> None:
    """Up to 8 parts side by side: the true one above the one of likeliest tokens (teacher forcing).

    Args:
        predicted, target: (B, L, A).
    """
    rows = []
    for values in (target, predicted):
        ids = [[tokens.alphabet[at] for at in row.argmax(-1).tolist()] for row in values[:SHOWN]]
        rows.append(np.concatenate([_seen(tokens.text(row)) for row in ids], axis=1))
    with replacing(out) as temporary:
        Image.fromarray(np.concatenate(rows)).save(temporary)


def _seen(program: str) -> np.ndarray:
    try:
        solid = built(parsed(program))
    except ValueError:
        return np.full((SIDE, SIDE), NOTHING, np.uint8)
    return rendered(surface_points(solid, dense_points(SIDE), 0), SIDE)
