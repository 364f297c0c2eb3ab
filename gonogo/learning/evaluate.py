"""The model on a few held-out samples: against the mean, without its input, and with another sample's."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
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

THOROUGH = 3  # predictions of each sample in a thorough evaluation


@dataclass
class _Errors:
    """One entry for each sample."""

    model: list[float] = field(default_factory=list)
    mean: list[float] = field(default_factory=list)
    without: list[float] = field(default_factory=list)
    others: list[float] = field(default_factory=list)
    groups: list[bytes] = field(default_factory=list)


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
    errors, changes, outs, goals = _Errors(), [], [], []
    with torch.no_grad(), precision or contextlib.nullcontext():
        for index, batch in enumerate(batches):
            here = on(module.device, batch)
            targets = experiment.targets(here)
            outputs = _predict(module, here)
            errors.groups += [content_hash(sample) for sample in experiment.inputs(batch)]
            errors.model += _each(experiment, outputs, targets)
            errors.mean += _each(experiment, mean.to(targets.device).expand_as(targets), targets)
            outs.append(outputs.float().cpu())
            goals.append(targets.float().cpu())
            if thorough:
                blind = _predict(module, experiment.without_input(here))
                changes.append((blind.float() - outputs.float()).square().mean().cpu())
                errors.without += _each(experiment, blind, targets)
                other = on(module.device, batches[(index + 1) % len(batches)])
                swapped = with_inputs_of(experiment, here, other)
                if swapped is not None:
                    errors.others += _each(experiment, _predict(module, swapped), targets)
    module.train(was_training)
    return _summed(errors, torch.cat(outs), torch.cat(goals), mean.float().cpu(), changes, step)


def _predict(module: LightningModule, batch: Any) -> Tensor:
    with same_chance(module.device):
        return module.predict_step(batch, 0)


def _each(experiment: LightningExperiment, outputs: Tensor, targets: Tensor) -> list[float]:
    return [float(experiment.error(outputs[i : i + 1], targets[i : i + 1])) for i in range(len(targets))]


def _summed(e: _Errors, outputs: Tensor, targets: Tensor, mean: Tensor, changes: list[Tensor], step: int) -> Evaluation:
    skill = one_minus_ratio(e.model, e.mean, e.groups)
    floor = max(sum(e.mean), 1e-12)
    spread = float((targets - targets.mean(0)).square().mean().sqrt()) or float(targets.std(correction=0))
    about = outputs - mean
    gain = None
    if len(e.others) == len(e.model) > 0:
        difference = [other - own for other, own in zip(e.others, e.model, strict=True)]
        gain = mean_difference(difference, e.groups).low * len(difference) / floor
    return Evaluation(
        step=step,
        samples=len(e.model),
        error=sum(e.model) / len(e.model),
        error_of_mean=sum(e.mean) / len(e.mean),
        skill=skill.value,
        skill_low=skill.low,
        skill_high=skill.high,
        output_mean=float(outputs.mean()),
        target_mean=float(targets.mean()),
        output_sigma=float(outputs.std(correction=0)),
        target_sigma=float(targets.std(correction=0)),
        calibration=float((about * (targets - mean)).sum() / about.square().sum().clamp(min=1e-12)),
        skill_without_input=1 - sum(e.without) / floor if e.without else None,
        output_change=float(torch.stack(changes).mean().sqrt()) / max(spread, 1e-12) if changes else None,
        own_input_gain=gain,
    )
