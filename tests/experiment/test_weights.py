from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from gonogo.base.errors import UserError
from gonogo.experiment.weights import load_weights


def saved(folder: Path, **weights: torch.Tensor) -> Path:
    torch.save({"state_dict": weights}, folder / "last.ckpt")
    return folder / "last.ckpt"


def test_of_the_trainable_weights_alone_where_the_module_says_so(tmp_path: Path) -> None:
    module = nn.Linear(2, 1)
    path = saved(tmp_path, bias=torch.tensor([7.0]))
    with pytest.raises(UserError, match=r"last.ckpt: no checkpoint of this model"):
        load_weights(module, path)
    module.strict_loading = False  # type: ignore[assignment]
    load_weights(module, path)
    assert module.bias.item() == 7


def test_a_damaged_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "last.ckpt").write_bytes(b"PK damaged")
    with pytest.raises(UserError, match=r"last.ckpt: no checkpoint of this model"):
        load_weights(nn.Linear(1, 1), tmp_path / "last.ckpt")
