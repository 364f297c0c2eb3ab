"""Parts, from the folders that the generator wrote: `part_NNNNNN.json` with its `.npy` and `.png`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from experiments.cad_mllm.base import padded
from experiments.cad_mllm.encoders import FEATURES
from experiments.cad_mllm.settings import CADSettings
from experiments.cad_mllm.tokens import Tokens, tokens_of
from gonogo import UserError

SUFFIX = {"points": ".npy", "image": ".png"}

Batch: TypeAlias = dict[str, Tensor]
"""`caption` (B, P) int64, padded on its left; `program` (B, L) int64, padded on its right; `target` (B, L, A) float32,
one-hot over the alphabet, zero at padding; `pad` (B,), its id; with points `points` (B, N, 6), with an image `image`
(B, 1, S, S)."""


def find_items(data: Sequence[Path]) -> list[Path]:
    """The files `part_*.json` below the folders, sorted by name.

    Raises:
        UserError: there are fewer than two.
    """
    items = sorted((path for root in data for path in root.rglob("part_*.json")), key=lambda path: path.name)
    if len(items) < 2:
        where = ", ".join(map(str, data))
        raise UserError(f"{where}: {len(items)} parts (part_NNNNNN.json); at least two are needed")
    return items


def split(items: Sequence[Path], seed: int, validation_share: float) -> tuple[list[Path], list[Path]]:
    """(training, validation), by the program alone: parts with the same program are on the same side, whatever else is
    in the set, and in every stage of the curriculum. At least one part in each."""
    places = {item: _place(read_record(item)["program"], seed) for item in items}
    ordered = sorted(items, key=lambda item: places[item])
    count = sum(place < validation_share for place in places.values())
    held_out = set(ordered[: min(max(count, 1), len(items) - 1)])
    return [item for item in items if item not in held_out], [item for item in items if item in held_out]


def _place(program: str, seed: int) -> float:
    """A number in [0, 1) that depends only on the program."""
    return int.from_bytes(hashlib.sha256(f"{seed} {program}".encode()).digest()[:8]) / 2**64


class Parts(Dataset[Batch]):
    """Parts, read once and kept as tensors."""

    def __init__(self, items: Sequence[Path], settings: CADSettings) -> None:
        self.items, self.settings = list(items), settings
        self.tokens = tokens_of(settings.model.base.pretrained)
        self.records = [read_record(item) for item in self.items]
        self._more = [_modalities(item, settings) for item in self.items]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Batch:
        record = self.records[index]
        ids = tokenized(record["caption"], record["program"], self.tokens, self.settings)
        return {**ids, **self._more[index]}


def tokenized(caption: str, program: str, tokens: Tokens, settings: CADSettings) -> Batch:
    """`caption` (P,), `program` (L,) and `target` (L, A) of one part; longer ones are cut."""
    length = settings.model.max_caption_tokens
    ids = tokens.caption(caption)
    ids = [*ids[: length - 1], tokens.program] if len(ids) > length else ids
    code = padded([tokens.code(program)], tokens.pad, settings.model.max_seq_length - length)[0]
    return {
        "caption": padded([ids], tokens.pad, length, left=True)[0],
        "program": code,
        "target": one_hot(code[None], tokens)[0],
        "pad": torch.tensor(tokens.pad),
    }


def one_hot(program: Tensor, tokens: Tokens) -> Tensor:
    """(B, L) ids → (B, L, A) float32 over the alphabet; zero at padding and at tokens that no program contains."""
    table = torch.zeros(int(max(program.max(), *tokens.alphabet)) + 1, len(tokens.alphabet))
    table[tokens.alphabet, torch.arange(len(tokens.alphabet))] = 1.0
    hot = table[program]
    return hot * shown(program, tokens)[..., None]


def shown(program: Tensor, tokens: Tokens) -> Tensor:
    """(B, L) bool: up to and including the end mark."""
    ended = (program == tokens.end).cumsum(1)
    return (ended - (program == tokens.end).long() == 0) & ((program != tokens.pad) | (program == tokens.end))


def example_batch(settings: CADSettings, batch_size: int) -> Batch:
    """A batch with the shapes and dtypes of training."""
    model, data, tokens = settings.model, settings.data, tokens_of(None)
    length = model.max_seq_length - model.max_caption_tokens
    caption = torch.full((batch_size, model.max_caption_tokens), tokens.begin)
    caption[:, 0] = tokens.pad  # captions differ in length: attention needs a mask
    batch = {
        "caption": caption,
        "program": torch.full((batch_size, length), tokens.alphabet[0]),
        "target": torch.zeros(batch_size, length, len(tokens.alphabet)),
        "pad": torch.full((batch_size,), tokens.pad),
    }
    if "points" in data.modalities:
        batch["points"] = torch.zeros(batch_size, data.points, FEATURES)
    if "image" in data.modalities:
        batch["image"] = torch.zeros(batch_size, 1, data.image_size, data.image_size)
    return batch


def read_record(item: Path) -> dict[str, Any]:
    """Caption, program and the rest of a part's .json.

    Raises:
        UserError: it cannot be read, or lacks one of them.
    """
    try:
        record = json.loads(item.read_text(encoding="utf-8"))
        return {**record, "caption": str(record["caption"]), "program": str(record["completion"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{item}: not a part ({type(error).__name__}: {error}); generate it again") from None


def _modalities(item: Path, settings: CADSettings) -> Batch:
    found: Batch = {}
    if "points" in settings.data.modalities:
        found["points"] = read_cloud(item.with_suffix(SUFFIX["points"]), settings.data.points)
    if "image" in settings.data.modalities:
        found["image"] = read_picture(item.with_suffix(SUFFIX["image"]), settings.data.image_size)
    return found


def read_cloud(path: Path, count: int) -> Tensor:
    try:
        cloud = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not a readable point cloud ({error})") from None
    if cloud.ndim != 2 or cloud.shape[1] != FEATURES or len(cloud) < count:
        raise UserError(f"{path}: an array of shape {cloud.shape}; at least ({count}, {FEATURES}) is needed")
    return torch.from_numpy(cloud[:count].astype(np.float32))


def read_picture(path: Path, size: int) -> Tensor:
    try:
        with Image.open(path) as picture:
            values = np.asarray(picture.convert("L").resize((size, size)), np.float32)
    except OSError as error:
        raise UserError(f"{path}: not a readable picture ({error})") from None
    return torch.from_numpy(values / 255)[None]


def without_input(batch: Batch) -> Batch:
    """The same parts with a caption that is only its end mark, and no cloud or picture."""
    end = batch["caption"][:, -1:]
    caption = torch.cat([batch["pad"][:, None].expand_as(batch["caption"][:, 1:]), end], 1)
    seen = {name: torch.zeros_like(batch[name]) for name in SUFFIX if name in batch}
    return {**batch, "caption": caption, **seen}
