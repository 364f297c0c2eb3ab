"""What is done to files of a good set, kind by kind: faults that whoever looks at the file would call one."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import h5py
import nibabel
import numpy as np

from accuracy.kinds_good import write_tar

Spoil = Callable[[Path, np.random.Generator], None]


def cut(path: Path, rng: np.random.Generator) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * rng.uniform(0.2, 0.8))])


def emptied(path: Path, rng: np.random.Generator) -> None:
    path.write_bytes(b"")


# --- tables: cells of a text ---


def cells(change: Callable[[list[str], list[list[str]], np.random.Generator], None]) -> Spoil:
    def spoil(path: Path, rng: np.random.Generator) -> None:
        head, *rows = path.read_text().splitlines()
        names, values = head.split(","), [row.split(",") for row in rows]
        change(names, values, rng)
        path.write_text("\n".join([",".join(names), *map(",".join, values)]) + "\n")

    return spoil


def _missing(names: list[str], rows: list[list[str]], rng: np.random.Generator) -> None:
    for row in rows:
        row[:] = [cell if rng.random() < 0.3 else "" for cell in row]


def _ragged(names: list[str], rows: list[list[str]], rng: np.random.Generator) -> None:
    for row in rows[:: max(2, len(rows) // 20)]:
        row.append("1")


def _infinite(names: list[str], rows: list[list[str]], rng: np.random.Generator) -> None:
    for row in rows[::9]:
        row[-1] = "inf"


# --- text ---


def records(change: Callable[[dict, np.random.Generator], object]) -> Spoil:
    def spoil(path: Path, rng: np.random.Generator) -> None:
        if path.suffix != ".jsonl":
            path.write_bytes(path.read_text().encode("utf-16"))
            return
        changed = [change(json.loads(line), rng) for line in path.read_text().splitlines()]
        path.write_text("".join(f"{one if isinstance(one, str) else json.dumps(one)}\n" for one in changed))

    return spoil


def _no_answer(record: dict, rng: np.random.Generator) -> dict:
    if "messages" in record:
        record["messages"][1]["content"] = None
    else:
        record["text"] = ""
    return record


# --- volumes ---


def voxels(change: Callable[[np.ndarray, np.random.Generator], np.ndarray]) -> Spoil:
    def spoil(path: Path, rng: np.random.Generator) -> None:
        image = nibabel.load(path)
        found = change(np.asarray(image.dataobj).copy(), rng)
        nibabel.save(nibabel.Nifti1Image(found, image.affine), path)

    return spoil


def _holes(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    values[..., 20:40] = 0
    return values


# --- series ---


def samples(change: Callable[[np.ndarray, np.random.Generator], np.ndarray]) -> Spoil:
    """`change` is given the longer of the last two axes last."""

    def spoil(path: Path, rng: np.random.Generator) -> None:
        if path.suffix == ".npy":
            held = np.load(path).astype(np.float32)
            np.save(path, change(held.T.copy(), rng).T)
            return
        with h5py.File(path, "a") as file:
            held = file["data"][()]
            turned = held.shape[-1] < held.shape[-2]
            found = change(held.swapaxes(-1, -2).copy() if turned else held, rng)
            file["data"][()] = found.swapaxes(-1, -2) if turned else found

    return spoil


def _gone(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if values.ndim == 3:
        values[len(values) // 3 : 2 * len(values) // 3] = 0
    else:
        values[:, values.shape[1] // 3 : 2 * values.shape[1] // 3] = 0
    return values


def _flat(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    values[..., :4, :] = 7
    return values


def _clipped(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    low, high = np.quantile(values, (0.1, 0.9))
    return values.clip(low, high)


def _nan(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    values[..., ::7] = np.nan
    return values


# --- points ---


def cloud(change: Callable[[np.ndarray, np.random.Generator], np.ndarray]) -> Spoil:
    def spoil(path: Path, rng: np.random.Generator) -> None:
        if path.suffix == ".npy":
            np.save(path, change(np.load(path), rng))
        elif path.suffix == ".bin":
            held = np.fromfile(path, np.float32).reshape(-1, 4)
            held[:, :3] = change(held[:, :3], rng)
            held.tofile(path)
        else:
            import trimesh

            mesh = trimesh.load_mesh(path, process=False)
            trimesh.Trimesh(change(np.array(mesh.vertices), rng), mesh.faces, process=False).export(path)

    return spoil


def _not_finite(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    values[::50] = np.nan
    return values


def _collapsed(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    values[:] = values[0]
    return values


def _stray(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    values[0] = 1e5
    return values


# --- shards ---


def members(change: Callable[[int, str, bytes], bytes | None]) -> Spoil:
    def spoil(path: Path, rng: np.random.Generator) -> None:
        with tarfile.open(path) as archive:
            held = [(one.name, archive.extractfile(one).read()) for one in archive]  # type: ignore[union-attr]
        changed = [(name, change(at, name, data)) for at, (name, data) in enumerate(held)]
        write_tar(path, [(name, data) for name, data in changed if data is not None])

    return spoil


BAD: dict[str, dict[str, Spoil]] = {
    "tables": {
        "empty file": emptied, "cells missing": cells(_missing), "rows of other lengths": cells(_ragged),
        "infinity": cells(_infinite),
    },
    "text": {
        "cut": cut, "no answers": records(_no_answer), "not JSON": records(lambda record, rng: "{" + str(record)),
        "mojibake": records(lambda record, rng: {"text": "cafÃ© crÃ¨me " + json.dumps(record)}), "empty file": emptied,
    },
    "volumes": {
        "cut": cut, "holes": voxels(_holes), "constant": voxels(lambda values, rng: values * 0),
        "repeated slices": voxels(lambda values, rng: values[..., np.arange(values.shape[2]) // 2 * 2]),
        "shuffled slices": voxels(lambda values, rng: values[..., rng.permutation(values.shape[2])]),
        "NaN": voxels(lambda values, rng: np.where(values > 200, np.nan, values).astype(np.float32)),
    },
    "series": {
        "a third gone": samples(_gone), "flat channels": samples(_flat), "clipped": samples(_clipped),
        "NaN": samples(_nan),
        "white noise": samples(lambda values, rng: rng.normal(0, 20, values.shape)), "cut": cut,
    },
    "points": {
        "cut": cut, "NaN": cloud(_not_finite), "collapsed": cloud(_collapsed), "stray point": cloud(_stray),
        "flat": cloud(lambda values, rng: values * [1, 1, 0]),
    },
    "shards": {
        "cut": cut, "no labels": members(lambda at, name, data: None if name.endswith("cls") and at % 2 else data),
        "damaged pictures": members(lambda at, name, data: data[: len(data) // 2] if name.endswith("jpg") else data),
        "empty members": members(lambda at, name, data: b"" if name.endswith("json") else data),
    },
}  # fmt: skip
