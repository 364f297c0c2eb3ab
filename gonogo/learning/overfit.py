"""One batch fitted alone: it needs neither good data nor a long run, so where it fails, something is not connected.

Where it fails, it is tried again with other learning rates: if one of them fits, nothing is disconnected.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from statistics import fmean
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from gonogo.base.errors import UserError
from gonogo.learning.batches import same_chance
from gonogo.learning.first_steps import FirstSteps
from gonogo.learning.gradients import GradientRecord
from gonogo.learning.loss_calls import SeenError
from gonogo.learning.measurements import OneBatch
from gonogo.learning.trend import theil_sen
from gonogo.training.lightning_step import loss_of, training_step
from gonogo.training.manual_optimization import optimizers_of, without_trainer

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule

    from gonogo.experiment.lightning import LightningExperiment
    from gonogo.training.spec import RunSpec

WARMUP_STEPS = 10
LOOKS = 8  # at the ratio, over the run
FITTED = 0.01  # nothing is left to fit: stop early
ROSE = 3.0  # loss over where it began
SMALLER, EITHER = (0.1, 0.01, 0.001), (0.1, 10.0, 0.01, 100.0, 1000.0)
TREND_POINTS = 24


def overfit_one_batch(
    experiment: LightningExperiment, spec: RunSpec, steps: int, progress: Callable[[str], None], rate: float = 1.0
) -> OneBatch:
    """Fit the first training batch for up to `steps` steps, with the module's own optimizer and `rate` × its rates.

    A schedule is not run, and the rates are those of its peak.
    """
    torch.manual_seed(spec.seed)
    module = experiment.module(spec.training)
    data = experiment.datamodule(spec.training, spec.data, spec.seed)
    data.setup("fit")
    batch = next(iter(data.train_dataloader()))
    target = experiment.targets(batch)
    optimizers = optimizers_of(module)
    for group in (group for optimizer in optimizers for group in optimizer.param_groups):
        group["lr"] = rate * max(group["lr"], group.get("initial_lr", 0.0), group.get("max_lr", 0.0))
        group["initial_lr"] = group["lr"]
    record, first = GradientRecord(module), FirstSteps(module, len(target))
    ratio = first_ratio = _ratio(experiment, module, batch, target)
    losses: list[float] = []
    explained = SeenError()
    try:
        clip = spec.training.gradient_clip_val
        for step, loss in enumerate(_steps(module, optimizers, batch, steps, record, clip, first)):
            losses.append(loss)
            progress(f"one batch alone: step {step + 1}/{steps}  loss {loss:.4f}")
            if (step + 1) % max(1, steps // LOOKS) == 0 or step + 1 == steps:
                ratio = _ratio(experiment, module, batch, target)
            if ratio < FITTED or not math.isfinite(loss):
                break
    except (RuntimeError, IndexError, ValueError) as error:
        seen = first.explains(error)
        if seen is None and "does not require grad" not in str(error):
            raise
        explained = seen or explained
    return OneBatch(
        steps=len(losses), ratio=ratio, first_ratio=first_ratio,
        falling=_falling(losses), loss_fell=_fell(losses), rose=_rose(losses),
        gradients=record.report(), ratio_of_batch=_ratio_of_batch(experiment, module, batch, target),
        loss_calls=first.calls, explained=explained, batch_norm_alone=first.alone, batch_norms_apart=first.apart,
    )  # fmt: skip


def try_other_rates(
    experiment: LightningExperiment, spec: RunSpec, one: OneBatch, steps: int, progress: Callable[[str], None]
) -> OneBatch:
    """The same with the learning rate tenths or tens of it, until one fits; tenths alone where the loss rose."""
    tried: list[tuple[float, float]] = []
    for factor in SMALLER if one.rose else EITHER:
        found = overfit_one_batch(experiment, spec, steps, progress, factor)
        if found.ratio is not None and math.isfinite(found.ratio):
            tried.append((found.ratio, factor))
            if found.ratio < FITTED or (one.ratio is not None and found.ratio < min(0.1, one.ratio / 2)):
                break
    if not tried:
        return one
    ratio, factor = min(tried)
    return one.model_copy(update={"other_rate": factor, "other_ratio": ratio})


def _steps(
    module: LightningModule,
    optimizers: list[torch.optim.Optimizer],
    batch: Any,
    steps: int,
    record: GradientRecord,
    clip: float,
    first: FirstSteps,
) -> Any:
    """Train; yields the loss of each step."""
    warm_ups = [
        torch.optim.lr_scheduler.LambdaLR(one, lambda step: min(1.0, (step + 1) / WARMUP_STEPS)) for one in optimizers
    ]
    if not module.automatic_optimization:
        without_trainer(module, optimizers, clip, before_step=lambda: record.step(optimizers))
    trained = False
    for step in range(steps):
        module.train()
        if module.automatic_optimization:
            optimizers[0].zero_grad()
        with first.looking():
            loss = loss_of(training_step(module, batch, step))
        if loss is None:  # a batch that is skipped
            continue
        trained = True
        if module.automatic_optimization:
            loss.backward()
            record.step(optimizers)
            torch.nn.utils.clip_grad_norm_(module.parameters(), clip or float("inf"))
            optimizers[0].step()
        for warm_up in warm_ups:
            if warm_up.optimizer.state:  # not of one that waits for its turn
                warm_up.step()
        module.on_train_batch_end({"loss": loss.detach()}, batch, step)
        yield float(loss.detach())
    if not trained:
        name = type(module).__name__
        raise UserError(
            f"{name}.training_step returned None for the first training batch, at each step: return its loss"
        )


def _ratio(experiment: LightningExperiment, module: LightningModule, batch: Any, target: Tensor) -> float:
    """What is left of the batch: squared error / variance, or what the experiment's measure takes for it."""
    module.eval()
    with torch.no_grad(), same_chance(target.device):
        return experiment.measure().remaining(module.predict_step(batch, 0), target)


def _ratio_of_batch(
    experiment: LightningExperiment, module: LightningModule, batch: Any, target: Tensor
) -> float | None:
    """The same where batch norms take the batch's own statistics, as in training; None: there are none."""
    norms = [part for part in module.modules() if isinstance(part, _BatchNorm) and part.track_running_stats]
    if not norms or len(target) < 2:
        return None
    kept = [(norm, copy.deepcopy(norm.state_dict())) for norm in norms]
    module.eval()
    for norm in norms:
        norm.train()
    try:
        with torch.no_grad(), same_chance(target.device):
            return experiment.measure().remaining(module.predict_step(batch, 0), target)
    except ValueError:  # one value a channel
        return None
    finally:
        for norm, state in kept:
            norm.load_state_dict(state)


def _rose(losses: list[float]) -> bool:
    if not all(map(math.isfinite, losses)):
        return True
    return len(losses) > 1 and losses[0] > 0 and max(losses) > ROSE * losses[0]


def _fell(losses: list[float]) -> float | None:
    """Share of the first few losses by which the last few are lower."""
    few = max(1, len(losses) // 20)
    if len(losses) < 2 * few or not all(map(math.isfinite, losses)):
        return None
    first, last = fmean(losses[:few]), fmean(losses[-few:])
    return (first - last) / abs(first) if first else None


def _falling(losses: list[float]) -> bool:
    """Over the second half, in means of a few steps each, because a loss may be noisy."""
    half = losses[len(losses) // 2 :]
    size = max(1, len(half) // TREND_POINTS)
    means = [fmean(half[i : i + size]) for i in range(0, len(half) - size + 1, size)]
    trend = theil_sen(range(len(means)), means)
    return trend is not None and trend.high < 0
