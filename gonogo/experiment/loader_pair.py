"""Two loaders as Lightning takes them."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import LightningDataModule


class LoaderPair(LightningDataModule):
    """Training and validation batches of loaders that exist."""

    def __init__(self, train: Any, held_out: Any) -> None:
        super().__init__()
        self._train, self._held_out = train, held_out

    def train_dataloader(self) -> Any:
        return self._train

    def val_dataloader(self) -> Any:
        return self._held_out
