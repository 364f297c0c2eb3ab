"""Good sets of every kind but pictures, made from real data that packages ship with: tables of scikit-learn and
statsmodels, templates and surfaces of nilearn, documents of whatever is installed; recordings are
made, for lack of some.
"""

from __future__ import annotations

import functools
import gzip
import importlib.util
import io
import json
import re
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import h5py
import nibabel
import numpy as np
import trimesh

from accuracy.photographs import Photographs

ITEMS = 12  # of a set


def root(package: str) -> Path:
    found = importlib.util.find_spec(package)
    if found is None or not found.origin:
        raise SystemExit(f"{package} is not installed: pip install pyarrow pyedflib scikit-learn statsmodels nilearn")
    return Path(found.origin).parent


# --- tables ---


@functools.cache
def csv_files() -> list[Path]:
    """Tables with a line of names and unlike rows."""
    held = [*(root("sklearn") / "datasets/data").glob("*.csv*"), *(root("statsmodels") / "datasets").glob("*/*.csv")]
    kept = []
    for path in sorted(held):
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        lines = [line for line in raw.decode(errors="replace").splitlines() if line.strip()]
        names = re.split("[,;\t]", lines[0])
        named = sum(not re.fullmatch(r"[-+.\deE\" ]*", name) for name in names) > len(names) / 2
        if named and len(set(lines)) > 60 and "," in lines[0] and len({line.count(",") for line in lines}) == 1:
            kept.append(path)
    return kept


def tables(folder: Path, rng: np.random.Generator) -> None:
    path = csv_files()[rng.integers(len(csv_files()))]
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    head, *rows = raw.decode(errors="replace").splitlines()
    rows = list(dict.fromkeys(row for row in rows if row.strip()))[:1500]
    order = rng.permutation(len(rows))
    if rng.random() < 0.5:  # parts of one table
        chunks = {f"part{n:02}.csv": part for n, part in enumerate(np.array_split(order, ITEMS))}
    else:
        cut = int(0.8 * len(rows))
        chunks = {f"train-{n:02}.csv": part for n, part in enumerate(np.array_split(order[:cut], ITEMS - 2))}
        chunks |= {"val.csv": order[cut::2], "test.csv": order[cut + 1 :: 2]}
    for name, part in chunks.items():
        (folder / name).write_text("\n".join([head, *[rows[at] for at in part]]) + "\n")


# --- text ---


@functools.cache
def paragraphs() -> list[str]:
    """Of the documents that packages carry."""
    found: dict[str, None] = {}
    site = root("numpy").parent
    for path in sorted([*site.glob("*/METADATA"), *site.glob("*/licenses/*"), *site.glob("*/*.md")])[:400]:
        if path.is_file():
            text = path.read_text(errors="ignore")
            for part in re.split(r"\n\s*\n", text):
                if 80 < len(part) < 1500 and "\ufffd" not in part:
                    found.setdefault(" ".join(part.split()))
    return list(found)


def text(folder: Path, rng: np.random.Generator) -> None:
    chosen = [paragraphs()[at] for at in rng.permutation(len(paragraphs()))[:360]]
    form = rng.integers(3)
    if form == 0:
        for at in range(ITEMS):
            (folder / f"doc{at:02}.txt").write_text("\n\n".join(chosen[30 * at : 30 * at + 30]))
        return
    for part, name in enumerate([*[f"train-{n:02}" for n in range(ITEMS - 2)], "val-00", "test-00"]):
        own = chosen[30 * part : 30 * part + 30]
        records = [{"text": one, "label": int(rng.integers(2)), "source": "docs"} for one in own]
        if form == 2:
            records = [
                {"messages": [{"role": "user", "content": one[:60]}, {"role": "assistant", "content": one[60:]}]}
                for one in own
            ]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))


# --- volumes ---


@functools.cache
def template(name: str) -> np.ndarray:
    path = root("nilearn") / f"datasets/data/mni_icbm152_{name}_tal_nlin_sym_09a_converted.nii.gz"
    return np.asarray(nibabel.load(path).dataobj, np.float32)


def volumes(folder: Path, rng: np.random.Generator) -> None:
    """Heads of one size, each made into another: cropped, brightened, with noise; half with labels."""
    head, grey, white = (template(name) for name in ("t1", "gm", "wm"))
    side = np.array([72, 88, 64])
    labels = rng.random() < 0.5
    spacing = np.diag([1.0, 1.0, float(rng.uniform(1, 2)), 1])
    for at in range(ITEMS):
        start = [int(rng.integers(10, length - width - 10)) for length, width in zip(head.shape, side, strict=True)]
        where = tuple(slice(first, first + width) for first, width in zip(start, side, strict=True))
        values = head[where] ** rng.uniform(0.8, 1.2)
        values = values / values.max() * rng.uniform(300, 900) + rng.normal(0, 5, side) * (values > 0)
        images = folder / "imagesTr" if labels else folder
        images.mkdir(exist_ok=True)
        image = nibabel.Nifti1Image(np.rint(values).clip(0).astype(np.int16), spacing)
        image.set_qform(spacing, 1)
        image.set_sform(spacing, 1)
        nibabel.save(image, images / f"case{at:03}_0000.nii.gz")
        if labels:
            (folder / "labelsTr").mkdir(exist_ok=True)
            found = (grey[where] > 0.5 * grey.max()) + 2 * (white[where] > 0.5 * white.max())
            label = nibabel.Nifti1Image(found.astype(np.uint8), spacing)
            label.set_qform(spacing + rng.normal(0, 1e-8, (4, 4)), 1)
            label.set_sform(spacing, 1)
            nibabel.save(label, folder / f"labelsTr/case{at:03}.nii.gz")


# --- series ---


@functools.cache
def pulses() -> np.ndarray:
    """(samples,) µV at 200 Hz, of the generated recording that pyedflib ships with."""
    import pyedflib

    with pyedflib.EdfReader(str(root("pyedflib") / "data/test_generator.edf")) as file:
        found: np.ndarray = file.readSignal(file.getSignalLabels().index("pulse"))
    return found


def series(folder: Path, rng: np.random.Generator) -> None:
    """Eight channels of drift, rhythm, pulses, blinks and some hum, in one of four forms."""
    form, length = rng.integers(4), 6000
    gains = rng.uniform(0.5, 2, 8)
    for at in range(ITEMS):
        time = np.arange(length) / 200
        noise = np.cumsum(rng.normal(0, 1, (8, length)), axis=1)
        noise -= np.apply_along_axis(lambda row: np.convolve(row, np.ones(400) / 400, "same"), 1, noise)
        rhythm = 8 * np.sin(2 * np.pi * rng.uniform(8, 12) * time) * (np.sin(2 * np.pi * 0.2 * time) > 0)
        begin = int(rng.integers(0, len(pulses()) - length)) if len(pulses()) > length else 0
        beat = np.resize(pulses()[begin:], length)
        signal = gains[:, None] * (3 * noise + rhythm + 0.02 * beat / max(beat.std(), 1e-9))
        signal[:2] += 80 * np.exp(-(((time - rng.uniform(3, 25)) / 0.15) ** 2))
        signal += rng.uniform(0, 2) * np.sin(2 * np.pi * 50 * time) + rng.uniform(-50, 50, (8, 1))
        split = ("train", "test")[at >= ITEMS - 3]
        (folder / split).mkdir(exist_ok=True)
        write_series(folder / split / f"sub-{at:02}_rec", signal, int(form))


def write_series(path: Path, signal: np.ndarray, form: int) -> None:
    if form == 3:
        np.save(path.with_suffix(".npy"), np.rint(10 * signal.T).astype(np.int16))  # (samples, channels)
        return
    data = signal if form == 0 else signal.reshape(8, -1, 400).swapaxes(0, 1)
    with h5py.File(path.with_suffix(".h5"), "w") as file:
        stored = data.astype(np.float32) if form != 2 else data.swapaxes(1, 2).astype(np.float32)
        found = file.create_dataset("data", data=stored, compression="gzip")
        file.attrs["sfreq"], found.attrs["unit"] = 200.0, "uV"


# --- points ---


@functools.cache
def surfaces() -> list[trimesh.Trimesh]:
    found = []
    for name in ("pial", "white", "infl", "sphere"):
        for half in ("left", "right"):
            mesh: Any = nibabel.load(root("nilearn") / f"datasets/data/fsaverage5/{name}_{half}.gii.gz")
            points, faces = (array.data for array in mesh.darrays[:2])
            found.append(trimesh.Trimesh(points, faces, process=False))
    return found


def points(folder: Path, rng: np.random.Generator) -> None:
    """Pieces of brains: meshes of any number of vertices, clouds of one number, or sweeps."""
    form = rng.integers(3)
    for at in range(ITEMS):
        whole = surfaces()[rng.integers(len(surfaces()))]
        way = rng.normal(size=3)
        side = (whole.triangles_center - whole.centroid) @ way
        piece = whole.submesh([np.flatnonzero(side > np.quantile(side, rng.uniform(0.1, 0.9)))], append=True)
        if form == 0:
            piece.export(folder / f"m{at:02}.{('ply', 'obj', 'stl')[at % 3]}")
            continue
        count = 2048 if form == 1 else int(rng.integers(3000, 4000))
        cloud = trimesh.sample.sample_surface(piece, count, seed=int(rng.integers(1 << 30)))[0].astype(np.float32)
        if form == 1:
            np.save(folder / f"c{at:02}.npy", cloud)
        else:
            np.hstack([cloud / 2, rng.random((count, 1))]).astype(np.float32).tofile(folder / f"s{at:04}.bin")


# --- shards ---


@functools.cache
def photographs() -> Photographs:
    return Photographs()


def shards(folder: Path, rng: np.random.Generator) -> None:
    for at in range(ITEMS):
        name = f"{'train' if at < ITEMS - 2 else 'val'}-{at:05}.tar"
        members = []
        for number in range(8):
            key = f"{at:03}{number:04}"
            picture = cv2.imencode((".png", ".jpg")[at % 2], photographs().crop(rng, 64))[1].tobytes()
            label, about = b"%d" % (number % 3), json.dumps({"n": key}).encode()
            members += [(f"{key}.{name}", data) for name, data in (("jpg", picture), ("json", about), ("cls", label))]
        write_tar(folder / name, members)


def write_tar(path: Path, members: list[tuple[str, bytes]]) -> None:
    with tarfile.open(path, "w") as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


GOOD: dict[str, Callable[[Path, np.random.Generator], None]] = {
    "tables": tables, "text": text, "volumes": volumes, "series": series, "points": points, "shards": shards,
}  # fmt: skip
