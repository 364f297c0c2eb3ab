"""Small settings and folders of phantoms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from experiments.vqgan3d.generate import generate
from experiments.vqgan3d.settings import ScanSettings, VQGAN3DSettings
from gonogo.base.mappings import deep_merged

SHAPE = (24, 24, 20)
SMALL: dict[str, Any] = {
    "scans": {"shape": SHAPE},
    "patches": {"size": (16, 16, 16), "stride": (12, 12, 12)},
    "model": {
        "hidden": 4,
        "codebook": {"codes": 16, "width": 4},
        "discriminators": {"channels": 4, "layers": 1, "start_step": 2},
    },
}


def small(**changes: Any) -> VQGAN3DSettings:
    return VQGAN3DSettings.model_validate(deep_merged(SMALL, changes))


def write_phantoms(folder: Path, indices: range, **scans: Any) -> Path:
    generate(ScanSettings(shape=SHAPE, **scans), None, indices, folder, 0, lambda done, total: None)
    return folder
