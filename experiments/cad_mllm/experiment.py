"""CAD-MLLM: a language model writes CAD programs, first from captions, then also from point clouds and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from experiments.cad_mllm.settings import CADSettings
from gonogo import (
    Inspector,
    LightningExperiment,
    PlanOption,
    Progress,
    QualityGate,
    Stage,
    Training,
    deep_merged,
)


class CADMLLM(LightningExperiment):
    """One stage of the curriculum: see config/experiments/cad_mllm*.yaml, and README.md in this folder."""

    kind = "text"
    Settings = CADSettings
    settings: CADSettings
    packages: ClassVar[dict[str, str]] = dict.fromkeys(
        ("transformers", "peft", "trimesh", "manifold3d", "tokenizers"), "cad"
    )
    generate_code: ClassVar[tuple[str, ...]] = (
        "parts.py", "program.py", "shapes.py", "generate.py", "tokens.py", "base.py", "deepcad.py", "omnicad.py",
    )  # fmt: skip
    predict_code: ClassVar[tuple[str, ...]] = ("predict.py", "picture.py", "export.py", "infer.py")
    trains_with_assets = True

    def settings_for(self, stage: Stage) -> Any:
        if stage == "train":
            return super().settings_for(stage)
        base = self.smoke_settings.model.base
        parts = [self._parts_wanted()] if self.inputs_folder() else []  # `prepare` translates no more
        return [self.settings.data.model_dump(mode="json"), base.model_dump(mode="json"), *parts]

    def _parts_wanted(self) -> int:
        return max(self.config.dataset_items, self.config.sample_items)

    @property
    def smoke_settings(self) -> CADSettings:
        """The smoke run's settings, whose base `prepare` makes."""
        return CADSettings.model_validate(deep_merged(self.config.settings, self.config.smoke.settings))

    def assets_needed(self) -> list[tuple[str, bool, str]]:
        model = self.settings.model
        named = {
            "Pretrained language model": model.base.pretrained,
            "Point encoder's weights": model.point_encoder.weights,
            "Image encoder's weights": model.image_encoder.weights,
        }
        return [asset.needed(name) for name, asset in named.items() if asset is not None]

    def more_packages(self) -> list[str]:
        return ["bitsandbytes>=0.46"] if self.settings.model.base.bits else []

    def lacking(self) -> list[str]:
        """Also the modalities that this stage reads and whose files are missing, as counted on disk."""
        data, folder = self.settings.data, self.inputs_folder()
        if folder is not None and folder.is_dir():
            from experiments.cad_mllm.omnicad import lacking

            return super().lacking() + lacking(folder, data, self.config.dataset_items)
        missing = [name for name in data.modalities if name in data.absent]
        return super().lacking() + [f"{name}: no files yet (settings.data.absent)" for name in missing]

    # --- data ---

    def prepare(self, out: Path, seed: int) -> dict[str, Any]:
        from experiments.cad_mllm.base import make_base

        base = self.smoke_settings.model.base
        if base.pretrained is None:
            make_base(base, out, out.parents[1] / ".cad_mllm", seed)
        if (folder := self.inputs_folder()) is not None:
            from experiments.cad_mllm import omnicad, tokens

            known = None if self.settings.model.base.pretrained else tokens.KNOWN
            out.mkdir(parents=True, exist_ok=True)
            omnicad.prepare(folder, self.settings.data, self._parts_wanted(), out, own_words=known)
        return {}

    def generate(self, indices: Sequence[int], out: Path, seed: int, progress: Progress) -> None:
        from experiments.cad_mllm.generate import generate
        from experiments.cad_mllm.omnicad import convert

        if (folder := self.inputs_folder()) is not None:
            assert self.assets is not None, "`prepare` filled it"
            out.mkdir(parents=True, exist_ok=True)
            convert(folder, self.settings.data, self.assets, indices, out, seed, progress)
            return
        generate(self.settings.data, indices, out, seed, progress)

    def items_there(self) -> int | None:
        from experiments.cad_mllm.omnicad import parts_of

        return None if self.inputs_folder() is None or self.assets is None else len(parts_of(self.assets))

    def inspector(self, gate: QualityGate) -> Inspector:
        """Documents, their tokens counted by the model's own tokenizer; not counted while that is missing."""
        from experiments.cad_mllm.tokens import tokens_of
        from gonogo import Texts

        pretrained = self.settings.model.base.pretrained
        if pretrained is not None and not pretrained.where.is_dir():
            return Texts(gate.text)
        return Texts(gate.text, tokens_of(pretrained).count)

    # --- training ---

    def module(self, training: Training) -> Any:
        from experiments.cad_mllm.module import CADModule

        return CADModule(self.settings, training, self.assets, self.starts_from)

    def datamodule(self, training: Training, data: Sequence[Path], seed: int) -> Any:
        from experiments.cad_mllm.datamodule import CADDataModule

        return CADDataModule(self.settings, training, data, seed, self.config.validation_share)

    def example_batch(self, batch_size: int) -> Any:
        from experiments.cad_mllm.data import example_batch

        return example_batch(self.settings, batch_size)

    def plan_options(self) -> list[PlanOption]:
        from experiments.cad_mllm.plan import plan_options

        return plan_options(self.settings.model)

    def error(self, outputs: Any, targets: Any) -> Any:
        """Brier score over positions and alphabet: squared error of the probabilities."""
        return (outputs - targets).square().mean()

    def inputs(self, batch: Any) -> Any:
        """(B, D): the caption's ids, then the cloud and the picture if the stage reads them."""
        import torch

        seen = [batch[name].flatten(1).float() for name in ("caption", "points", "image") if name in batch]
        return torch.cat(seen, 1)

    def targets(self, batch: Any) -> Any:
        return batch["target"]

    def without_input(self, batch: Any) -> Any:
        from experiments.cad_mllm.data import without_input

        return without_input(batch)

    # --- results ---

    def predict(self, checkpoint: Path, data: Sequence[Path], out: Path, seed: int) -> dict[str, float]:
        from experiments.cad_mllm.predict import predict

        share = self.config.validation_share
        return predict(checkpoint, self.settings, self.assets, data, out, seed, share)

    def infer(self, checkpoint: Path, given: str, out: Path, seed: int) -> list[Path]:
        from experiments.cad_mllm.infer import infer_files

        assert self.assets is not None
        return infer_files(checkpoint, self.assets, given, out)

    def show(self, batch: Any, outputs: Any, out: Path) -> None:
        from experiments.cad_mllm.picture import comparison
        from experiments.cad_mllm.tokens import tokens_of

        pretrained = self.settings.model.base.pretrained
        comparison(outputs.cpu(), batch["target"].cpu(), tokens_of(pretrained if self.assets else None), out)
