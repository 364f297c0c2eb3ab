"""A curriculum small enough for tests: a base of two layers, a handful of parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from experiments.cad_mllm.base import make_base
from experiments.cad_mllm.experiment import CADMLLM
from experiments.cad_mllm.generate import generate
from experiments.cad_mllm.module import CADModule
from experiments.cad_mllm.settings import CADSettings
from gonogo.base.mappings import deep_merged
from gonogo.config.experiment import ExperimentConfig, Training

STAGES: dict[str, dict[str, Any]] = {
    "text": {"data": {"modalities": ["text"]}},
    "points": {
        "data": {"modalities": ["text", "points"]},
        "model": {"sampling": {"text": 0.25, "text+points": 0.75}},
    },
    "image": {
        "data": {"modalities": ["text", "points", "image"]},
        "model": {"sampling": {"text": 0.2, "text+points": 0.3, "text+points+image": 0.5}},
    },
}
SMALL: dict[str, Any] = {
    "data": {"points": 32, "image_size": 16},
    "model": {
        "base": {
            "hidden_size": 32, "intermediate_size": 48, "layers": 2, "heads": 2, "key_value_heads": 1, "head_dim": 16,
            "steps": 4,
        },
        "lora": {"r": 4, "alpha": 8},
        "point_encoder": {"latents": 4},
        "image_encoder": {"width": 8, "patch": 8},
        "projector_width": 16,
    },
}  # fmt: skip
TRAINING = Training(micro_batch_size=4, learning_rate=1e-2, ema_decay=0)
PARTS = 12


def settings_of(stage: str, **model: Any) -> CADSettings:
    raw = deep_merged(deep_merged(SMALL, STAGES[stage]), {"model": model})
    if "text" not in raw["model"].get("sampling", {"text": 1}):
        raise AssertionError("every stage samples captions alone, too")
    return CADSettings.model_validate(raw)


def experiment_of(stage: str, assets: Path | None = None, **changes: Any) -> CADMLLM:
    raw = deep_merged(SMALL, STAGES[stage])
    config = ExperimentConfig.model_validate(
        {"class": "experiments.cad_mllm.experiment:CADMLLM", "settings": raw, "training": TRAINING, **changes}
    )
    return CADMLLM(f"cad_{stage}", config, Path.cwd(), assets)


def write_parts(folder: Path, stage: str = "image", count: int = PARTS) -> Path:
    generate(settings_of(stage).data, range(count), folder, 0, lambda done, total: None)
    return folder


def make_assets(folder: Path, cache: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    make_base(settings_of("text").model.base, folder, cache, 0)
    return folder


def new_module(stage: str, assets: Path | None, starts_from: Path | None = None, **model: Any) -> CADModule:
    torch.manual_seed(0)
    return CADModule(settings_of(stage, **model), TRAINING, assets, starts_from)


def kept(module: CADModule, path: Path) -> Path:
    """A checkpoint, as the Trainer writes it."""
    checkpoint: dict[str, Any] = {"state_dict": dict(module.state_dict())}
    module.on_save_checkpoint(checkpoint)
    torch.save(checkpoint, path)
    return path
