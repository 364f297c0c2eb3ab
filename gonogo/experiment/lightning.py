"""An experiment that Lightning trains: its model, its batches, and what the learning and memory gates ask of both."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from gonogo.base.extras import WORKFLOW
from gonogo.config.experiment import Training
from gonogo.experiment.contract import Experiment

if TYPE_CHECKING:
    from lightning.pytorch import LightningDataModule, LightningModule
    from torch import Tensor

    from gonogo.experiment.measure import Measure


class LightningExperiment(Experiment):
    """An experiment given as a class: what an author subclasses.

    It lies in a folder of its own below `experiments/` and is named by `class:` in its YAML. Its module is imported
    whenever the workflow is read, so torch and other heavy libraries are imported inside the methods that need them.

    Attributes:
        averages_weights: whether the module keeps the moving average of its weights that `training.ema_decay` names.
    """

    averages_weights: ClassVar[bool] = True

    framework: ClassVar[dict[str, str]] = {"lightning": WORKFLOW}

    @abstractmethod
    def module(self, training: Training) -> LightningModule:
        """The model with its loss and optimizer.

        `training_step(batch, i)` returns the loss and works without a Trainer (the memory trace calls it). A module
        with several optimizers steps them itself: see `gonogo.training.manual_optimization`.
        `predict_step(batch, i)` returns outputs shaped like `targets(batch)`.
        """

    @abstractmethod
    def datamodule(self, training: Training, data: Sequence[Path], seed: int) -> LightningDataModule:
        """Batches from the generated folders `data`, split by whole items."""

    @abstractmethod
    def example_batch(self, batch_size: int) -> Any:
        """A batch of the right shapes and dtypes, any values: what the memory trace feeds."""

    @abstractmethod
    def inputs(self, batch: Any) -> Any:
        """Tensor that the model reads (N, …), for the learning gate."""

    @abstractmethod
    def targets(self, batch: Any) -> Any:
        """Tensor that the model should produce (N, …), for the learning gate."""

    @abstractmethod
    def without_input(self, batch: Any) -> Any:
        """The batch with what the model reads zeroed: does it use its input at all?"""

    @abstractmethod
    def show(self, batch: Any, outputs: Any, out: Path) -> None:
        """Write one picture of outputs beside targets: what a person would look at during training."""

    def before_trace(self, training: Training) -> None:
        """Read what a training step needs of the data, before tensors have no values any more."""
        return

    def heaviest(self, module: LightningModule, training: Training) -> None:
        """Bring a fresh module to the phase of this training that needs most memory; the memory trace asks for it."""
        return

    def error(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Held-out error, a scalar: what `validation_step` logs as `val_loss`, and what skill is computed in."""
        return (outputs - targets).abs().mean()

    def measure(self) -> Measure:
        """How outputs are held against targets: as quantities, by `error`, where nothing else is said."""
        from gonogo.experiment.measure import Quantities

        return Quantities(self.error)

    def groups(self, batch: Any) -> list[str] | None:
        """For each sample what it was made from (a photograph, a subject), which must lie on one side of the split.

        None: nothing is known of it.
        """
        return None
