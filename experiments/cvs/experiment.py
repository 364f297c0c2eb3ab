"""Consistency view synthesis: a U-Net learns novel views from pictures that a Gaussian decoder renders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from experiments.cvs.settings import CVSSettings
from gonogo import (
    Asset,
    LightningExperiment,
    PlanOption,
    Progress,
    Stage,
    Training,
    gradient_checkpointing,
    write_text,
)


class CVS(LightningExperiment):
    """Keys: config/experiments/cvs.yaml. Background: README.md in this folder."""

    kind = "views"
    Settings = CVSSettings
    settings: CVSSettings
    generate_code: ClassVar[tuple[str, ...]] = (
        "photographs.py", "depth.py", "splats.py", "decoder.py", "cameras.py", "generate.py", "pretrained.py",
        "captures.py", "camera_files.py",
    )  # fmt: skip

    def settings_for(self, stage: Stage) -> Any:
        return self.settings.data.model_dump(mode="json") if stage == "generate" else super().settings_for(stage)

    def assets_needed(self) -> list[tuple[str, bool, str]]:
        from experiments.cvs.depth import check_models

        return check_models(self.settings)

    def pretrained(self) -> dict[str, Asset]:
        from experiments.cvs.pretrained import ANY_BYTES, TOKEN_SOURCE

        path = self.settings.model.token_model
        if path is None or self.settings.model.image_tokens != "dinov2":
            return {}
        return {"model.token_model": Asset(path=path, min_bytes=1, max_bytes=ANY_BYTES, source=TOKEN_SOURCE)}

    def prepare(self, out: Path, seed: int) -> dict[str, Any]:
        from experiments.cvs import captures
        from experiments.cvs.generate import prepare

        out.mkdir(parents=True, exist_ok=True)
        if captures.find_captures(self._inputs()):
            told = captures.prepare(self._inputs(), self.settings.data)
            print("\n".join(told), flush=True)
            write_text(out / "inputs.md", "".join(f"- {line}\n" for line in told))
            return {}
        return prepare(self.settings.data, self._inputs(), out, seed)

    def generate(self, indices: Sequence[int], out: Path, seed: int, progress: Progress) -> None:
        from experiments.cvs import captures
        from experiments.cvs.generate import generate

        if captures.find_captures(self._inputs()):
            captures.convert(self._inputs(), self.settings.data, indices, out, progress)
            return
        assert self.assets is not None
        generate(self.settings.data, self._inputs(), self.assets, indices, out, seed, progress)

    def items_there(self) -> int | None:
        from experiments.cvs import captures

        if not captures.find_captures(self._inputs()):
            return None
        return len(captures.items_of(captures.read_captures(self._inputs()), self.settings.data))

    def module(self, training: Training) -> Any:
        from experiments.cvs.module import CVSModule

        return CVSModule(self.settings, training)

    def datamodule(self, training: Training, data: Sequence[Path], seed: int) -> Any:
        from experiments.cvs.data import CVSDataModule

        return CVSDataModule(self.settings, training, data, seed, self.config.validation_share)

    def example_batch(self, batch_size: int) -> Any:
        from experiments.cvs.data import example_batch

        return example_batch(self.settings, batch_size)

    def inputs(self, batch: Any) -> Any:
        return batch["input"]

    def targets(self, batch: Any) -> Any:
        return batch["target"]

    def without_input(self, batch: Any) -> Any:
        import torch

        return {**batch, **{key: torch.zeros_like(batch[key]) for key in ("input", "tokens") if key in batch}}

    def predict(self, checkpoint: Path, data: Sequence[Path], out: Path, seed: int) -> dict[str, float]:
        from experiments.cvs.predict import predict

        share = self.config.validation_share
        return predict(checkpoint, self.settings, self.config.training, data, out, seed, share)

    def infer(self, checkpoint: Path, given: str, out: Path, seed: int) -> list[Path]:
        from experiments.cvs.infer import infer

        assert self.assets is not None
        return infer(checkpoint, self.settings, self.config.training, self.assets, Path(given), out, seed)

    def show(self, batch: Any, outputs: Any, out: Path) -> None:
        from experiments.cvs.predict import picture

        picture(batch["input"], outputs, batch["target"], out)

    def plan_options(self) -> list[PlanOption]:
        return [gradient_checkpointing("residual block")]

    def _inputs(self) -> Path:
        """The photographs or captures; without any, and as dummy data, the shipped photographs."""
        return self.inputs_folder() or self.root / "resources/photographs"
