"""Folders of data in a repository, and of which kind they are: by the files' endings, and arrays by their shape."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

KIND_OF = {
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".exr"), "images"),
    **dict.fromkeys((".nii", ".nii.gz", ".mgz", ".dcm"), "volumes"),
    **dict.fromkeys((".h5", ".hdf5", ".edf", ".bdf", ".fif"), "series"),
    **dict.fromkeys((".parquet", ".arrow", ".feather"), "tables"),
    ".tar": "shards",
    **dict.fromkeys((".ply", ".xyz", ".obj", ".stl", ".glb"), "points"),
    **dict.fromkeys((".jsonl", ".ndjson", ".txt"), "text"),
    **dict.fromkeys((".npy", ".npz"), "arrays"),
}
# files that data often comes as and no inspector reads
UNREAD = (".bin", ".lmdb", ".mdb", ".tfrecord", ".csv", ".wav", ".flac", ".mp3", ".mp4",
          ".pkl", ".mat", ".zip", "-ubyte")  # fmt: skip
SPLITS = ("train", "training", "val", "valid", "validation", "dev", "test", "testing", "holdout", "eval")
# folders that hold no data set, whatever lies in them
NOT_DATA = {"results", "archive", "docs", "doc", "assets", "tests", "test", "node_modules", "build", "dist",
            "notebooks", "outputs", "output", "out", "runs", "logs", "wandb", "lightning_logs", "checkpoints",
            "figures", "examples", "scripts", "src", "config", "configs", "profiles", "local", "cloud", "slurm",
            "workflow"}  # fmt: skip
NAMED_DATA = ("data", "dataset", "datasets")
NO_TEXT = ("readme", "license", "licence", "requirements", "cmakelists", "changelog", "notice", "authors")
# of which one file can be a data set
FEW_ARE_A_SET = (*UNREAD, ".jsonl", ".txt", ".parquet", ".arrow", ".feather", ".tar", ".edf", ".dcm")
FEWEST = 8  # files of one kind
OF_WHICH = 0.5  # share of a folder's files that are of the kind; notes and labels lie beside


@dataclass(frozen=True)
class DataFolder:
    """A folder that looks like a data set."""

    path: Path  # from the repository's root
    files: int  # of this kind, below it
    kind: str  # of gonogo's, or empty where no inspector reads such files
    ending: str  # of most of the files
    splits: tuple[str, ...] = ()  # its folders that are named as splits are
    classes: int = 0  # how many other folders its files lie in, one level below (or below a split); 0: none


@dataclass
class _Tree:
    """What lies below a folder: endings of all files, of those directly in it, and its folders."""

    path: Path
    own: Counter[str] = field(default_factory=Counter)
    below: Counter[str] = field(default_factory=Counter)
    folders: list[_Tree] = field(default_factory=list)
    example: dict[str, Path] = field(default_factory=dict)


def find_data(root: Path) -> list[DataFolder]:
    """The data sets below `root`, the likeliest first."""
    found = []
    for folder in _folders(root):
        if folder.name.lower() in NOT_DATA or _has_python(folder):
            continue
        named = folder.name.lower() in NAMED_DATA
        described = [_described(tree, root) for tree in _data_sets(_tree(folder))]
        found += [one for one in described if one.files >= FEWEST or one.ending == ".jsonl" or named]
    return sorted(found, key=lambda one: (not one.kind, one.path.parts[0].lower() not in NAMED_DATA, -one.files))


def _folders(path: Path) -> Iterator[Path]:
    with os.scandir(path) as entries:
        names = sorted(entry.name for entry in entries if not entry.name.startswith(".") and entry.is_dir())
    yield from (path / name for name in names if name != "__pycache__" and not (path / name / "pyvenv.cfg").exists())


def _has_python(folder: Path) -> bool:
    return any(folder.glob("*.py"))


def _tree(path: Path) -> _Tree:
    """By os.scandir: a data set may hold a million files."""
    tree = _Tree(path)
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    tree.folders.append(_tree(Path(entry.path)))
                elif ending := _ending(entry.name):
                    tree.own[ending] += 1
                    tree.example.setdefault(ending, Path(entry.path))
    except OSError:
        return tree
    tree.below = tree.own.copy()
    for folder in tree.folders:
        tree.below += folder.below
        tree.example = {**folder.example, **tree.example}
    return tree


def _ending(name: str) -> str:
    lower = name.lower()
    if lower.startswith(NO_TEXT):
        return ""
    if lower.endswith("-ubyte"):  # MNIST's IDX files
        return "-ubyte"
    ending = ".nii.gz" if lower.endswith(".nii.gz") else os.path.splitext(lower)[1]  # noqa: PTH122
    return ending if ending in KIND_OF or ending in UNREAD else ""


def _data_sets(tree: _Tree) -> list[_Tree]:
    """The folder itself where its parts belong together, else those of its folders that are data sets."""
    if not _enough(tree):
        return []
    parts = [folder for folder in tree.folders if _enough(folder)]
    if tree.own.total() >= FEWEST or not parts or any(_is_split(folder) for folder in tree.folders):
        return [tree]
    if len(parts) == 1:
        return _data_sets(parts[0])
    deeper = any(part.folders and any(_is_split(folder) for folder in part.folders) for part in parts)
    kinds = {_kind(part)[0] for part in parts}
    return [found for part in parts for found in _data_sets(part)] if deeper or len(kinds) > 1 else [tree]


def _enough(tree: _Tree) -> bool:
    largest = tree.below.most_common(1)
    many = bool(largest) and largest[0][1] >= FEWEST
    return many or any(ending in FEW_ARE_A_SET for ending in tree.below)


def _kind(tree: _Tree) -> tuple[str, str, int]:
    """(kind, ending, files of the kind); pictures come before texts beside them, which are often their labels."""
    kinds: Counter[str] = Counter()
    for ending, count in tree.below.items():
        kinds[KIND_OF.get(ending, "")] += count
    by_weight = sorted(kinds, key=lambda kind: (kind == "text", not kind, -kinds[kind]))
    kind = next((kind for kind in by_weight if kinds[kind] >= OF_WHICH * max(kinds.values())), "")
    ending = max((one for one in tree.below if KIND_OF.get(one, "") == kind), key=lambda one: tree.below[one])
    return (_kind_of_array(tree.example[ending]) if kind == "arrays" else kind), ending, kinds[kind]


def _kind_of_array(path: Path) -> str:
    """By the shape of one: (T, channels) is a recording, (points, 3 to 7) a cloud, three axes a volume."""
    import numpy as np

    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
        array = found if isinstance(found, np.ndarray) else found[found.files[0]]
        shape = array.shape
    except (OSError, ValueError, EOFError, IndexError, KeyError):
        return ""
    match len(shape):
        case 2:
            return "points" if 3 <= shape[1] <= 7 and shape[0] > 7 else "series"
        case 3:
            return "images" if 1 <= shape[2] <= 4 else "volumes"
    return ""


def _is_split(tree: _Tree) -> bool:
    return tree.path.name.lower() in SPLITS


def _described(tree: _Tree, root: Path) -> DataFolder:
    kind, ending, files = _kind(tree)
    splits = [folder for folder in tree.folders if _is_split(folder)]
    inside = [folder for split in splits for folder in split.folders] if splits else tree.folders
    classes = {folder.path.name for folder in inside if folder.below.total()}
    return DataFolder(
        tree.path.relative_to(root), files, kind, ending, tuple(sorted(one.path.name for one in splits)), len(classes)
    )
