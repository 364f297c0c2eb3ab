"""Patch-wise 3-D VQ-GAN: chest CT through a small codebook and back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from experiments.vqgan3d.settings import VQGAN3DSettings
from gonogo import (
    ExperimentConfig,
    LightningExperiment,
    PlanOption,
    Progress,
    Stage,
    Training,
    UserError,
    gradient_checkpointing,
)

# patch keys here → keys of the quality gate
SAME_KEYS = {"size": "patch", "stride": "stride", "tail_anchored": "tail_anchored"}


class VQGAN3D(LightningExperiment):
    """Keys: config/experiments/vqgan3d.yaml. Background: README.md in this folder."""

    kind = "volumes"
    Settings = VQGAN3DSettings
    settings: VQGAN3DSettings
    packages: ClassVar[dict[str, str]] = {"monai": "ct", "nibabel": "ct"}
    generate_code: ClassVar[tuple[str, ...]] = ("generate.py", "phantom.py", "scans.py", "own_scans.py")

    def __init__(self, name: str, config: ExperimentConfig, root: Path, assets: Path | None = None) -> None:
        super().__init__(name, config, root, assets)
        judged = config.gates.get("quality", {}).get("volumes", {})
        own = self.settings.patches.model_dump(mode="json")
        for key, gate_key in SAME_KEYS.items():
            if gate_key in judged and judged[gate_key] != own[key]:
                raise UserError(
                    f"config/experiments/{name}.yaml: gates.quality.volumes.{gate_key} is {judged[gate_key]}, but "
                    f"settings.patches.{key} is {own[key]}: give both the same value"
                )

    def settings_for(self, stage: Stage) -> Any:
        return self.settings.scans.model_dump(mode="json") if stage == "generate" else super().settings_for(stage)

    def prepare(self, out: Path, seed: int) -> dict[str, Any]:
        from experiments.vqgan3d.generate import prepare

        prepare(self.settings.scans, self.inputs_folder(), out)
        return {}

    def generate(self, indices: Sequence[int], out: Path, seed: int, progress: Progress) -> None:
        from experiments.vqgan3d.generate import generate

        generate(self.settings.scans, self.inputs_folder(), indices, out, seed, progress)

    def items_there(self) -> int | None:
        from experiments.vqgan3d.own_scans import find_scans

        folder = self.inputs_folder()
        return None if folder is None else len(find_scans(folder, self.settings.scans))

    def module(self, training: Training) -> Any:
        from experiments.vqgan3d.module import VQGAN3DModule

        return VQGAN3DModule(self.settings, training)

    def datamodule(self, training: Training, data: Sequence[Path], seed: int) -> Any:
        from experiments.vqgan3d.data import CTDataModule

        return CTDataModule(self.settings.patches, training, data, seed, self.config.validation_share)

    def example_batch(self, batch_size: int) -> Any:
        from experiments.vqgan3d.data import example_batch

        return example_batch(self.settings.patches, batch_size)

    def heaviest(self, module: Any, training: Training) -> None:
        """With the discriminators, if the run is long enough for them to start."""
        if self.planned_steps(training) > self.settings.model.discriminators.start_step:
            module.pass_start()

    def planned_steps(self, training: Training) -> int:
        """Optimizer steps of a run on volumes of the configured shape."""
        from gonogo import patch_coverage

        patches = self.settings.patches
        each, _ = patch_coverage(self.settings.scans.shape, patches.size, patches.stride, patches.tail_anchored)
        items = self.config.dataset_items
        trained = items - math.ceil(self.config.validation_share * items - 1e-9)
        return training.epochs * math.ceil(trained * each / training.effective_batch_size)

    def inputs(self, batch: Any) -> Any:
        return batch["input"]

    def targets(self, batch: Any) -> Any:
        return batch["target"]

    def without_input(self, batch: Any) -> Any:
        import torch

        return {**batch, "input": torch.zeros_like(batch["input"])}

    def groups(self, batch: Any) -> list[str]:
        return list(batch["volume"])

    def predict(self, checkpoint: Path, data: Sequence[Path], out: Path, seed: int) -> dict[str, float]:
        from experiments.vqgan3d.predict import predict

        share = self.config.validation_share
        return predict(checkpoint, self.settings, self.config.training, data, out, seed, share)

    def infer(self, checkpoint: Path, given: str, out: Path, seed: int) -> list[Path]:
        from experiments.vqgan3d.infer import infer

        return infer(checkpoint, self.settings, self.config.training, Path(given), out)

    def show(self, batch: Any, outputs: Any, out: Path) -> None:
        from experiments.vqgan3d.predict import picture

        picture(outputs, batch["target"], out)

    def plan_options(self) -> list[PlanOption]:
        return [gradient_checkpointing("stage")]
