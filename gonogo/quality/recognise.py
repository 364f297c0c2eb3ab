"""Which kinds of data a folder holds, by the names of its files and the first bytes of a few."""

from __future__ import annotations

import contextlib
from collections import Counter, defaultdict
from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from gonogo.base.errors import UserError
from gonogo.base.files import names_below
from gonogo.quality.left_out import is_note
from gonogo.quality.pictures.label_names import LABEL_FOLDER

KIND_OF = {
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".exr"), "images"),
    **dict.fromkeys((".nii", ".nii.gz", ".mgz", ".dcm", ".dicom", ".ima"), "volumes"),
    **dict.fromkeys((".h5", ".hdf5", ".edf", ".bdf", ".fif", ".fif.gz"), "series"),
    **dict.fromkeys((".ply", ".xyz", ".obj", ".stl", ".glb"), "points"),
    **dict.fromkeys((".parquet", ".arrow", ".feather", ".csv", ".tsv", ".csv.gz", ".tsv.gz"), "tables"),
    **dict.fromkeys((".tar", ".tar.gz", ".tgz"), "shards"),
    **dict.fromkeys((".jsonl", ".ndjson", ".json", ".txt", ".md"), "text"),
}
DOUBLE = (".gz",)  # endings that go with the one before
ABOUT = {".csv", ".tsv", ".csv.gz", ".tsv.gz", ".json", ".jsonl", ".ndjson", ".txt", ".md"}  # beside data: about it
ARRAYS = (".npy", ".npz")
AUDIO = {".wav", ".flac", ".mp3", ".ogg", ".m4a", ".aac", ".aif", ".aiff", ".opus"}
LOOKED_INTO = 3  # arrays, or files without a known ending
FEWEST_SHARE = 0.05  # of the files of known kinds: fewer lie beside the data, unless they are in a folder of their own
BESIDE = {
    *("captions", "meta", "metadata", "splits", "docs", "imagesets", "image_sets", "lists", "list", "filelists"),
}  # folders of what is about data
LEAST_PICTURE = 32  # pixels of a side, of floats; smaller ones may be joints or boxes over time
SWEEP_BYTES = 16  # of a point of LiDAR


@dataclass(frozen=True)
class Recognised:
    """A kind that a folder holds.

    Attributes:
        why: what says so: `12 .png, 3 .jpg`.
        suffixes: endings of the files that it accounts for.
    """

    kind: str
    why: str
    suffixes: frozenset[str]


def recognised(folder: Path) -> list[Recognised]:
    """The kinds that a folder holds, the one with most files first.

    Raises:
        UserError: none can be told; names the three likeliest, with why.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder. Generate the data, or name the folder that holds it.")
    names, _ = names_below(folder)
    if not names:
        raise UserError(f"{folder}: there is no file in it, or none that may be read")
    endings: defaultdict[str, Counter[str]] = defaultdict(Counter)
    arrays: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    unsure: dict[str, str] = {}
    for name in names:
        ending = _ending(name)
        kind = KIND_OF.get(ending, "")
        if ending in ARRAYS:
            arrays[name.partition("/")[0] if "/" in name else "", ending].append(name)
        elif ending == ".bin" and _is_sweep(folder / name):
            endings["points"][ending] += 1
        elif kind and not (kind in ("text", "tables") and is_note(name, ())):
            endings[kind][ending] += 1
    for (_, ending), found in arrays.items():
        kind, why = _array_kind(folder, found[:LOOKED_INTO])
        if kind:
            endings[kind][ending] += len(found)
        else:
            unsure[ending] = why
    if "images" in endings and _has_scenes(names):
        endings["views"] = endings.pop("images")
    kept = _kept(endings, names)
    if not kept:
        raise UserError(f"{folder}: its kind cannot be told. {_likeliest(Counter(map(_ending, names)), unsure)}")
    shared = [suffix for suffix in ARRAYS if sum(suffix in found for found in kept.values()) > 1]
    if shared:
        raise UserError(
            f"{folder}: its {shared[0]} files are of several kinds ({', '.join(sorted(kept))}); inspect one folder of "
            "them at a time, and say which: --kind"
        )
    return [
        Recognised(kind, ", ".join(f"{n} {suffix}" for suffix, n in found.most_common(3)), frozenset(found))
        for kind, found in sorted(kept.items(), key=lambda entry: (-entry[1].total(), entry[0]))
    ]


def _kept(endings: dict[str, Counter[str]], names: Sequence[str]) -> dict[str, Counter[str]]:
    """Without what lies beside data and is about it: captions, boxes, lists; textures of meshes; arrays of poses."""
    data = {kind: found for kind, found in endings.items() if kind != "text" and not ABOUT.issuperset(found)}
    if not data:  # lists and texts are the data: a table beside documents is about them, and the other way round
        most = max(endings, key=lambda kind: (endings[kind].total(), kind), default="")
        return {most: endings[most]} if most else {}
    if "views" in data:
        return {"views": data["views"]}
    if "points" in data and "images" in data and any(name.lower().endswith(".mtl") for name in names):
        del data["images"]
    total = sum(found.total() for found in data.values())
    alone = {kind for kind in data if _has_own_folder(kind, data, names)}
    kept = {kind: found for kind, found in data.items() if found.total() >= FEWEST_SHARE * total or kind in alone}
    for kind in ("text", "tables"):  # in a folder of its own, where no other kind is, it is data
        if kind not in kept and kind in endings and _has_own_folder(kind, endings, names, fewest=2):
            kept[kind] = endings[kind]
    return kept


def _has_own_folder(kind: str, endings: dict[str, Counter[str]], names: Sequence[str], fewest: int = 1) -> bool:
    """Whether a folder right below holds files of this kind and of no other, under no name that labels go by."""
    held: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for name in names:
        top, slash, _ = name.partition("/")
        if slash and not LABEL_FOLDER.fullmatch(top) and top.lower() not in BESIDE:
            held[top][KIND_OF.get(_ending(name), "")] += 1
    known = [KIND_OF.get(suffix, "") for suffix in endings[kind]]
    return any(count.total() >= fewest and set(count) <= {*known} and count[kind] for count in held.values())


def _ending(name: str) -> str:
    suffixes = PurePosixPath(name.lower()).suffixes
    if len(suffixes) > 1 and suffixes[-1] in DOUBLE:
        return "".join(suffixes[-2:])
    return suffixes[-1] if suffixes else ""


def _has_scenes(names: Sequence[str]) -> bool:
    """Folders as this project's generators write them: an input, and its views."""
    return any(PurePosixPath(name).parent.name.startswith("view_") and name.endswith("rgb.png") for name in names)


def _is_sweep(path: Path) -> bool:
    """Whether the first floats of a file can be points: x, y, z and an intensity of 0 to 255."""
    import numpy as np

    with contextlib.suppress(OSError):
        if path.stat().st_size % SWEEP_BYTES:
            return False
        first = np.fromfile(path, np.float32, 4096)[: 4096 // 4 * 4].reshape(-1, 4)
        with np.errstate(invalid="ignore"):
            sane = (np.abs(first[:, :3]) < 1e3).all(axis=1) & (first[:, 3] >= 0) & (first[:, 3] <= 255)
        moves = bool(len(first)) and float(np.abs(first[:, :3]).max(initial=0)) > 1e-3
        return bool(moves and sane.all())
    return False


def _array_kind(folder: Path, names: Sequence[str]) -> tuple[str, str]:
    """Of numpy's arrays, by their shapes; empty, and what they are like, where several kinds would fit."""
    from gonogo.quality.arrays import numpy_arrays

    shapes: list[tuple[tuple[int, ...], str]] = []
    for name in names:
        with contextlib.suppress(Exception), numpy_arrays(folder / name) as arrays:
            largest = max(arrays.values(), key=lambda array: int(array.size))
            if {key.lower() for key in arrays} & {"points", "xyz", "coords", "vertices"}:
                return "points", ""
            shapes.append((largest.shape, largest.dtype.kind + str(largest.dtype.itemsize)))
    if not shapes:
        return "", "arrays that cannot be read"
    kinds = {_of_shape(*one) for one in shapes}
    said = f"arrays such as {shapes[0][0]}"
    return (kinds.pop(), said) if len(kinds) == 1 else ("", said)


def _of_shape(shape: tuple[int, ...], dtype: str) -> str:
    match shape:
        case (rows, columns) if 3 <= columns <= 7 and rows >= 16 * columns and dtype.startswith("f"):
            return "points"
        case (first, second) if max(first, second) >= 8 * min(first, second):
            return "series"
        case (height, width, 1 | 3 | 4) if dtype == "u1" or (dtype[0] == "f" and min(height, width) >= LEAST_PICTURE):
            return "images"
        case (one, two, three) if max(shape) <= 6 * min(shape) and min(one, two, three) >= 16:
            return "volumes"
        case (_, _, samples) if samples >= 64:
            return "series"
    return ""


def _likeliest(guesses: Counter[str], unsure: dict[str, str]) -> str:
    """Kinds that can read it, with why, and how to say which."""
    if unsure:
        said = next(iter(unsure.values()))
        kinds = (("images", "one picture each"), ("volumes", "three axes"), ("series", "(channels, samples)"))
        return f"It holds {said}, which could be {_or(kinds)}. Say which: --kind"
    held = ", ".join(f"{count} {ending or 'without ending'}" for ending, count in guesses.most_common(3))
    said = f"It holds {held}, which no kind but `files` reads (whatever they are: whole, not empty, there once)."
    if ".bin" in guesses:
        return f"{said} Say which: --kind files, or --kind points if .bin are clouds"
    if AUDIO & {*guesses}:
        return f"{said} {_audio(AUDIO & {*guesses})} For the files as they are: --kind files"
    return f"{said} Text is read from .jsonl, .json, .txt and .md. For the files as they are: --kind files"


def _audio(endings: Set[str]) -> str:
    return (
        f"Sound in {', '.join(sorted(endings))} is not read: write waveforms as (channels, samples) to .h5 or .npy "
        "(--kind series), or spectrograms as .png (--kind images)."
    )


def _or(kinds: Sequence[tuple[str, str]]) -> str:
    named = [f"{kind} ({why})" for kind, why in kinds]
    return f"{', '.join(named[:-1])} or {named[-1]}"
