"""Captured views with known cameras as items: `transforms.json` of NeRF tools, or COLMAP's text model.

A capture is a folder with `transforms.json` (instant-ngp, nerfstudio, Blender), or with COLMAP's `cameras.txt` and
`images.txt`, also in its `sparse/0`. An item is one picture and its nearest neighbours; no picture is in two items.
"""

from __future__ import annotations

import math
import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from experiments.cvs.camera_files import COLMAP, TRANSFORMS, of_colmap, of_transforms
from experiments.cvs.cameras import Camera, pose
from experiments.cvs.settings import DataSettings
from gonogo import Progress, UserError, too_few, unusable, write_json


@dataclass(frozen=True)
class Frame:
    """One picture.

    Attributes:
        camera: of the whole picture, with the size that the capture names.
    """

    path: Path
    camera: Camera


@dataclass(frozen=True)
class Capture:
    name: str
    frames: list[Frame]
    notes: list[str]


def find_captures(folder: Path) -> list[Path]:
    """Folders of captures below a folder, sorted; none where it holds photographs without cameras."""
    names = (TRANSFORMS, COLMAP)
    return sorted({path.parent for path in folder.rglob("*") if path.name in names and path.is_file()})


def read_captures(folder: Path) -> list[Capture]:
    """Every capture below a folder.

    Raises:
        UserError: a camera, a pose or a picture is missing or wrong; names how many, and examples.
    """
    return [_read(place, folder) for place in find_captures(folder)]


def items_of(captures: Sequence[Capture], settings: DataSettings) -> list[tuple[str, list[Frame]]]:
    """Name of its capture and frames of each item, the input first; captures take turns.

    A capture's unit is unknown: what its cameras look at is put where the generator puts a cloud.
    """
    middle = (settings.near + settings.far) / 2
    scaled = [replace(capture, frames=_scaled(capture.frames, middle)) for capture in captures]
    by_capture = [[(capture.name, frames) for frames in _neighbours(capture, settings)] for capture in scaled]
    longest = max(map(len, by_capture), default=0)
    return [items[turn] for turn in range(longest) for items in by_capture if turn < len(items)]


def prepare(folder: Path, settings: DataSettings) -> list[str]:
    """What is there, and what is wrong with it but does not stop the work; one sentence each."""
    captures = read_captures(folder)
    items = len(items_of(captures, settings))
    pictures = sum(len(capture.frames) for capture in captures)
    told = [
        f"{folder}: captures: {len(captures)}, pictures: {pictures}, items: {items} of 1 + {settings.views} pictures"
    ]
    told += [f"{capture.name}: {note}" for capture in captures for note in capture.notes]
    if not items:
        raise UserError(
            f"inputs: {folder}: no picture has {settings.views} others within {settings.cameras.arc_deg / 2:g}° of it: "
            "lower settings.data.views, or raise settings.data.cameras.arc_deg"
        )
    if len(captures) == 1:
        told.append("only one capture: held-out items are other pictures of the same scene")
    return told


def convert(folder: Path, settings: DataSettings, indices: Sequence[int], out: Path, progress: Progress | None) -> None:
    """Write the items with these indices as the generator writes its own, less the depths.

    Raises:
        UserError: there are fewer items, or a picture cannot be read.
    """
    items = items_of(read_captures(folder), settings)
    for done, index in enumerate(indices, start=1):
        if index >= len(items):
            raise too_few(folder, len(items), index, f"items of 1 + {settings.views} pictures")
        name, (first, *others) = items[index]
        item = out / f"image_{index:04d}"
        item.mkdir(parents=True, exist_ok=True)
        _square(first, settings.image_size).save(item / "input.png")
        write_json(item / "source.json", {"group": name})
        for number, frame in enumerate(others):
            view = item / f"view_{number:03d}"
            view.mkdir(exist_ok=True)
            _square(frame, settings.image_size).save(view / "rgb.png")
            seen, reference = (_squared(one.camera).resized(settings.image_size) for one in (frame, first))
            write_json(view / "pose.json", pose(seen, reference))
        if progress is not None:
            progress(done, len(indices))


def _neighbours(capture: Capture, settings: DataSettings) -> list[list[Frame]]:
    """A picture and those that look most nearly the same way, within half the arc; each picture once.

    Those with the fewest neighbours left come first, so that few pictures are left over.
    """
    frames = capture.frames
    axes = np.array([frame.camera.forward for frame in frames])
    alike = axes @ axes.T
    near = alike >= math.cos(math.radians(settings.cameras.arc_deg / 2))
    np.fill_diagonal(near, False)
    found = []
    while (counts := near.sum(1)).max(initial=0) >= settings.views:
        first = int(np.argmin(np.where(counts >= settings.views, counts, len(frames))))
        order = np.argsort(np.where(near[first], -alike[first], 2.0), kind="stable")
        taken = [first, *order[: settings.views].tolist()]
        found.append([frames[at] for at in taken])
        near[taken] = near[:, taken] = False
    return found


def _square(frame: Frame, size: int) -> Image.Image:
    """The middle of a picture, on white where it is transparent."""
    try:
        with Image.open(frame.path) as file:
            picture = file.convert("RGBA")
    except Exception as error:  # Pillow may raise any exception on damaged bytes
        raise UserError(f"{frame.path}: not a readable picture ({error})") from None
    white = Image.new("RGBA", picture.size, "white")
    side = min(picture.size)
    left, top = ((length - side) / 2 for length in picture.size)
    whole = Image.alpha_composite(white, picture).convert("RGB")
    return whole.resize((size, size), Image.Resampling.LANCZOS, box=(left, top, left + side, top + side))


def _squared(camera: Camera) -> Camera:
    side = min(camera.width, camera.height)
    return replace(camera, width=side, height=side)


def _scaled(frames: Sequence[Frame], distance: float) -> list[Frame]:
    """The same with what the cameras look at `distance` scene units away, in the median."""
    axes = np.array([frame.camera.forward for frame in frames])
    places = np.array([np.linalg.inv(frame.camera.world_to_camera)[:3, 3] for frame in frames])
    across = np.eye(3) - axes[:, :, None] * axes[:, None]
    # the point nearest to all viewing axes; where they are parallel, the middle of the cameras
    centre = np.linalg.lstsq(across.sum(0), (across @ places[:, :, None]).sum(0)[:, 0], rcond=1e-3)[0]
    away = float(np.median(np.linalg.norm(places - centre, axis=1)))
    scale = distance / max(away, 1e-9)
    found = []
    for frame in frames:
        matrix = frame.camera.world_to_camera.copy()
        matrix[:3, 3] *= scale
        found.append(Frame(frame.path, replace(frame.camera, world_to_camera=matrix)))
    return found


def _read(place: Path, folder: Path) -> Capture:
    name = place.relative_to(folder).as_posix()
    try:
        found = of_transforms(place) if (place / TRANSFORMS).is_file() else of_colmap(place, folder)
    except UserError:
        raise
    except Exception as error:  # numbers and types may be anything
        reason = str(error) if isinstance(error, (OSError, ValueError)) else f"{type(error).__name__}: {error}"
        raise UserError(f"inputs: {place}: {reason}") from None
    frames, notes = found
    problems = defaultdict[str, list[str]](list)
    for path, camera in frames:
        if camera is None:
            problems["no camera matrix of 4 × 4 with a rotation and a translation"].append(path.name)
        elif not _lies_in(path, folder):
            problems[f"it names a picture outside {folder}"].append(str(path))
        elif not path.is_file():
            problems["no such picture"].append(path.name)
    if problems:
        raise unusable(place, problems, len(frames), "pictures")
    if len(frames) < 2:
        raise UserError(f"inputs: {place}: {len(frames)} pictures; at least two are needed")
    known = [Frame(path, camera) for path, camera in frames if camera is not None]
    return Capture(name if name != "." else folder.name, known, notes)


def _lies_in(path: Path, folder: Path) -> bool:
    """By its name, or by where links lead: whoever links pictures into the folder means them."""
    named, inside = (Path(os.path.normpath(one.absolute())) for one in (path, folder))
    return named.is_relative_to(inside) or path.resolve().is_relative_to(folder.resolve())
