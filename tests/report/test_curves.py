import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from gonogo.report.curves import BASELINES, TRAINING, VALIDATION, LossCurve, loss_curve

BASE = {"predict the mean": 0.09, "copy the input": 0.6}


def curve(**fields) -> LossCurve:
    steps = list(range(120))
    given = {
        "title": "cvs_dark: $mathlike_text$",
        "steps": steps,
        "train_loss": [0.1 + 0.4 * math.exp(-s / 20) for s in steps],
        "val_steps": [40, 80, 119],
        "val_loss": [0.2, 0.15, 0.12],
        "baselines": BASE,
        "unit": "mean squared error",
    }
    return LossCurve(**{**given, **fields})


def pixels(path: Path, colour: str) -> np.ndarray:
    """(N, 2) rows and columns of the pixels of exactly this colour."""
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return np.argwhere((np.asarray(Image.open(path).convert("RGB")) == wanted).all(-1))


def test_training_validation_and_baselines_are_drawn(tmp_path: Path) -> None:
    out = tmp_path / "new" / "loss.png"
    loss_curve(curve(), out)
    assert Image.open(out).size == (900, 500)
    for colour in (TRAINING, VALIDATION, *BASELINES[:2]):
        assert len(pixels(out, colour)) > 100
    mean_row, copy_row = (np.median(pixels(out, colour)[:, 0]) for colour in BASELINES[:2])
    last_validation = pixels(out, VALIDATION)
    last_row = last_validation[last_validation[:, 1] > 800][:, 0]
    assert copy_row < np.median(last_row) < mean_row  # rows count downwards: 0.6 above 0.12 above 0.09
    assert list(out.parent.iterdir()) == [out]


def test_a_run_that_diverged_is_drawn_up_to_where_it_did(tmp_path: Path) -> None:
    losses = [1.3**step if step < 60 else None for step in range(118)] + [math.nan, math.inf]
    out = tmp_path / "loss.png"
    loss_curve(curve(train_loss=losses, val_steps=[], val_loss=[], baselines={}), out)
    marks, line = pixels(out, "#c01c28"), pixels(out, TRAINING)
    assert len(marks) > 100
    assert line[line[:, 0] > 60][:, 1].max() < marks[:, 1].max()


@pytest.mark.parametrize("losses", [[], [None] * 3, [0.0, 0.0, 0.0]])
def test_an_empty_or_flat_run_still_gives_a_picture(tmp_path: Path, losses: list) -> None:
    out = tmp_path / "loss.png"
    loss_curve(curve(steps=list(range(len(losses))), train_loss=losses, val_steps=[], val_loss=[], baselines={}), out)
    assert Image.open(out).size == (900, 500)


def test_losses_without_steps_are_refused() -> None:
    with pytest.raises(ValidationError, match="differ in length"):
        curve(val_steps=[1])
