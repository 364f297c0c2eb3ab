"""Samples that hold nothing to learn from: blank inputs, targets that are all masked, targets that are no class."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import torch
from torch import Tensor

from gonogo.experiment.measure import Classes, Measure

FEWEST_VALUES = 8  # of an input, all of which are the same only where it is blank
IGNORED = (-100, -1, 255)  # `ignore_index` of common losses


@dataclass
class Emptiness:
    """Indices, in the order in which they were read, of one side's samples.

    Attributes:
        blank: inputs of one value throughout.
        unsupervised: no position of the target is a class.
        outside: targets that are neither a class nor one of IGNORED.
        ignored, strange: the values themselves, with their counts.
    """

    measure: Measure
    samples: int = 0
    blank: list[int] = field(default_factory=list)
    unsupervised: list[int] = field(default_factory=list)
    outside: list[int] = field(default_factory=list)
    ignored: Counter[int] = field(default_factory=Counter)
    strange: Counter[int] = field(default_factory=Counter)

    def add(self, inputs: Tensor, targets: Tensor) -> None:
        """A batch: inputs (N, …), targets (N, …)."""
        rows = inputs.detach().reshape(len(inputs), -1)
        if rows.shape[1] >= FEWEST_VALUES:
            self.blank += self._where((rows == rows[:, :1]).all(1))
        if isinstance(self.measure, Classes) and not targets.is_floating_point():
            self._classes(targets.detach().reshape(len(targets), -1), self.measure.count)
        self.samples += len(targets)

    def _classes(self, targets: Tensor, count: int) -> None:
        known = (targets >= 0) & (targets < count)
        self.unsupervised += self._where(~known.any(1))
        if bool(known.all()):
            return
        left_out = torch.zeros_like(known)
        for value in IGNORED:
            left_out |= (targets == value) & ~known
        self.outside += self._where((~known & ~left_out).any(1))
        self.ignored.update(targets[left_out].tolist())
        self.strange.update(targets[~known & ~left_out].tolist())

    def _where(self, rows: Tensor) -> list[int]:
        return [self.samples + index for index in torch.nonzero(rows).flatten().tolist()]
