"""What comes after the smoke run's steps, rehearsed once: a validation, its checkpoint read back, a prediction from it.

A paid run meets them after hours; here they cost a batch each.
"""

from __future__ import annotations

import io
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from gonogo.base.errors import UserError

if TYPE_CHECKING:
    from lightning.pytorch import LightningDataModule, LightningModule

    from gonogo.config.experiment import Training
    from gonogo.experiment.lightning import LightningExperiment

LIBRARIES = ("site-packages", "dist-packages", "lib/python")


def rehearse_later_parts(
    experiment: LightningExperiment, module: LightningModule, data: LightningDataModule, training: Training, out: Path,
    *, validated: bool,
) -> None:  # fmt: skip
    """Of the run in `out`, whose `last.ckpt` is there.

    Args:
        validated: the run has validated already.

    Raises:
        UserError: one of them fails; names it, and what is wrong.
    """
    if not validated:
        _named("validation", lambda: _validate(module, data))
    path = out / "checkpoints" / "last.ckpt"
    saved = read_back(path)
    fresh = experiment.module(training)

    def load() -> None:
        fresh.on_load_checkpoint(saved)
        fresh.load_state_dict(saved["state_dict"], strict=fresh.strict_loading)

    _named("loading the checkpoint into a fresh model", load)

    def predict() -> None:
        fresh.eval()
        loader = data.val_dataloader()
        batch = next(iter(loader[0] if isinstance(loader, (list, tuple)) else loader))
        with torch.no_grad():
            experiment.show(batch, fresh.predict_step(batch, 0), out / "samples" / "rehearsal" / "predictions.png")

    _named("a prediction from the checkpoint", predict)


def read_back(path: Path) -> dict[str, Any]:
    """The checkpoint, as everything after training reads it.

    Raises:
        UserError: it holds what is not read without running its code; names the key.
    """
    try:
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # torch raises anything here
        saved = torch.load(path, map_location="cpu", weights_only=False)  # written by this process
        where, found = _unreadable(saved, "")
        said = f"{where} holds a {_described(found)}" if where else str(error).splitlines()[0]
        raise UserError(
            f"{path.name}: the checkpoint could not be loaded after training: {said}; keep numbers, strings, lists, "
            "dicts and tensors in it (save_hyperparameters takes them: float(x), str(path))"
        ) from None


def _unreadable(value: Any, where: str) -> tuple[str, Any]:
    """Path of keys to the first part that does not come back, and that part."""
    children: Any = (
        value.items() if isinstance(value, Mapping) else enumerate(value) if type(value) in (list, tuple) else ()
    )
    for key, child in children:
        if not _comes_back(child):
            return _unreadable(child, f"{where}.{key}" if where else str(key))
    return where, value


def _comes_back(value: Any) -> bool:
    file = io.BytesIO()
    try:
        torch.save(value, file)
        torch.load(io.BytesIO(file.getvalue()), map_location="cpu", weights_only=True)
    except Exception:  # as above
        return False
    return True


def _described(value: Any) -> str:
    kind = type(value)
    return f"numpy scalar ({kind.__name__})" if kind.__module__ == "numpy" else f"{kind.__module__}.{kind.__qualname__}"


def _validate(module: LightningModule, data: LightningDataModule) -> None:
    """One batch, by a Trainer of its own."""
    import lightning.pytorch as pl

    trainer = pl.Trainer(
        accelerator="cpu" if module.device.type == "cpu" else "auto", devices=1, limit_val_batches=1, logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.validate(module, datamodule=data, verbose=False)


def _named(part: str, run: Callable[[], None]) -> None:
    try:
        run()
    except UserError:
        raise
    except Exception as error:  # the project's own code
        raise failed_in(part, error) from None


def failed_in(part: str, error: Exception) -> UserError:
    """One sentence with the line of the project's code that raised."""
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if not any(x in frame.filename for x in LIBRARIES)
    ]
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    said = next((line for line in str(error).splitlines() if line.strip()), "no message")
    return UserError(
        f"{part} fails after training: {type(error).__name__}: {said}{where}; the paid run would end there"
    )
