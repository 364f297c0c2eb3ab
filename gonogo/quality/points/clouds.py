"""Point clouds as they lie in files: coordinates, and normals, colours and faces where there are any."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gonogo.quality.arrays import mapped, numpy_arrays

# for the whole process: clouds are read in threads, which `catch_warnings` does not keep apart
warnings.filterwarnings("ignore", message="loadtxt: input contained no data")

SUFFIXES = (".ply", ".xyz", ".obj", ".stl", ".glb", ".npy", ".npz", ".bin")
POINTS_KEYS = ("points", "xyz", "pos", "positions", "coords", "vertices")
NORMALS_KEYS = ("normals", "normal")
COLOURS_KEYS = ("colors", "colours", "color", "rgb")
NORMALS, COLOURS = ("nx", "ny", "nz"), ("red", "green", "blue")
STL_HEADER, STL_FACE = 84, 50  # bytes
COLUMNS = (3, 4, 5, 6, 7, 9)  # x, y, z; intensity, ring or time, normals, colours, a class
PLY_HEADER = 1 << 14  # bytes
SWEEP_COLUMNS = (4, 5)  # of LiDAR as KITTI and nuScenes write it: floats of 32 bits without a header
SWEEP_METRES = 1e4  # no sensor sees further: another layout


@dataclass
class Cloud:
    """What a file holds.

    Attributes:
        points: (N, 3) floats.
        normals, colours: (N, 3), or None.
        faces: of a mesh; 0: none.
        watertight: None where there are no faces.
    """

    points: np.ndarray
    normals: np.ndarray | None = None
    colours: np.ndarray | None = None
    faces: int = 0
    watertight: bool | None = None


def read_cloud(path: Path) -> Cloud:
    """The points of a file, in a fixed order. Arrays of .npy stay on disk until they are used.

    Raises:
        Exception: it is damaged, cut short or of another kind; says so in a few words.
    """
    suffix = path.suffix.lower()
    if suffix in (".npy", ".npz"):
        return _from_arrays(path)
    if suffix == ".bin":
        return Cloud(_sweep(path)[:, :3])
    if suffix == ".xyz":
        return _from_columns(_parsed_columns(path))
    return _from_scene(path, suffix)


def _from_arrays(path: Path) -> Cloud:
    if path.suffix.lower() == ".npy":
        return _from_columns(mapped(path))
    with numpy_arrays(path) as arrays:
        return _from_named(arrays)


def _from_named(arrays: dict[str, np.ndarray]) -> Cloud:
    """The arrays of an .npz: by the names that people give, else the first that could be points."""
    by_name = {name.lower(): array for name, array in arrays.items()}
    points = _first(by_name, POINTS_KEYS)
    if points is None:
        points = next((array for array in arrays.values() if _could_be_points(array)), None)
    if points is None:
        held = ", ".join(f"{name} {array.shape}" for name, array in list(arrays.items())[:4])
        raise ValueError(f"no array of shape (N, 3), (N, 4) or (N, 6), but {held or 'nothing'}")
    cloud = _from_columns(points)
    normals, colours = _first(by_name, NORMALS_KEYS), _first(by_name, COLOURS_KEYS)
    for name, array in (("normals", normals), ("colours", colours)):
        if array is not None and array.shape[:1] != cloud.points.shape[:1]:
            raise ValueError(f"{len(array)} {name} for {len(cloud.points)} points")
    return Cloud(
        cloud.points,
        cloud.normals if normals is None else normals,
        cloud.colours if colours is None else colours[:, :3],
    )


def _first(arrays: dict[str, np.ndarray], names: tuple[str, ...]) -> np.ndarray | None:
    return next((arrays[name] for name in names if name in arrays), None)


def _could_be_points(array: np.ndarray) -> bool:
    return array.ndim == 2 and array.shape[1] in COLUMNS and array.dtype.kind in "fiu"


def _sweep(path: Path) -> np.ndarray:
    """(N, 4) or (N, 5) of a LiDAR sweep, whichever the bytes can be; x, y and z in metres come first."""
    size = path.stat().st_size
    for columns in SWEEP_COLUMNS:
        if size and size % (4 * columns) == 0:
            sweep = np.memmap(path, np.float32, mode="r").reshape(-1, columns)
            shown = np.asarray(sweep[:: max(1, len(sweep) // 4096), :3])
            with np.errstate(invalid="ignore"):
                sane = np.abs(shown) < SWEEP_METRES
            tiny = (shown != 0) & (np.abs(shown) < 1e-20)  # whole numbers read as floats
            if sane.mean() > 0.9 and tiny.mean() < 0.1:
                return sweep
    raise ValueError(f"{size} bytes: no sweep of floats (x, y, z, intensity)")


def _parsed_columns(path: Path) -> np.ndarray:
    with path.open("rb") as stream:
        delimiter = "," if b"," in stream.readline() else None
    return np.loadtxt(path, delimiter=delimiter, comments=["#", "//"], ndmin=2, dtype=np.float64)


def _from_columns(array: np.ndarray) -> Cloud:
    """(N, 3), or more columns; the last three of six are normals where any of them is negative, else colours."""
    if array.size == 0:
        return Cloud(np.zeros((0, 3)))
    if not _could_be_points(array):
        raise ValueError(f"shape {array.shape} of {array.dtype}: points are (N, 3), (N, 4) or (N, 6) numbers")
    if array.shape[1] != 6:
        return Cloud(array[:, :3])
    more = array[:, 3:]
    return Cloud(array[:, :3], normals=more) if bool((more < 0).any()) else Cloud(array[:, :3], colours=more)


# --- through trimesh ---


def _from_scene(path: Path, suffix: str) -> Cloud:
    import trimesh

    _check_whole(path, suffix)
    more: dict[str, Any] = {"skip_materials": True} if suffix == ".obj" else {}
    source = _without_edges(path) if suffix == ".ply" else path
    if source is not path:
        more["file_type"] = "ply"
    scene = trimesh.load_scene(source, process=False, **more)
    placed = [_placed(scene, node) for node in scene.graph.nodes_geometry]
    if not placed:
        return Cloud(np.zeros((0, 3)))
    geometries = [geometry for geometry, _ in placed]
    meshes = [geometry for geometry in geometries if isinstance(geometry, trimesh.Trimesh)]
    return Cloud(
        np.concatenate([points for _, points in placed]),
        _joined([_normals(geometry) for geometry in geometries]),
        _joined([_colours(geometry) for geometry in geometries]),
        sum(len(mesh.faces) for mesh in meshes),
        all(_watertight(mesh) for mesh in meshes) if meshes else None,
    )


def _placed(scene: Any, node: str) -> tuple[Any, np.ndarray]:
    transform, name = scene.graph[node]
    geometry = scene.geometry[name]
    points = np.asarray(geometry.vertices)
    if points.ndim != 2 or points.shape[1] != 3:
        raise ValueError(f"vertices of shape {points.shape}, not (N, 3)")
    for element, held in geometry.metadata.get("_ply_raw", {}).items():
        rows = _rows(held["data"]) if held["length"] else 0
        if rows < held["length"]:
            raise ValueError(f"cut short: {rows} of {held['length']} rows of {element}")
    if not np.array_equal(transform, np.eye(4)):
        points = points @ transform[:3, :3].T + transform[:3, 3]
    return geometry, points


def _without_edges(path: Path) -> Path | io.BytesIO:
    """A PLY whose element `edge` has another name: trimesh makes paths of edges, with a package of their own."""
    with path.open("rb") as stream:
        head, end, _ = stream.read(PLY_HEADER).partition(b"end_header")
    if not end or b"\nelement edge " not in head:
        return path
    return io.BytesIO(path.read_bytes().replace(b"\nelement edge ", b"\nelement line ", 1))


def _rows(data: Any) -> int:
    return len(next(iter(data.values()), ())) if isinstance(data, dict) else len(data)


def _normals(geometry: Any) -> np.ndarray | None:
    """As the file has them; those that a mesh's faces would give are right by construction."""
    normals = _ply_columns(geometry, NORMALS)
    if normals is None and "vertex_normals" in getattr(geometry, "_cache", {}):
        normals = np.asarray(geometry.vertex_normals)
    return normals


def _colours(geometry: Any) -> np.ndarray | None:
    colours = _ply_columns(geometry, COLOURS)
    visual = getattr(geometry, "visual", None)
    if colours is None and visual is not None and visual.kind == "vertex":
        colours = np.asarray(visual.vertex_colors)
    if colours is None or colours.ndim != 2 or len(colours) != len(geometry.vertices):
        return None
    return colours[:, :3]


def _ply_columns(geometry: Any, names: tuple[str, ...]) -> np.ndarray | None:
    """(N, 3) of a PLY's vertex properties; binary files keep a structured array, text files a dict of columns."""
    data = geometry.metadata.get("_ply_raw", {}).get("vertex", {}).get("data")
    held = data if isinstance(data, dict) else getattr(getattr(data, "dtype", None), "names", None) or ()
    if not all(name in held for name in names):
        return None
    return np.stack([np.asarray(data[name]).reshape(-1) for name in names], axis=1)


def _joined(parts: list[np.ndarray | None]) -> np.ndarray | None:
    present = [part for part in parts if part is not None]
    return np.concatenate(present) if present and len(present) == len(parts) else None


def _watertight(mesh: Any) -> bool:
    """With vertices at one place counted as one: formats write them once for each face, or for each material."""
    if len(mesh.faces) and not 0 <= mesh.faces.min() <= mesh.faces.max() < len(mesh.vertices):
        raise ValueError(f"a face names a vertex that does not exist, of {len(mesh.vertices)}")
    merged = mesh.copy()
    merged.merge_vertices(merge_tex=True, merge_norm=True)
    return bool(merged.is_watertight)


def _check_whole(path: Path, suffix: str) -> None:
    """Refuse what trimesh reads silently although it is cut short.

    Raises:
        ValueError: a binary STL of another length than its header says, or an OBJ whose last line is cut.
    """
    if suffix == ".stl":
        with path.open("rb") as stream:
            header = stream.read(STL_HEADER)
        expected = STL_HEADER + STL_FACE * int.from_bytes(header[80:84], "little")
        if not header.lstrip().startswith(b"solid") and path.stat().st_size != expected:
            raise ValueError(f"cut short: {path.stat().st_size} bytes, its header says {expected}")
    if suffix == ".obj":
        with path.open("rb") as stream:
            stream.seek(max(0, path.stat().st_size - 4096))
            lines = stream.read().split(b"\n")
        if len(lines) > 1 and _is_cut(lines[-1].split(), lines[-2].split()):
            raise ValueError(f"cut short: it ends in {lines[-1][:40].decode(errors='replace')!r}")


def _is_cut(last: list[bytes], before: list[bytes]) -> bool:
    return bool(last) and last[:1] == before[:1] and len(last) < len(before)
