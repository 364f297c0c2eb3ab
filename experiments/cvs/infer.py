"""Views of one new photograph, from a trained checkpoint."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch.utils.data import default_collate

from experiments.cvs.data import Views
from experiments.cvs.generate import generate
from experiments.cvs.module import CVSModule
from experiments.cvs.photographs import INVERSE_DEPTH
from experiments.cvs.predict import write_item
from experiments.cvs.settings import CVSSettings
from gonogo import Training, UserError, trained


@torch.no_grad()
def infer(
    checkpoint: Path, settings: CVSSettings, training: Training, assets: Path, photograph: Path, out: Path, seed: int
) -> list[Path]:
    """Write the photograph's crop and every view that the configured cameras have of it, into a folder of its name.

    Raises:
        UserError: the photograph, the checkpoint or what `prepare` made cannot be used.
    """
    if not photograph.is_file():
        raise UserError(f"{photograph}: no such picture; give a PNG or JPEG photograph")
    module = trained(CVSModule(settings, training), checkpoint)
    with TemporaryDirectory() as temporary:
        inputs = Path(temporary, "inputs")
        inputs.mkdir()
        for file in (photograph, photograph.with_suffix(INVERSE_DEPTH)):  # its depth, where it has one, lies beside it
            if file.is_file():
                shutil.copyfile(file, inputs / file.name)
        generate(settings.data, inputs, assets, [0], Path(temporary), seed)
        item = Path(temporary, "image_0000")
        views = Views([item], settings)
        batch = default_collate([views[index] for index in range(len(views))])
        write_item(item, module.predict_step(batch, 0), out / photograph.stem)
    return sorted((out / photograph.stem).glob("view_*/rgb.png"))
