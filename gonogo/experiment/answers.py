"""A trained model's answers to held-out samples: what they are worth, written down and drawn."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

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
