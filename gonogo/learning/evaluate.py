"""The model on a few held-out samples: against the mean, without its input, and with another sample's."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from gonogo.learning.batches import on, same_chance, with_inputs_of
from gonogo.learning.features import content_hash
from gonogo.learning.measurements import Evaluation
from gonogo.learning.trend import mean_difference, one_minus_ratio

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule

    from gonogo.experiment.lightning import LightningExperiment
    from gonogo.experiment.measure import Measure

THOROUGH = 3  # predictions of each sample in a thorough evaluation


@dataclass
class _Errors:
    """One row for each sample; of the model's, a column for each reading of its outputs."""

    model: list[Tensor] = field(default_factory=list)
    mean: list[Tensor] = field(default_factory=list)
    without: list[Tensor] = field(default_factory=list)
    others: list[Tensor] = field(default_factory=list)
    groups: list[bytes] = field(default_factory=list)


@dataclass
class _Statistics:
    """Outputs and targets as they are compared by mean and spread; nothing of classes."""

    outputs: list[Tensor] = field(default_factory=list)
    targets: list[Tensor] = field(default_factory=list)
    changes: list[Tensor] = field(default_factory=list)
    varieties: list[float] = field(default_factory=list)


def evaluate(
    experiment: LightningExperiment,
    module: LightningModule,
    batches: Sequence[Any],
    mean: Tensor,
    step: int,
    *,
    thorough: bool = True,
    precision: contextlib.AbstractContextManager[Any] | None = None,
) -> Evaluation:
    """Errors and output statistics on these batches; the module's mode and the randomness of training are kept.

    Args:
        mean: of the training targets, shaped like one.
        thorough: predict twice more, with the input zeroed and with another sample's.
        precision: context in which the module predicts.
    """
    was_training = module.training
    module.eval()
    measure, errors, seen = experiment.measure(), _Errors(), _Statistics()
    with torch.no_grad(), precision or contextlib.nullcontext():
        for index, batch in enumerate(batches):
            here = on(module.device, batch)
            targets = experiment.targets(here)
            outputs = _predict(module, here)
            errors.groups += [content_hash(sample) for sample in experiment.inputs(batch)]
            errors.model.append(measure.errors(outputs, targets))
            errors.mean.append(measure.errors_of_mean(mean, targets))
            if measure.quantities:
                seen.outputs.append(outputs.float().cpu())
                seen.targets.append(targets.float().cpu())
            variety = measure.variety(outputs, targets)
            seen.varieties += [] if variety is None else [variety]
            if thorough and measure.paired:
                blind = _predict(module, experiment.without_input(here))
                changed = measure.shown(blind, targets) - measure.shown(outputs, targets)
                seen.changes.append(changed.square().mean())
                errors.without.append(measure.errors(blind, targets))
                other = on(module.device, batches[(index + 1) % len(batches)])
                swapped = with_inputs_of(experiment, here, other)
                if swapped is not None:
                    errors.others.append(measure.errors(_predict(module, swapped), targets))
    module.train(was_training)
    return _summed(measure, errors, seen, mean.float().cpu(), step)


def _predict(module: LightningModule, batch: Any) -> Tensor:
    with same_chance(module.device):
        return module.predict_step(batch, 0)


def _summed(measure: Measure, e: _Errors, seen: _Statistics, mean: Tensor, step: int) -> Evaluation:
    readings = torch.cat(e.model)
    best = int(readings.mean(0).nan_to_num(float("inf")).argmin())
    errors, of_mean = readings[:, best].tolist(), torch.cat(e.mean).tolist()
    skill = one_minus_ratio(errors, of_mean, e.groups)
    floor = max(sum(of_mean), 1e-12)
    gain = without = None
    if e.without:
        without = 1 - float(torch.cat(e.without)[:, best].sum()) / floor
    if sum(map(len, e.others)) == len(errors) > 0:
        difference = [other - own for other, own in zip(torch.cat(e.others)[:, best].tolist(), errors, strict=True)]
        gain = mean_difference(difference, e.groups).low * len(difference) / floor
    return Evaluation(
        step=step,
        samples=len(errors),
        error=sum(errors) / len(errors),
        error_of_mean=sum(of_mean) / len(of_mean),
        skill=skill.value,
        skill_low=skill.low,
        skill_high=skill.high,
        skill_without_input=without,
        own_input_gain=gain,
        **_statistics(measure, seen, mean),
    )


def _statistics(measure: Measure, seen: _Statistics, mean: Tensor) -> dict[str, float | None]:
    """Means, spreads and how outputs change without their input, as an Evaluation names them."""
    change = float(torch.stack(seen.changes).mean().sqrt()) if seen.changes else None
    if not measure.quantities:
        return {"output_mean": None, "target_mean": None, "output_sigma": None, "target_sigma": None,
                "output_change": change}  # fmt: skip
    outputs, targets = torch.cat(seen.outputs), torch.cat(seen.targets)
    about = outputs - mean
    calibration = float((about * (targets - mean)).sum() / about.square().sum().clamp(min=1e-12))
    return {
        "output_mean": float(outputs.mean()),
        "target_mean": float(targets.mean()),
        "output_sigma": float(outputs.std(correction=0)),
        "target_sigma": float(targets.std(correction=0)),
        "calibration": calibration if measure.paired else None,
        "variety": fmean(seen.varieties) if seen.varieties else None,
        "output_change": None if change is None else change / max(measure.spread(targets), 1e-12),
    }
