"""EEG regression: EEGNeX predicts a person's latent factor from two seconds of EEG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from experiments.eeg.settings import EEGSettings
from gonogo import LightningExperiment, Progress, Stage, Training, UserError


class EEG(LightningExperiment):
    """Keys: config/experiments/eeg.yaml. Background: README.md in this folder."""

    kind = "series"
    Settings = EEGSettings
    settings: EEGSettings
    packages: ClassVar[dict[str, str]] = {"h5py": "eeg"}
    generate_code: ClassVar[tuple[str, ...]] = ("subjects.py", "cache.py", "recorded.py", "generate.py")

    def settings_for(self, stage: Stage) -> Any:
        return self.settings.data.model_dump(mode="json") if stage == "generate" else super().settings_for(stage)

    def prepare(self, out: Path, seed: int) -> dict[str, Any]:
        from experiments.eeg.generate import prepare

        prepare(self.settings.data, self.inputs_folder(), out)
        return {}

    def generate(self, indices: Sequence[int], out: Path, seed: int, progress: Progress) -> None:
        from experiments.eeg.generate import generate

        generate(self.settings.data, self.inputs_folder(), indices, out, seed, progress)

    def items_there(self) -> int | None:
        from experiments.eeg.recorded import find

        folder = self.inputs_folder()
        return None if folder is None else len(find(folder, self.settings.data).sources)

    def lacking(self) -> list[str]:
        """Also recordings that `inputs` should hold and does not, or that cannot be used."""
        from experiments.eeg.recorded import find

        missing, folder = super().lacking(), self.inputs_folder()
        if missing or folder is None:
            return missing
        try:
            there = len(find(folder, self.settings.data).sources)
        except UserError as error:
            return [str(error)]
        wanted = self.config.dataset_items
        return [f"inputs: {there} recordings of {wanted} (dataset_items)"] if there < wanted else []

    def module(self, training: Training) -> Any:
        from experiments.eeg.module import EEGModule

        return EEGModule(self.settings, training)

    def datamodule(self, training: Training, data: Sequence[Path], seed: int) -> Any:
        from experiments.eeg.data import EEGDataModule

        return EEGDataModule(self.settings, training, data, seed, self.config.validation_share)

    def example_batch(self, batch_size: int) -> Any:
        from experiments.eeg.data import example_batch

        return example_batch(self.settings.data, batch_size)

    def inputs(self, batch: Any) -> Any:
        return batch["windows"]

    def targets(self, batch: Any) -> Any:
        return batch["target"]

    def without_input(self, batch: Any) -> Any:
        import torch

        return {**batch, "windows": torch.zeros_like(batch["windows"])}

    def groups(self, batch: Any) -> list[str]:
        return batch["subject"]

    def predict(self, checkpoint: Path, data: Sequence[Path], out: Path, seed: int) -> dict[str, float]:
        from experiments.eeg.predict import predict

        share = self.config.validation_share
        return predict(checkpoint, self.settings, self.config.training, data, out, seed, share)

    def infer(self, checkpoint: Path, given: str, out: Path, seed: int) -> list[Path]:
        from experiments.eeg.infer import infer

        return infer(checkpoint, self.settings, self.config.training, Path(given), out)

    def show(self, batch: Any, outputs: Any, out: Path) -> None:
        from experiments.eeg.predict import picture

        picture(outputs, batch["target"], out)
