"""Weights of Lightning's checkpoints, into a module."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from gonogo.base.errors import UserError


def load_weights(module: Any, checkpoint: Path) -> None:
    """As Lightning does: a module whose checkpoints hold only some of its weights says `strict_loading = False`.

    Raises:
        UserError: the file cannot be read, or is of another model.
    """
    try:
        saved = torch.load(checkpoint, map_location="cpu", weights_only=True)
        module.load_state_dict(saved["state_dict"], strict=getattr(module, "strict_loading", True))
    except Exception as error:  # torch raises anything on damaged bytes
        problem = str(error).splitlines()[0]
        raise UserError(f"{checkpoint}: no checkpoint of this model can be read from it ({problem})") from None
