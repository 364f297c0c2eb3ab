"""A trained model's answers to held-out samples: what they are worth, written down and drawn."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gonogo.base.errors import UserError
from gonogo.base.files import replacing
from gonogo.experiment.adapter import Adapter
from gonogo.experiment.measure import Classes
from gonogo.experiment.weights import load_weights

FILE = "answers.jsonl"
MOST = 2048  # samples of each side
SHOWN = 8  # pictures in a row
MOST_NUMBERS = 64  # of an answer that is written down


def answer_all(adapter: Adapter, checkpoint: Path, loaders: tuple[Any, Any], out: Path) -> dict[str, float]:
    """Answers of the checkpoint's model to the held-out samples into `out`, one line each.

    Returns:
        `skill` and `error`; of classes `nats` and `accuracy` too.

    Raises:
        UserError: the checkpoint is not one of this model.
    """
    module = adapter.module()
    load_weights(module, checkpoint)
    module.eval()
    measure = adapter.measure()
    train, held_out = loaders
    sums = [measure.total(adapter.targets(batch)) for batch in _up_to(adapter, train)]
    mean = measure.mean(torch.stack([total for total, _ in sums]).sum(0), torch.stack([n for _, n in sums]).sum(0))
    errors, of_mean, right = [], [], []
    with torch.no_grad(), (out / FILE).open("w") as lines:
        for batch in _up_to(adapter, held_out):
            targets = adapter.targets(batch)
            outputs: Any = module.predict_step(batch, 0)
            errors.append(measure.errors(outputs, targets))
            of_mean.append(measure.errors_of_mean(mean, targets))
            answers = outputs.argmax(measure.dim) if isinstance(measure, Classes) else outputs
            right += [float((answers == targets).float().mean())] if isinstance(measure, Classes) else []
            for answer, target in zip(answers, targets, strict=True):
                line = {"answer": _short(answer), "target": _short(target)}
                lines.write(json.dumps(line) + "\n")
    readings = torch.cat(errors)
    error, baseline = float(readings.mean(0).min()), float(torch.cat(of_mean).mean())
    found = {"skill": 1 - error / max(baseline, 1e-12), "error": error}
    if isinstance(measure, Classes):
        found |= {"nats": float(readings[:, 0].mean()), "accuracy": sum(right) / len(right)}
    return found


def answer_file(adapter: Adapter, checkpoint: Path, given: Path, out: Path) -> Path:
    """Outputs of the checkpoint's model for the inputs of a file, (N, …) as `NAME.npy` in `out`.

    Args:
        given: `.npy`, or `.pt` with one tensor: inputs (N, …) as in a batch of the project's loader, or one of them.

    Raises:
        UserError: the file holds something else, or the model does not take it; the checkpoint is of another model.
    """
    values = _tensor_of(given)
    example = adapter.inputs(adapter.batch_of(1))
    if values.ndim == example.ndim - 1:
        values = values.unsqueeze(0)
    if values.ndim != example.ndim or not len(values):
        raise UserError(f"{given}: of shape {tuple(values.shape)}, where the model reads {tuple(example.shape)}")
    file = out / f"{given.stem}.npy"
    if file.resolve() == given.resolve():
        raise UserError(f"{given}: the outputs would replace it; name another folder with --out")
    module: Any = adapter.module()
    load_weights(module, checkpoint)
    module.eval()
    batch = adapter.batch_of(len(values))
    batch = adapter.with_input(batch, values.to(adapter.inputs(batch).dtype))
    try:
        with torch.no_grad():
            outputs = module.predict_step(batch, 0)
    except Exception as error:  # the project's own code, which may raise anything
        raise UserError(f"{given}: the model does not take it: {str(error).splitlines()[0]}") from None
    out.mkdir(parents=True, exist_ok=True)
    with replacing(file) as temporary, temporary.open("wb") as opened:
        np.save(opened, outputs.float().cpu().numpy())
    return file


def _tensor_of(given: Path) -> Tensor:
    if given.suffix not in (".npy", ".pt") or not given.is_file():
        raise UserError(f"{given}: give a .npy or .pt file with inputs as a batch of the project's loader holds them")
    try:
        if given.suffix == ".npy":
            return torch.from_numpy(np.load(given, allow_pickle=False))
        found = torch.load(given, map_location="cpu", weights_only=True)
    except Exception as error:  # both raise anything on damaged bytes
        raise UserError(f"{given}: cannot be read ({(str(error).splitlines() or [''])[0]})") from None
    if not isinstance(found, Tensor):
        raise UserError(f"{given}: holds a {type(found).__name__}, not one tensor")
    return found


def _up_to(adapter: Adapter, loader: Iterable[Any]) -> Iterable[Any]:
    seen = 0
    for batch in loader:
        if seen >= MOST:
            return
        yield batch
        seen += len(adapter.targets(batch))


def _short(values: Tensor) -> Any:
    """All of it, or what it is where it is long."""
    if values.numel() <= MOST_NUMBERS:
        return values.tolist()
    return {"shape": list(values.shape), "mean": float(values.float().mean()), "std": float(values.float().std())}


def picture_of(outputs: Tensor, targets: Tensor) -> Image.Image | None:
    """Outputs above targets, side by side and on one scale; None where they are no pictures of one shape."""
    if outputs.shape != targets.shape or outputs.ndim != 4 or outputs.shape[1] not in (1, 3):
        return None
    rows = [torch.cat(list(part[:SHOWN].detach().float().cpu()), 2) for part in (outputs, targets)]
    low, high = float(rows[1].min()), float(rows[1].max())
    both = ((torch.cat(rows, 1) - low) / max(high - low, 1e-12)).clamp(0, 1)
    pixels = (255 * both).byte().movedim(0, -1).numpy()
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
