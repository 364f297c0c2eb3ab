"""What all adapters derive from the objects that they are given."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

import torch
from lightning.fabric.utilities import move_data_to_device
from torch import Tensor

from gonogo.adapters.batch_parts import described, inputs_of, outputs_of, replaced, resized, targets_of, zeroed
from gonogo.adapters.loaders import without_workers
from gonogo.adapters.tasks import Task, task_of
from gonogo.base.errors import UserError
from gonogo.experiment.adapter import Adapter
from gonogo.experiment.measure import Measure

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule

    from gonogo.verdict import Verdict

Part = Callable[[Any], Any]
MORE_BATCHES = 7  # whose targets give the spread that errors are divided by


class ProjectAdapter(Adapter):
    """Derives the batch's parts and the task from one batch; subclasses say what model and loaders are.

    Args:
        inputs, targets: of a batch, where its shape does not say them.
    """

    def __init__(self, inputs: Part | None, targets: Part | None) -> None:
        self._inputs, self._targets = inputs or inputs_of, targets or targets_of

    @abstractmethod
    def answer(self, module: LightningModule, batch: Any) -> Any:
        """Whatever the model returns for a batch."""

    @abstractmethod
    def loss_value(self, module: LightningModule, batch: Any) -> float | None:
        """The project's own loss of a batch; None: not known."""

    def batch_of(self, samples: int) -> Any:
        return resized(self._first[0], len(self._targets_of(self._first[0])), samples)

    def micro_batch_size(self) -> int:
        return len(self._targets_of(self._first[0]))

    def inputs(self, batch: Any) -> Tensor:
        found = self._inputs(batch)
        if not isinstance(found, Tensor):
            raise UserError(f"inputs: of a batch it should return one tensor, and returns {described(found)}")
        return found

    def targets(self, batch: Any) -> Tensor:
        return self.task.targets(self._targets_of(batch))

    def without_input(self, batch: Any) -> Any:
        return zeroed(batch, self.inputs(batch), self._targets_of(batch))

    def with_input(self, batch: Any, values: Tensor) -> Any:
        return replaced(batch, self.inputs(batch), values)

    def measure(self) -> Measure:
        return self.task.measure

    def outputs(self, module: LightningModule, batch: Any) -> Tensor:
        """The model's answers, in the shape that the measure takes."""
        return self.task.outputs(outputs_of(self.answer(module, batch)))

    def held_out(self, module: LightningModule, batch: Any) -> tuple[float, int]:
        """Mean error of a batch, and its samples."""
        with torch.no_grad():
            targets = self.targets(batch)
            errors = self.measure().errors(self.outputs(module, batch), targets)
        return float(errors[:, 0].mean()), len(targets)

    @cached_property
    def task(self) -> Task:
        """Told from the first training batch and the untrained model.

        Raises:
            UserError: inputs, targets and outputs do not fit together.
        """
        batch, *others = self._first
        read, targets = self.inputs(batch), self._targets_of(batch)
        if not read.ndim or not targets.ndim or len(read) != len(targets):
            raise UserError(
                f"inputs are {described(read)}, targets {described(targets)}: their first axis must be the samples"
            )
        module = self.module()
        module.eval()
        with torch.no_grad(), torch.random.fork_rng([]):
            torch.manual_seed(0)
            outputs = outputs_of(self.answer(module, batch))
            try:
                loss = self.loss_value(module, batch)
            except IndexError:  # a target that is no class: the learning gate says which
                loss = None
        return task_of(outputs, targets, loss, [self._targets_of(other) for other in others])

    def check(self, **options: Any) -> Verdict:
        """Judge what was given by the learning and the memory gate, here and now; prints the verdict.

        Args:
            options: `name`, `card`, `steps`, `overfit_steps`, `minutes`, `gradient_clip_val`, `seed`, `show` of
                `gonogo.adapters.check.check`.
        """
        from gonogo.adapters.check import check

        return check(self, **options)

    def _targets_of(self, batch: Any) -> Tensor:
        found = self._targets(batch)
        if not isinstance(found, Tensor):
            raise UserError(f"targets: of a batch it should return one tensor, and returns {described(found)}")
        return found

    @cached_property
    def _first(self) -> list[Any]:
        train, _ = self.loaders(0)
        found = list(islice(iter(without_workers(train)), 1 + MORE_BATCHES))
        if not found:
            raise UserError("loaders: the training loader gives no batch")
        return [move_data_to_device(batch, torch.device("cpu")) for batch in found]  # some loaders fill the GPU's
