"""Batches of (input picture, pose) → view, from the folders that the generator wrote.

A folder of data holds `image_NNNN/input.png` and, for each of its views, `view_NNN/{rgb.png, depth.npy, pose.json}`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, TypeAlias, TypeVar

import cv2
import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from experiments.cvs.depth import IMAGENET_MEAN, IMAGENET_STD
from experiments.cvs.losses import depth_edges, edge_weight
from experiments.cvs.poses import POSE_SIZE, relative_pose
from experiments.cvs.pretrained import PATCH, TOKEN_SOURCE, TOKEN_WIDTH, open_model, picture_side, run_model
from experiments.cvs.settings import CVSSettings
from gonogo import Training, UserError, loader

T = TypeVar("T")
TOKENS = 37 * 37
KEEP_BYTES = 2e9  # a dataset whose decoded views take less is kept in memory
VIEW_BYTES_PER_PIXEL = 4  # colours and the edge mask

Batch: TypeAlias = dict[str, Tensor]
"""float32: `input` and `target` (B, 3, H, W) in [0, 1], `edge_weight` (B, 1, H, W), `pose` (B, 15), and with DINOv2
`tokens` (B, 1369, 384)."""


class CVSDataModule(LightningDataModule):
    """The items below the folders `data`, split by photograph: crops of one photograph are on the same side.

    Attributes:
        train_items, val_items: folders of the items, sorted by name.

    Raises:
        UserError: there are fewer than two items, or one of them cannot be read.
    """

    def __init__(
        self, settings: CVSSettings, training: Training, data: Sequence[Path], seed: int, validation_share: float
    ) -> None:
        super().__init__()
        self.settings, self.training, self.seed = settings, training, seed
        self.train_items, self.val_items = split(find_items(data), seed, validation_share)

    @cached_property
    def train_views(self) -> Views:
        return Views(self.train_items, self.settings)

    @cached_property
    def val_views(self) -> Views:
        return Views(self.val_items, self.settings)

    def train_dataloader(self) -> DataLoader[Batch]:
        return loader(self.train_views, self.training, self.seed)

    def val_dataloader(self) -> DataLoader[Batch]:
        return loader(self.val_views, self.training)

    def item_batch(self, folder: Path) -> Batch:
        """All views of one item, in the order of their names."""
        views = self.val_views if folder in self.val_items else self.train_views
        return default_collate([views[i] for i, view in enumerate(views.folders) if view.parent == folder])


def find_items(data: Sequence[Path]) -> list[Path]:
    """The folders `image_*` anywhere below those of `data`, sorted by name.

    Raises:
        UserError: there are fewer than two, or two of the same name.
    """
    items = sorted(
        (path for root in data for path in root.rglob("image_*") if path.is_dir()), key=lambda path: path.name
    )
    where = ", ".join(map(str, data))
    if len(items) < 2:
        raise UserError(f"{where}: {len(items)} items (folders image_NNNN); at least two are needed")
    for one, other in pairwise(items):
        if one.name == other.name:
            raise UserError(f"{one} and {other} are the same item; name data folders that do not overlap")
    return items


def split(items: Sequence[Path], seed: int, validation_share: float) -> tuple[list[Path], list[Path]]:
    """(training, validation), by photograph: whole photographs are held out until there are enough items.

    At least one item in each; the same seed gives the same split. Items of a single photograph are split individually.
    """
    sources = [source_of(item) for item in items]
    if len(set(sources)) == 1:
        sources = [item.name for item in items]
    wanted = round(validation_share * len(items))
    held_out: set[str] = set()
    for source in np.random.default_rng(seed).permutation(sorted(set(sources)))[:-1]:
        if held_out and sum(name in held_out for name in sources) >= wanted:
            break
        held_out.add(str(source))
    train = [item for item, source in zip(items, sources, strict=True) if source not in held_out]
    return train, [item for item, source in zip(items, sources, strict=True) if source in held_out]


def source_of(item: Path) -> str:
    """The photograph that an item is cropped from; the item's own name if it does not say.

    Raises:
        UserError: its `source.json` is malformed.
    """
    path = item / "source.json"
    if not path.exists():
        return item.name
    return str(_read(path, lambda path: json.loads(path.read_text())["group"]))


class Views(Dataset[Batch]):
    """Every view of some items, with its item's input.

    Attributes:
        folders: one `view_NNN` folder for each sample.
    """

    def __init__(self, items: Sequence[Path], settings: CVSSettings) -> None:
        self.settings = settings
        self.folders = [view for item in items for view in view_folders(item)]
        self._inputs = {item: read_input(item, settings) for item in items}
        size = settings.data.image_size
        small = len(self.folders) * size * size * VIEW_BYTES_PER_PIXEL < KEEP_BYTES
        self._kept = [read_view(folder, size) for folder in self.folders] if small else None

    def __len__(self) -> int:
        return len(self.folders)

    def __getitem__(self, index: int) -> Batch:
        folder = self.folders[index]
        view = self._kept[index] if self._kept else read_view(folder, self.settings.data.image_size)
        picture, tokens = self._inputs[folder.parent]
        sample = {
            "input": picture / 255,
            "target": view.target / 255,
            "edge_weight": edge_weight(view.edges, self.settings.model.depth_edge_weight),
            "pose": view.pose,
        }
        return sample if tokens is None else {**sample, "tokens": tokens.float()}


def example_batch(settings: CVSSettings, batch_size: int, device: torch.device | str = "cpu") -> Batch:
    """A random batch with the shapes and dtypes of training."""
    size = settings.data.image_size
    batch = {
        "input": torch.rand(batch_size, 3, size, size, device=device),
        "target": torch.rand(batch_size, 3, size, size, device=device),
        "edge_weight": torch.ones(batch_size, 1, size, size, device=device),
        "pose": torch.rand(batch_size, POSE_SIZE, device=device),
    }
    if settings.model.image_tokens == "dinov2":
        batch["tokens"] = torch.rand(batch_size, TOKENS, TOKEN_WIDTH, device=device)
    return batch


class Input(NamedTuple):
    picture: Tensor  # (3, S, S) uint8
    tokens: Tensor | None  # (N, 384) float16


class View(NamedTuple):
    target: Tensor  # (3, S, S) uint8
    edges: Tensor  # (1, S, S) bool
    pose: Tensor  # (15,) float32


def view_folders(item: Path) -> list[Path]:
    folders = sorted(path for path in item.glob("view_*") if path.is_dir())
    if not folders:
        raise UserError(f"{item}: has no views (folders view_NNN); generate this item again")
    return folders


def read_input(item: Path, settings: CVSSettings) -> Input:
    picture = _read(item / "input.png", lambda path: _picture(path, settings.data.image_size))
    tokens = None
    if settings.model.image_tokens == "dinov2":
        tokens = torch.from_numpy(dinov2_tokens(picture, settings.model.token_model))
    return Input(_channels_first(picture), tokens)


def read_view(folder: Path, size: int) -> View:
    target = _read(folder / "rgb.png", lambda path: _picture(path, size))
    pose = torch.from_numpy(_read(folder / "pose.json", _pose))
    if not (folder / "depth.npy").exists():  # of a captured view
        return View(_channels_first(target), torch.zeros(1, size, size, dtype=torch.bool), pose)
    depth = _read(
        folder / "depth.npy", lambda path: np.load(path, allow_pickle=False).astype(np.float32).reshape(size, size)
    )
    return View(_channels_first(target), depth_edges(torch.from_numpy(depth)[None]), pose)


def dinov2_tokens(picture: np.ndarray, model: Path | None) -> np.ndarray:
    """DINOv2's tokens of a picture (S, S, 3) uint8: (patches, 384) float16, without the class token.

    Raises:
        UserError: no model is configured, or it does not run.
    """
    key = "settings.model.token_model"
    if model is None:
        raise UserError(f"{key}: `image_tokens: dinov2` needs a DINOv2 model file. One is at {TOKEN_SOURCE}.")
    session = open_model(model, key, TOKEN_SOURCE)
    height, width = picture_side(session)
    pixels = cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC) / 255
    pixels = ((pixels - IMAGENET_MEAN) / IMAGENET_STD).transpose(2, 0, 1)[None].astype(np.float32)
    tokens = run_model(session, model, pixels)[0]
    return tokens[-(height // PATCH) * (width // PATCH) :].astype(np.float16)


def _picture(path: Path, size: int) -> np.ndarray:
    with Image.open(path) as file:
        picture = np.array(file.convert("RGB"))
    if picture.shape != (size, size, 3):
        height, width = picture.shape[:2]
        raise ValueError(f"{width}×{height} pixels, where settings.data.image_size is {size}")
    return picture


def _pose(path: Path) -> np.ndarray:
    pose = json.loads(path.read_text())
    return relative_pose(pose["world_to_camera"], pose["input_world_to_camera"])


def _read(path: Path, reader: Callable[[Path], T]) -> T:
    try:
        return reader(path)
    except Exception as error:  # decoders may raise any exception on damaged bytes
        problem = f"{type(error).__name__}: {error}"
        raise UserError(f"{path}: cannot be read ({problem}). Generate this item again.") from None


def _channels_first(picture: np.ndarray) -> Tensor:
    return torch.from_numpy(picture).permute(2, 0, 1).contiguous()
