"""The layout of Omni-CAD: captions, CAD models, pictures and clouds in four folders, by id (`0000/00000071_00005`).

txt/0000.json                    [{"id": "0000/00000071_00005", "text caption": "…"}, …], or txt/ID.txt
json/ID.json                     DeepCAD's JSON
img/ID.png, or img/ID_000.png    of several views the first
pointcloud/ID.npz                .npy, .ply and .pcd, too
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten

import numpy as np
from PIL import Image

from experiments.cad_mllm.deepcad import program_of
from experiments.cad_mllm.program import LARGEST
from experiments.cad_mllm.settings import DataSettings
from experiments.cad_mllm.shapes import HALF
from gonogo import Progress, UserError, listed_examples, read_cloud, too_few, unusable, write_json, write_text

PROGRAMS = "programs"  # beside the modalities: every stage needs them
SUFFIXES = {
    PROGRAMS: (".json",), "image": (".png", ".jpg", ".jpeg"), "points": (".npz", ".npy", ".ply", ".pcd"),
}  # fmt: skip
VIEW = re.compile(r"_\d{3}$")  # of a picture: `_000` is the first of several
CAPTIONS = ("text caption", "caption", "text")  # keys of a caption
REASON = 120  # characters of one, which may quote the file
PARTS = "parts.json"  # in the folder that `prepare` fills


@dataclass(frozen=True)
class OmniCAD:
    """What lies on disk.

    Attributes:
        ids: every id that has a caption or a CAD model, sorted.
        captions: of those that are not empty.
        files: by `programs` and modality, then by id.
        empty: ids whose caption is empty.
    """

    folder: Path
    ids: list[str]
    captions: dict[str, str]
    files: dict[str, dict[str, Path]]
    empty: list[str]

    def held(self, modality: str) -> dict[str, Path] | dict[str, str]:
        return self.captions if modality == "text" else self.files[modality]

    def complete(self, modalities: Sequence[str]) -> list[str]:
        """Ids that have a CAD model and all of these modalities."""
        return [id for id in self.ids if all(id in self.held(name) for name in (PROGRAMS, *modalities))]

    def completeness(self, modalities: Sequence[str]) -> list[str]:
        """A sentence for each: how many parts have it, and which do not."""
        told = []
        for name in dict.fromkeys((PROGRAMS, "text", *modalities)):
            held = self.held(name)
            missing = [id for id in self.ids if id not in held]
            why = f"; empty captions: {listed_examples(self.empty)}" if name == "text" and self.empty else ""
            lacks = f"; without: {listed_examples(missing)}" if missing else ""
            told.append(f"{name}: {len(self.ids) - len(missing):,} of {len(self.ids):,} parts{lacks}{why}")
        return told


def survey(folder: Path, settings: DataSettings) -> OmniCAD:
    """Count what is there; of the files only the captions are read.

    Raises:
        UserError: there are no captions, or ids that differ by case alone.
    """
    places = {
        name: folder / getattr(settings.folders, key)
        for name, key in {PROGRAMS: "json_models", "image": "img", "points": "pointcloud"}.items()
    }
    captions = _captions(folder / settings.folders.txt)
    files = {name: _by_id(place, name) for name, place in places.items()}
    ids = sorted(captions.keys() | files[PROGRAMS].keys())
    _check_case(folder, captions, files)
    empty = [id for id in ids if id in captions and not captions[id].strip()]
    there = {id: told for id, told in captions.items() if told.strip()}
    return OmniCAD(folder, ids, there, files, empty)


def lacking(folder: Path, settings: DataSettings, wanted: int) -> list[str]:
    """What a stage that needs `wanted` parts lacks on disk; empty: nothing."""
    try:
        found = survey(folder, settings)
    except UserError as error:
        return [str(error)]
    there = len(found.complete(settings.modalities))
    if there >= wanted:
        return []
    told = [f"inputs: {there:,} of {wanted:,} parts (dataset_items) are complete in {folder}"]
    return told + [line for line in found.completeness(settings.modalities) if "; without" in line]


def prepare(folder: Path, settings: DataSettings, wanted: int, out: Path, *, own_words: frozenset[str] | None) -> None:
    """Translate the programs of the first `wanted` complete parts that can be said, into `parts.json`.

    Writes what is there, and what is left out, to `inputs.md`.

    Args:
        own_words: of the built-in tokenizer, where it is used.

    Raises:
        UserError: none can be used.
    """
    found = survey(folder, settings)
    complete = found.complete(settings.modalities)
    parts: dict[str, str] = {}
    unsaid = defaultdict[str, list[str]](list)
    for id in complete:
        if len(parts) >= wanted:
            break
        try:
            parts[id] = program_of(json.loads(found.files[PROGRAMS][id].read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            unsaid[shorten(str(error), REASON, placeholder=" …")].append(id)
        except RecursionError:
            unsaid["not DeepCAD's JSON: nested too deeply"].append(id)
    told = [*found.completeness(settings.modalities), f"complete for this stage: {len(complete):,}"]
    if unsaid:
        reasons = "; ".join(f"{reason} ({listed_examples(ids)})" for reason, ids in _most_first(unsaid))
        told.append(f"left out, because boxes and upright cylinders cannot express them: {reasons}")
    if own_words is not None and parts:
        words = [word for id in parts for word in found.captions[id].split()]
        unknown = sum(word not in own_words for word in words) / max(len(words), 1)
        if unknown > 0:
            told.append(f"{unknown:.0%} of the captions' words are unknown to the built-in tokenizer, which reads them "
                        "as one: name a language model in settings.model.base.pretrained")  # fmt: skip
    print("\n".join(told), flush=True)
    write_text(out / "inputs.md", "".join(f"- {line}\n" for line in told))
    if not parts and unsaid:
        raise unusable(folder, unsaid, len(complete), "parts")
    if not parts:
        raise UserError(f"inputs: {folder}: no part is complete. {'. '.join(told[:-1])}")
    write_json(out / PARTS, parts)


def parts_of(assets: Path) -> dict[str, str]:
    """Id → program of the parts that `prepare` translated."""
    found: dict[str, str] = json.loads((assets / PARTS).read_text())
    return found


def convert(
    folder: Path, settings: DataSettings, assets: Path, indices: Sequence[int], out: Path, seed: int, progress: Progress
) -> None:
    """Write the parts with these indices as the generator writes its own, with the modalities that the stage reads.

    Args:
        assets: folder that `prepare` filled.

    Raises:
        UserError: there are fewer parts, or a cloud or picture cannot be read.
    """
    found, programs = survey(folder, settings), parts_of(assets)
    ids = list(programs)
    for done, index in enumerate(indices, start=1):
        if index >= len(ids):
            raise too_few(folder, len(ids), index, "complete parts")
        id, path = ids[index], out / f"part_{index:06d}.json"
        caption = " ".join(found.captions[id].split())
        record = {"id": id, "caption": caption, "completion": programs[id], "family": id.rpartition("/")[0]}
        write_text(path, json.dumps(record) + "\n")
        if "points" in settings.modalities:
            np.save(path.with_suffix(".npy"), _cloud(found.files["points"][id], settings.points, seed + index))
        if "image" in settings.modalities:
            _write_picture(found.files["image"][id], settings.image_size, path.with_suffix(".png"))
        progress(done, len(indices))


def _captions(place: Path) -> dict[str, str]:
    files = sorted(path for path in place.rglob("*") if path.suffix.lower() in (".json", ".txt"))
    if not files:
        raise UserError(
            f"inputs: {place}: no captions here (*.json, *.txt); settings.data.folders.txt names the folder"
        )
    found, problems = {}, defaultdict[str, list[str]](list)
    for path in files:
        name = path.relative_to(place)
        try:
            text = path.read_text(encoding="utf-8")
            if path.suffix.lower() == ".txt":
                found[name.with_suffix("").as_posix()] = text
                continue
            for record in json.loads(text):
                told = next((record[key] for key in CAPTIONS if key in record), "")
                found[str(record["id"])] = told if isinstance(told, str) else ""
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            problems[f"not a list of records with `id` and `{CAPTIONS[0]}`: {type(error).__name__}"].append(str(name))
    if problems:
        raise unusable(place, problems, len(files), "files of captions")
    return found


def _by_id(place: Path, name: str) -> dict[str, Path]:
    """Files by the path below `place`, less its suffix; of several views of a part the first."""
    found: dict[str, Path] = {}
    for path in sorted(place.rglob("*")):
        if path.suffix.lower() in SUFFIXES[name] and not path.name.startswith("."):
            id = path.relative_to(place).with_suffix("").as_posix()
            found.setdefault(VIEW.sub("", id) if name == "image" else id, path)
    return found


def _check_case(folder: Path, captions: dict[str, str], files: dict[str, dict[str, Path]]) -> None:
    """Raise UserError where a file of an id is not found only because its letters' case differs."""
    for name, held in files.items():
        by_case = {id.casefold(): id for id in held if id not in captions}
        unlike = [
            f"{id} and {by_case[id.casefold()]}" for id in captions if id not in held and id.casefold() in by_case
        ]
        if unlike:
            raise UserError(
                f"inputs: {folder}: ids differ by case between captions and {name} ({listed_examples(unlike)}): rename "
                "one side"
            )


def _cloud(path: Path, count: int, seed: int) -> np.ndarray:
    """(count, 6) float32 as `surface_points` gives it: on the program's grid, centred and scaled; normals or zeros."""
    try:
        cloud = read_cloud(path)
        points = np.asarray(cloud.points, np.float64)
    except Exception as error:  # readers may raise any exception on damaged bytes
        raise UserError(f"{path}: not a readable point cloud ({error})") from None
    if len(points) < count or not np.isfinite(points).all():
        raise UserError(f"{path}: {len(points)} points, some perhaps not finite; settings.data.points says {count}")
    normals = np.zeros_like(points) if cloud.normals is None else np.asarray(cloud.normals, np.float64)
    low, longest = points.min(axis=0), max(float(np.ptp(points, axis=0).max()), 1e-12)
    kept = np.sort(np.random.default_rng(seed).permutation(len(points))[:count])
    places = ((points - low) / longest * LARGEST - HALF) / HALF
    return np.hstack([places[kept], normals[kept]]).astype(np.float32)


def _write_picture(path: Path, size: int, out: Path) -> None:
    try:
        with Image.open(path) as picture:
            picture.convert("L").resize((size, size), Image.Resampling.LANCZOS).save(out)
    except Exception as error:  # as above
        raise UserError(f"{path}: not a readable picture ({error})") from None


def _most_first(reasons: dict[str, list[str]]) -> list[tuple[str, list[str]]]:
    return sorted(reasons.items(), key=lambda pair: -len(pair[1]))
