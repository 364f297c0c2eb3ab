"""Programs predicted from a checkpoint, how close their parts are to the true ones, and what each modality contributes.

Lightning takes seconds to import and is not needed here.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import default_collate

from experiments.cad_mllm.checkpoint import PREFIX, check_base, read
from experiments.cad_mllm.data import SUFFIX, Batch, Parts, find_items, shown, split
from experiments.cad_mllm.model import CADModel, trainable
from experiments.cad_mllm.program import built, overlap, parsed
from experiments.cad_mllm.settings import CADSettings
from gonogo import UserError, mean_difference, write_text

BATCH = 32
LEAST = 1e-6  # smallest probability counted in a token's surprise


@dataclass
class Scores:
    """Sums over held-out parts."""

    brier: float = 0.0
    brier_of_mean: float = 0.0
    right: int = 0
    tokens: int = 0
    nats: list[float] = field(default_factory=list)  # of each part, per token
    nats_without: dict[str, list[float]] = field(default_factory=dict)  # modality → the same, with it withheld


def predict(
    checkpoint: Path,
    settings: CADSettings,
    assets: Path | None,
    data: Sequence[Path],
    out: Path,
    seed: int,
    validation_share: float,
) -> dict[str, float]:
    """Write the program predicted for each held-out part into `out`, in the layout of the data.

    Returns:
        `skill`, 1 - Brier score of the next token / that of the training parts' mean at each position;
        `token_accuracy` and `nats` (mean cross-entropy) of the next token;
        `valid`, share of the programs written from the input alone that build a solid; `exact`, share that equal the
        true program; `overlap`, mean intersection over union with the true solid (0 where invalid);
        and for each modality that is read, `points_gain`: nats per token that withholding it costs the same model on
        the same parts, with the ends `points_gain_low` and `points_gain_high` of its 95 % interval over parts.

    Raises:
        UserError: the checkpoint or the data cannot be read, or belong to another model.
    """
    model = load(checkpoint, settings, assets)
    known, held_out = (Parts(items, settings) for items in split(find_items(data), seed, validation_share))
    mean = torch.stack([part["target"] for part in _each(known)]).mean(0)
    scores, programs = Scores(), []
    for batch in _batches(held_out):
        with torch.no_grad():
            _score(model, batch, mean, scores)
            programs += write_programs(model, batch)
    truths = [record["program"] for record in held_out.records]
    metrics = {
        "skill": 1 - scores.brier / max(scores.brier_of_mean, 1e-9),
        "token_accuracy": scores.right / scores.tokens,
        "nats": float(np.mean(scores.nats)),
        **_of_solids(programs, truths),
        **_gains(scores),
    }
    for item, record, program in zip(held_out.items, held_out.records, programs, strict=True):
        _write(item, {"id": item.stem, "caption": record["caption"], "completion": program}, settings, out)
    told = gains_told(metrics)
    print("\n".join(told), flush=True)
    write_text(out / "readme.md", "\n".join(["Predicted programs.", *told, ""]))
    return metrics


def load(checkpoint: Path, settings: CADSettings, assets: Path | None) -> CADModel:
    """The model with a checkpoint's adapters and projectors, on the CPU, ready to predict.

    Raises:
        UserError: the checkpoint or its base is missing, or another one.
    """
    state, said = read(checkpoint)
    model = CADModel(settings, assets)
    check_base(said, model, str(checkpoint))
    try:
        fault = model.load_state_dict({key.removeprefix(PREFIX): value for key, value in state.items()}, strict=False)
    except RuntimeError as error:
        raise UserError(f"{checkpoint}: belongs to another model ({str(error).splitlines()[-1].strip()})") from None
    if wrong := [*fault.unexpected_keys, *sorted(trainable(model).keys() & set(fault.missing_keys))]:
        raise UserError(f"{checkpoint}: belongs to another stage or model: {wrong[0]}")
    return model.eval()


def write_programs(model: CADModel, batch: Batch, longest: int | None = None) -> list[str]:
    """The likeliest program, token by token, for each part of the batch; the true ones are not used."""
    settings = model.settings.model
    ids = model.written(batch, longest or settings.max_seq_length - settings.max_caption_tokens)
    return [model.tokens.text(row) for row in ids.tolist()]


def gains_told(metrics: dict[str, float]) -> list[str]:
    """A sentence for each modality: what it contributes, and whether that is significant."""
    told = []
    for name in SUFFIX:
        if f"{name}_gain" not in metrics:
            continue
        low, high = metrics[f"{name}_gain_low"], metrics[f"{name}_gain_high"]
        cost = f"withholding {name} costs {metrics[f'{name}_gain']:.4f} nats per token"
        sure = "significant" if low > 0 else "it does harm, significantly" if high < 0 else "not significant"
        told.append(f"{cost} (95 % interval {low:.4f} to {high:.4f}): {sure}")
    return told


def _score(model: CADModel, batch: Batch, mean: Tensor, scores: Scores) -> None:
    target, there = batch["target"], shown(batch["program"], model.tokens)
    predicted = model.probabilities(batch)
    scores.brier += float((predicted - target).square().sum())
    scores.brier_of_mean += float((mean - target).square().sum())
    scores.right += int(((predicted.argmax(-1) == target.argmax(-1)) & there).sum())
    scores.tokens += int(there.sum())
    scores.nats += _nats(predicted, target, there)
    for name in model.encoders:
        withheld = {name: torch.zeros(len(target), dtype=torch.bool)}
        without = model.probabilities(batch, withheld)
        scores.nats_without.setdefault(name, []).extend(_nats(without, target, there))


def _nats(predicted: Tensor, target: Tensor, there: Tensor) -> list[float]:
    """Mean surprise per token, for each part."""
    surprise = -(predicted * target).sum(-1).clamp(min=LEAST).log() * there
    return (surprise.sum(1) / there.sum(1)).tolist()


def _gains(scores: Scores) -> dict[str, float]:
    found = {}
    for name, without in scores.nats_without.items():
        costs = [other - own for own, other in zip(scores.nats, without, strict=True)]
        gain = mean_difference(costs, range(len(costs)))
        found |= {f"{name}_gain": gain.value, f"{name}_gain_low": gain.low, f"{name}_gain_high": gain.high}
    return found


def _of_solids(programs: Sequence[str], truths: Sequence[str]) -> dict[str, float]:
    shared: list[float] = []
    valid = 0
    for program, truth in zip(programs, truths, strict=True):
        try:
            solid = built(parsed(program))
        except ValueError:
            shared.append(0.0)
            continue
        valid += 1
        shared.append(overlap(solid, built(parsed(truth))))
    exact = sum(program == truth for program, truth in zip(programs, truths, strict=True))
    return {"valid": valid / len(truths), "exact": exact / len(truths), "overlap": float(np.mean(shared))}


def _each(parts: Parts) -> list[Batch]:
    return [parts[index] for index in range(len(parts))]


def _batches(parts: Parts) -> list[Batch]:
    samples = _each(parts)
    return [default_collate(samples[start : start + BATCH]) for start in range(0, len(samples), BATCH)]


def _write(item: Path, record: dict[str, str], settings: CADSettings, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / item.name, json.dumps(record) + "\n")
    for modality, suffix in SUFFIX.items():
        if modality in settings.data.modalities:
            shutil.copyfile(item.with_suffix(suffix), (out / item.name).with_suffix(suffix))
