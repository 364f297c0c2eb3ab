"""The generator: parts from families, each with its caption, program, cloud and picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from experiments.cad_mllm.parts import Part, caption, draw
from experiments.cad_mllm.program import built
from experiments.cad_mllm.settings import DataSettings
from experiments.cad_mllm.shapes import dense_points, rendered, surface_points
from gonogo import Progress, write_text


def generate(settings: DataSettings, indices: Sequence[int], out: Path, seed: int, progress: Progress) -> None:
    """Write the parts with these indices: `part_NNNNNN.json`, and `.npy` and `.png` of the requested modalities.

    An index and a seed always give the same part, in every stage of the curriculum.
    """
    out.mkdir(parents=True, exist_ok=True)
    for done, index in enumerate(indices, start=1):
        part, told = part_of(index, seed, settings.caption_detail)
        path = out / f"part_{index:06d}.json"
        record = {"id": path.stem, "caption": told, "completion": part.program, "family": part.family}
        write_text(path, json.dumps(record) + "\n")
        wanted = set(settings.modalities) - set(settings.absent)
        _write_seen(part, wanted, settings, path, seed * 1_000_003 + index)
        progress(done, len(indices))


def part_of(index: int, seed: int, detail: float) -> tuple[Part, str]:
    """The part of an index, and its caption."""
    rng = np.random.default_rng([seed, index])
    part = draw(rng)
    return part, caption(part, rng, detail)


def _write_seen(part: Part, wanted: set[str], settings: DataSettings, path: Path, seed: int) -> None:
    if not wanted & {"points", "image"}:
        return
    solid = built(part.operations)
    if "points" in wanted:
        np.save(path.with_suffix(".npy"), surface_points(solid, settings.points, seed))
    if "image" in wanted:
        dense = surface_points(solid, dense_points(settings.image_size), seed)
        Image.fromarray(rendered(dense, settings.image_size)).save(path.with_suffix(".png"))
