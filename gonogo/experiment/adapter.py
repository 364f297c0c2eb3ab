"""What a project already has, as an experiment is made of it: its model and step, its loaders, what is in a batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule
    from torch import Tensor

    from gonogo.experiment.measure import Measure


class Adapter(ABC):
    """Made by `gonogo.torch`, `gonogo.lightning` or `gonogo.huggingface` of objects that exist; they are left alone."""

    @abstractmethod
    def module(self) -> LightningModule:
        """A copy of the model as it was given, with its step and optimizer; its outputs are held against targets."""

    @abstractmethod
    def loaders(self, micro_batch_size: int) -> tuple[Any, Any]:
        """Training and validation batches of this many samples."""

    @abstractmethod
    def batch_of(self, samples: int) -> Any:
        """A training batch of this many samples, any of them."""

    @abstractmethod
    def micro_batch_size(self) -> int:
        """Samples in a batch as the project loads them."""

    @abstractmethod
    def inputs(self, batch: Any) -> Tensor:
        """What the model reads (N, …)."""

    @abstractmethod
    def targets(self, batch: Any) -> Tensor:
        """What it should answer (N, …)."""

    @abstractmethod
    def without_input(self, batch: Any) -> Any:
        """The batch with what the model reads zeroed."""

    @abstractmethod
    def with_input(self, batch: Any, values: Tensor) -> Any:
        """The batch with these values in place of what the model reads."""

    @abstractmethod
    def measure(self) -> Measure:
        """How outputs are held against targets."""

    def training_keys(self) -> dict[str, Any]:
        """Keys of `training:` that the project's own objects fix, where they say them."""
        return {}
