"""How a model's outputs are held against their targets: quantities by their distance, classes in nats.

Skill compares the model's error with that of the best answer that needs no input: the training targets' mean, the
classes' frequencies, the tokens' frequencies. Which error it is depends on what the targets are; the gate does not.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

TEMPERATURES = (1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
PSEUDOCOUNT = 0.1  # of a class that was not seen in training, which may occur elsewhere
MOST_COLUMNS = 512  # classes that are compared one by one where targets are looked at as vectors


class Measure(ABC):
    """Errors, and what is left of one batch, for one kind of target."""

    quantities: bool  # whether means and spreads of outputs, targets and inputs can be held against each other
    paired = True  # whether each output answers its own target; of a generator's samples none does
    unit: str  # of `errors`, for people

    @abstractmethod
    def errors(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """(N, K) of N samples: the error, in K readings of the outputs of which the best on all samples counts."""

    @abstractmethod
    def total(self, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Sum and count over these samples; those of all training targets make their `mean`."""

    def mean(self, total: Tensor, count: Tensor) -> Tensor:
        """The best answer that needs no input."""
        return (total / count.clamp(min=1)).float()

    @abstractmethod
    def errors_of_mean(self, mean: Tensor, targets: Tensor) -> Tensor:
        """(N,) of answering with `mean`."""

    @abstractmethod
    def remaining(self, outputs: Tensor, targets: Tensor) -> float:
        """Squared error over what answering with the batch's own mean leaves: 1 is nothing learned, 0 all."""

    @abstractmethod
    def shown(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """What of the outputs is compared with and without input, on the CPU."""

    def spread(self, targets: Tensor) -> float:
        """The unit in which changes of `shown` are reported."""
        return 1.0

    def variety(self, outputs: Tensor, targets: Tensor) -> float | None:
        """Of samples, how far they lie apart, over how far targets do; None where outputs answer targets."""
        return None

    def counts(self, targets: Tensor) -> bool:
        """Whether the loss of these targets is of anything: not where all of them are left out."""
        return True

    def as_vectors(self, targets: Tensor) -> Tensor:
        """Targets (N, …) such that near ones are alike."""
        return targets


class Quantities(Measure):
    """Numbers: pictures, signals, columns of a table.

    Args:
        error: of outputs and targets (1, …), a scalar.
        scale: one for each column of the targets: the unit of its errors.
    """

    quantities = True
    unit = ""

    def __init__(self, error: Callable[[Tensor, Tensor], Tensor], scale: Tensor | None = None) -> None:
        self._error, self._scale = error, scale

    def _scaled(self, values: Tensor) -> Tensor:
        values = values.float()
        return values if self._scale is None else values / self._scale.to(values.device)

    def errors(self, outputs: Tensor, targets: Tensor) -> Tensor:
        o, t = (outputs, targets) if self._scale is None else (self._scaled(outputs), self._scaled(targets))
        each = [float(self._error(o[i : i + 1], t[i : i + 1])) for i in range(len(t))]
        return torch.tensor(each, dtype=torch.float64).unsqueeze(1)

    def total(self, targets: Tensor) -> tuple[Tensor, Tensor]:
        return targets.detach().double().sum(0), torch.tensor(float(len(targets)))

    def errors_of_mean(self, mean: Tensor, targets: Tensor) -> Tensor:
        return self.errors(mean.to(targets.device).expand_as(targets), targets).squeeze(1)

    def remaining(self, outputs: Tensor, targets: Tensor) -> float:
        """Of a batch of one sample, over its values."""
        o, t = self._scaled(outputs), self._scaled(targets)
        centre = t.mean(0) if len(t) > 1 else t.mean()
        return float((o - t).square().mean() / (t - centre).square().mean().clamp(min=1e-12))

    def shown(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return self._scaled(outputs).cpu()

    def spread(self, targets: Tensor) -> float:
        t = self._scaled(targets)
        return float((t - t.mean(0)).square().mean().sqrt()) or float(t.std(correction=0))


class Classes(Measure):
    """One class of several at each position: of a picture, of a pixel, the next token. Error in nats.

    Outputs are logits or log-probabilities with the classes along `dim`; targets are whole numbers of the outputs'
    shape without it. Whatever is no class (-100, 255) is left out, as the loss leaves it out. A picture's class is read
    at the temperature that suits all samples best: sure answers that are wrong now and then are still knowledge.

    Args:
        count: classes.
        probabilities: whether outputs are probabilities already.
    """

    quantities = False
    unit = "nats"

    def __init__(self, count: int, dim: int = 1, *, probabilities: bool = False) -> None:
        self.count, self.dim, self._probabilities = count, dim, probabilities

    def errors(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return torch.stack([self._errors(outputs[i : i + 1], targets[i : i + 1]) for i in range(len(targets))])

    def _errors(self, outputs: Tensor, targets: Tensor) -> Tensor:
        chosen, valid = self._chosen(targets)
        logits = self._logits(outputs)
        found = []
        for temperature in TEMPERATURES if targets[0].ndim == 0 else TEMPERATURES[:1]:
            nats = -(logits / temperature).log_softmax(self.dim).gather(self.dim, chosen).squeeze(self.dim)
            found.append(nats[valid].double().mean() if bool(valid.any()) else nats.new_zeros((), dtype=torch.float64))
        return torch.stack(found).cpu()

    def total(self, targets: Tensor) -> tuple[Tensor, Tensor]:
        _, valid = self._chosen(targets)
        counts = torch.bincount(targets[valid].flatten().cpu(), minlength=self.count).double()
        return counts, counts.sum()

    def mean(self, total: Tensor, count: Tensor) -> Tensor:
        return ((total + PSEUDOCOUNT) / (count + PSEUDOCOUNT * self.count)).float()

    def errors_of_mean(self, mean: Tensor, targets: Tensor) -> Tensor:
        nats = -mean.clamp(min=1e-12).log().to(targets.device)
        found = []
        for one in targets:
            valid = (one >= 0) & (one < self.count)
            chosen = nats[one[valid].long()]
            found.append(chosen.double().mean().cpu() if len(chosen) else torch.zeros((), dtype=torch.float64))
        return torch.stack(found)

    def remaining(self, outputs: Tensor, targets: Tensor) -> float:
        """Brier's score over that of answering with the batch's class frequencies."""
        chosen, valid = self._chosen(targets)
        counts, total = self.total(targets)
        share = (counts / total.clamp(min=1)).float().to(outputs.device)
        left, baseline = 0.0, 0.0
        for i in range(len(targets)):
            one, keep = slice(i, i + 1), valid[i : i + 1]
            found = self._logits(outputs[one]).softmax(self.dim)
            right = found.gather(self.dim, chosen[one]).squeeze(self.dim)[keep]
            left += float((found.square().sum(self.dim)[keep] - 2 * right + 1).sum())
            baseline += float((share.square().sum() - 2 * share[targets[one][keep].long()] + 1).sum())
        return left / max(baseline, 1e-12)

    def shown(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The probability of the right class."""
        chosen, _ = self._chosen(targets)
        each = [
            self._logits(outputs[i : i + 1]).softmax(self.dim).gather(self.dim, chosen[i : i + 1]).cpu()
            for i in range(len(targets))
        ]
        return torch.cat(each)

    def as_vectors(self, targets: Tensor) -> Tensor:
        if targets.ndim > 1 or self.count > MOST_COLUMNS:
            return targets
        return functional.one_hot(targets.long().clamp(0, self.count - 1), self.count).float()

    def counts(self, targets: Tensor) -> bool:
        return bool(((targets >= 0) & (targets < self.count)).any())

    def _logits(self, outputs: Tensor) -> Tensor:
        return outputs.float().clamp(min=1e-12).log() if self._probabilities else outputs.float()

    def _chosen(self, targets: Tensor) -> tuple[Tensor, Tensor]:
        valid = (targets >= 0) & (targets < self.count)
        return targets.where(valid, torch.zeros_like(targets)).long().unsqueeze(self.dim), valid


class YesNo(Measure):
    """Yes or no at each position: a mask, several labels at once. Error in nats.

    Args:
        probabilities: whether outputs are probabilities; else they are logits.
    """

    quantities = False
    unit = "nats"

    def __init__(self, *, probabilities: bool = False) -> None:
        self._probabilities = probabilities

    def errors(self, outputs: Tensor, targets: Tensor) -> Tensor:
        nats = functional.binary_cross_entropy_with_logits(
            self._logits(outputs), targets.float().clamp(0, 1), reduction="none"
        )
        return nats.reshape(len(targets), -1).double().mean(1, keepdim=True).cpu()

    def total(self, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Of each column or channel, wherever in the picture."""
        values = targets.detach().double()
        places = list(range(values.ndim)) if values.ndim < 2 else [0, *range(2, values.ndim)]
        return values.sum(places), torch.tensor(float(values.numel() // (values.shape[1] if values.ndim > 1 else 1)))

    def errors_of_mean(self, mean: Tensor, targets: Tensor) -> Tensor:
        share = mean.clamp(1e-4, 1 - 1e-4).to(targets.device)
        share = share.reshape(1, -1, *[1] * (targets.ndim - 2)) if targets.ndim > 1 else share
        return self.errors(self._answer(share).expand(targets.shape), targets).squeeze(1)

    def remaining(self, outputs: Tensor, targets: Tensor) -> float:
        total, count = self.total(targets)
        share = (total / count).float().to(targets.device)
        share = share.reshape(1, -1, *[1] * (targets.ndim - 2)) if targets.ndim > 1 else share
        left = (self._logits(outputs).sigmoid() - targets.float()).square().mean()
        return float(left / (share - targets.float()).square().mean().clamp(min=1e-12))

    def shown(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return self._logits(outputs).sigmoid().cpu()

    def _answer(self, share: Tensor) -> Tensor:
        return share if self._probabilities else share.logit()

    def _logits(self, outputs: Tensor) -> Tensor:
        return outputs.float().clamp(1e-6, 1 - 1e-6).logit() if self._probabilities else outputs.float()
