"""Point clouds: every fault in a real file, and good files of every format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import trimesh

from gonogo.base.errors import UserError
from gonogo.config.quality_thresholds import PointsGate, QualityGate
from gonogo.quality.judge import judge
from gonogo.quality.judgement import Judgement
from gonogo.quality.measure import measure_part
from gonogo.quality.measured_set import MeasuredSet
from gonogo.quality.points.clouds import Cloud, read_cloud
from gonogo.quality.points.statistics import SAMPLE, measured
from gonogo.quality.registry import kind_of
from gonogo.verdict import Check, Status


def sphere(seed: int, points: int = 600) -> np.ndarray:
    """(N, 3) on a sphere of radius 1, each seed its own."""
    directions = np.random.default_rng(seed).normal(size=(points, 3))
    return directions / np.linalg.norm(directions, axis=1, keepdims=True)


def good_set(folder: Path, clouds: int = 12) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(clouds):
        np.save(folder / f"good_{seed:02}.npy", sphere(seed).astype(np.float32))
    return folder


def inspect(folder: Path, gate: QualityGate | None = None) -> tuple[Judgement, dict[str, list[str]]]:
    """The judgement, and each item's faults: `id: reason`, with `?` before one that only warns."""
    found: dict[str, list[str]] = {}
    out = folder.parent / f"{folder.name}-measured"
    measure_part("points", folder, out)
    judgement = judge(
        MeasuredSet.read(out),
        gate or QualityGate(),
        each=lambda finding: found.update(
            {finding.name: [f"{'?' * fault.warns}{fault.id}: {fault.reason}" for fault in finding.faults]}
        ),
    )
    return judgement, found


def check(judgement: Judgement, id: str) -> Check:
    return next(check for check in judgement.checks if check.id == id)


def test_good_clouds_of_every_format_are_go(tmp_path: Path) -> None:
    folder = good_set(tmp_path / "data")
    np.savez(folder / "b.npz", points=sphere(20), normals=sphere(20))
    np.savetxt(folder / "c.xyz", sphere(21), fmt="%.6f")
    np.savetxt(folder / "d.xyz", np.hstack([sphere(22), sphere(22)]), fmt="%.6f", delimiter=",")
    trimesh.PointCloud(sphere(23), colors=(255 * abs(sphere(24))).astype(np.uint8)).export(folder / "e.ply")
    trimesh.Scene([trimesh.PointCloud(sphere(25))]).export(folder / "f.glb")
    judgement, found = inspect(folder)
    assert {name: faults for name, faults in found.items() if faults} == {}
    assert judgement.status is Status.GO
    assert judgement.cause == ""
    assert judgement.items == 17


@pytest.mark.parametrize(
    ("spoil", "fault", "question"),
    [
        (lambda p: np.zeros((0, 3)), "empty: no points", "points_present"),
        (
            lambda p: np.where(np.arange(600)[:, None] < 7, np.nan, p),
            "not_finite: 7 points not finite",
            "points_present",
        ),
        (lambda p: np.full((600, 3), 2.5), "collapsed: points at one place", "points_present"),
        (lambda p: p[:250], "count: 250 points, median 600", "point_count"),
        (lambda p: sphere(98, 1200), "count: 1200 points, median 600", "point_count"),
        (lambda p: p * [1, 1, 0], "flat: flat 0, others", "extent"),
        (lambda p: p @ [[1, 0, 1], [0, 1, 0], [0, 0, 0]], "flat: flat", "extent"),
        (lambda p: np.vstack([p[:-1], [[0, 500, 0]]]), "stray: a point 492 sizes away", "extent"),
        (lambda p: 1000 * p, "unit: size 947 of the median", "extent"),
        (lambda p: p / 1000, "unit: size 0.00095 of the median", "extent"),
        (lambda p: 20 * p, "?scale: size 18.9 of the median", "extent"),
        (lambda p: np.vstack([p[:540], p[:60]]), "duplicates: duplicates 10.0 %", "duplicate_points"),
        (lambda p: np.hstack([p, 1.2 * p]), "normals: |n| off by 0.2", "normals"),
        (lambda p: np.hstack([p, np.where(np.arange(600)[:, None] < 60, 0, p)]), "normals: |n| off by 1", "normals"),
        (lambda p: np.random.default_rng(1).uniform(-1, 1, p.shape), "?fills_space: fills space as noise", "surface"),
        (lambda p: np.hstack([p, np.full((600, 3), 0.5)]), "?one_colour: all of one colour", "surface"),
    ],
)
def test_every_fault_is_found_and_no_other(
    tmp_path: Path, spoil: Callable[[np.ndarray], np.ndarray], fault: str, question: str
) -> None:
    folder = good_set(tmp_path / "data")
    np.save(folder / "odd.npy", spoil(sphere(99)))
    judgement, found = inspect(folder)
    (told,) = found.pop("odd.npy")
    assert told.startswith(fault)
    assert not any(found.values())
    assert judgement.bad == (fault[0] != "?")
    assert check(judgement, question).status is Status.CAUTION
    assert "odd.npy" in check(judgement, question).why
    assert [c.id for c in judgement.checks if c.status is not Status.GO and not c.grey and c.id != "bad_items"] == [
        question
    ]


def test_a_set_with_too_many_bad_clouds_is_stopped(tmp_path: Path) -> None:
    folder = good_set(tmp_path / "data")
    for seed in range(8):
        np.save(folder / f"mm_{seed}.npy", 1000 * sphere(50 + seed))
    judgement, _ = inspect(folder)
    assert judgement.status is Status.NO_GO
    assert judgement.cause == "DATA"
    assert judgement.bad == 8
    assert check(judgement, "extent").status is Status.NO_GO


def test_clouds_that_are_all_flat_are_flat_by_nature(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for seed in range(6):
        np.save(folder / f"{seed}.npy", sphere(seed) * [1, 1, 0])
    assert inspect(folder)[0].status is Status.GO


def test_a_mesh_among_clouds_and_an_open_one_are_warnings(tmp_path: Path) -> None:
    folder = good_set(tmp_path / "data")
    whole = trimesh.creation.icosphere(subdivisions=3)
    whole.export(folder / "whole.stl")
    whole.export(folder / "whole_2.obj")
    gone = trimesh.Trimesh(whole.vertices + 0.001, whole.faces[:-40])
    gone.export(folder / "open.glb")
    judgement, found = inspect(folder, QualityGate(points=PointsGate(max_count_deviation=10)))
    assert found["whole.stl"] == ["?mesh: a mesh, 1280 faces"]
    assert found["whole_2.obj"] == ["?mesh: a mesh, 1280 faces"]
    assert found["open.glb"] == ["?mesh: a mesh, 1240 faces", "?open: not watertight"]
    assert check(judgement, "surface").status is Status.CAUTION
    assert judgement.bad == 0


def test_a_set_of_meshes_expects_meshes(tmp_path: Path) -> None:
    for seed in range(4):
        (tmp_path / "data").mkdir(exist_ok=True)
        trimesh.creation.icosphere(radius=1 + seed / 10).export(tmp_path / "data" / f"{seed}.ply")
    judgement, found = inspect(tmp_path / "data")
    assert not any(found.values())
    assert judgement.status is Status.GO


def halved(folder: Path, name: str, write: Callable[[Path], object]) -> None:
    path = folder / name
    write(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def test_meshes_of_natural_vertex_counts_are_good(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for seed, points in enumerate((60, 90, 200, 400, 700, 1500, 3000, 9000)):
        ball = trimesh.creation.uv_sphere(count=[8 + points // 90, 9 + seed])
        ball.apply_scale([1, 1 + seed / 10, 1])
        ball.export(tmp_path / f"data/m{seed}.stl")
    judgement, found = inspect(tmp_path / "data")
    assert judgement.bad == 0, found
    assert judgement.status is Status.GO, judgement.checks


def test_sweeps_are_read_by_their_columns(tmp_path: Path) -> None:
    """KITTI's (N, 4) and nuScenes' (N, 5), as bare floats and as .npy; counts differ from sweep to sweep."""
    (tmp_path / "data").mkdir()
    for seed in range(8):
        points = 20 * sphere(seed, 600 + 12 * seed)
        more = np.random.default_rng(seed).random((len(points), 1 + seed % 2))
        sweep = np.hstack([points, more]).astype(np.float32)
        if seed < 6:
            sweep.tofile(tmp_path / f"data/{seed:06}.bin")
        else:
            np.save(tmp_path / f"data/{seed:06}.npy", sweep)
    judgement, found = inspect(tmp_path / "data")
    assert judgement.status is Status.GO, found
    np.arange(6000, dtype=np.int32).tofile(tmp_path / "data/tokens.bin")
    assert "no sweep of floats" in inspect(tmp_path / "data")[1]["tokens.bin"][0]


def test_ply_without_faces_and_with_edges_is_read(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    axes = "".join(f"property float {axis}\n" for axis in "xyz")
    for seed in range(6):
        points = sphere(seed)
        head = f"ply\nformat ascii 1.0\nelement vertex {len(points)}\n{axes}"
        more, rows = "element face 0\nproperty list uchar int vertex_indices\n", ""
        if seed % 2:
            more, rows = "element edge 2\nproperty int vertex1\nproperty int vertex2\n", "0 1\n1 2\n"
        body = "".join(f"{x:.6f} {y:.6f} {z:.6f}\n" for x, y, z in points)
        (tmp_path / f"data/{seed}.ply").write_text(f"{head}{more}end_header\n{body}{rows}")
    judgement, found = inspect(tmp_path / "data")
    assert judgement.status is Status.GO, found


def test_files_cut_short_or_of_another_kind_are_named_and_never_go(tmp_path: Path) -> None:
    folder = good_set(tmp_path / "data")
    ball = trimesh.creation.icosphere()
    halved(folder, "a.npy", lambda path: np.save(path, sphere(30)))
    halved(folder, "b.npz", lambda path: np.savez(path, points=sphere(31)))
    halved(folder, "c.ply", trimesh.PointCloud(sphere(32)).export)
    halved(folder, "d.stl", ball.export)
    halved(folder, "e.glb", ball.export)
    (folder / "f.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1")
    (folder / "g.xyz").write_text("0 0 1\n0 1 0\n1 0\n")
    (folder / "h.xyz").write_bytes(b"\xff\xfe\x00\x01" * 50)
    (folder / "i.ply").write_text("no cloud at all")
    np.save(folder / "j.npy", np.zeros((4, 64, 64)))
    np.save(folder / "k.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    header = (
        "ply\nformat ascii 1.0\nelement vertex 5\nproperty float x\nproperty float y\nproperty float z\nend_header\n"
    )
    (folder / "l.ply").write_text(header + "0 0 0\n1 0 0\n0 1 0\n")
    (folder / "m.npz").write_bytes(b"")
    np.savez(folder / "n.npz", points=sphere(33), normals=sphere(34)[:10])
    (folder / "o.obj").write_text("v 0 1\nv 1 0\nv 2 2\n")
    (folder / "p.ply").write_bytes(ball.export(file_type="ply", encoding="ascii").replace(b"\n3 ", b"\n3 9999", 1))
    judgement, found = inspect(folder)
    damaged = {name: faults for name, faults in found.items() if faults}
    assert sorted(name[0] for name in damaged) == list("abcdefghijklmnop")
    assert all(fault.startswith("unreadable: ") and len(fault) > 20 for (fault,) in damaged.values()), damaged
    assert "3 of 5 rows of vertex" in damaged["l.ply"][0]
    assert "vertices of shape (3, 2)" in damaged["o.obj"][0]
    assert "a face names a vertex that does not exist" in damaged["p.ply"][0]
    assert "10 normals for 600 points" in damaged["n.npz"][0]
    assert judgement.status is not Status.GO
    assert check(judgement, "unreadable").value == 16


def test_a_folder_without_clouds_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no point cloud here"):
        measure_part("points", tmp_path / "empty", tmp_path / "out")
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "a.txt").write_text("a")
    with pytest.raises(UserError, match=r"It holds 1 \.txt"):
        measure_part("points", tmp_path / "text", tmp_path / "out")


def test_ply_normals_are_read_from_text_and_binary_files(tmp_path: Path) -> None:
    names = "".join(f"property float {name}\n" for name in ("x", "y", "z", "nx", "ny", "nz"))
    rows = np.hstack([sphere(1), 3 * sphere(2)]).astype("<f4")
    header = "ply\nformat {} 1.0\nelement vertex 600\n" + names + "end_header\n"
    text = "\n".join(" ".join(map(str, row)) for row in rows) + "\n"
    (tmp_path / "a.ply").write_text(header.format("ascii") + text)
    (tmp_path / "b.ply").write_bytes(header.format("binary_little_endian").encode() + rows.tobytes())
    for name in ("a.ply", "b.ply"):
        assert measured(read_cloud(tmp_path / name))["normal_error"] == pytest.approx(2, rel=1e-5)


def test_the_same_points_in_another_order_and_format_look_the_same(tmp_path: Path) -> None:
    points = sphere(5).astype(np.float32)
    np.save(tmp_path / "a.npy", points)
    trimesh.PointCloud(points[::-1]).export(tmp_path / "b.ply")
    np.save(tmp_path / "c.npy", sphere(6).astype(np.float32))
    near = [measured(read_cloud(tmp_path / name))["near"] for name in ("a.npy", "b.ply", "c.npy")]
    assert near[0] == near[1]
    assert bin(int(near[0], 16) ^ int(near[2], 16)).count("1") > 20


def test_a_big_cloud_is_measured_from_a_fixed_sample_and_all_its_points(tmp_path: Path) -> None:
    points = np.random.default_rng(0).normal(size=(4 * SAMPLE, 3))
    points[-SAMPLE // 5 :] = points[: SAMPLE // 5]  # 5 % are there twice
    points[123_456] = 1e4
    points[654_321] = np.inf
    np.save(tmp_path / "a.npy", points)
    first, again = measured(read_cloud(tmp_path / "a.npy")), measured(Cloud(points))
    assert first == again
    assert first["points"] == 4 * SAMPLE
    assert first["not_finite"] == 1
    assert first["duplicates"] == pytest.approx(0.05, abs=0.004)
    assert first["far_ratio"] > 1000


def test_takes_of_one_object_are_one_group() -> None:
    kind = kind_of("points")
    groups = [kind.group(name) for name in ("a/lamp_7_view3.ply", "a/lamp_7_view4.ply", "lamp_8.ply", "scan_3.ply")]  # type: ignore[attr-defined]
    assert groups == ["lamp_7", "lamp_7", "", ""]


def test_the_picture_shows_the_cloud_twice(tmp_path: Path) -> None:
    folder = good_set(tmp_path / "data", 2)
    (folder / "z.ply").write_text("damaged")
    measure_part("points", folder, tmp_path / "out")
    items = list(MeasuredSet.read(tmp_path / "out").items(kind_of("points").Item))
    kind = kind_of("points")
    picture = kind.picture(items[0])
    assert picture is not None
    assert picture.size == (512, 256)
    assert np.asarray(picture).std() > 10
    assert kind.picture(items[-1]) is None


def test_random_damage_never_ends_the_scan(tmp_path: Path) -> None:
    ball, rng = trimesh.creation.icosphere(subdivisions=1), np.random.default_rng(3)
    (tmp_path / "data").mkdir()
    writers: dict[str, Callable[[Path], object]] = {
        "npy": lambda path: np.save(path, sphere(1, 60)),
        "npz": lambda path: np.savez(path, points=sphere(2, 60)),
        "xyz": lambda path: np.savetxt(path, sphere(3, 60)),
        **dict.fromkeys(("ply", "obj", "stl", "glb"), ball.export),
    }
    for suffix, write in writers.items():
        write(tmp_path / f"whole.{suffix}")
        whole = np.frombuffer((tmp_path / f"whole.{suffix}").read_bytes(), np.uint8)
        for number in range(30):
            spoilt = whole.copy()
            spoilt[rng.integers(0, len(whole), 6)] = rng.integers(0, 256, 6)
            spoilt = spoilt[: rng.integers(1, len(whole))] if number % 2 else spoilt
            (tmp_path / "data" / f"{number}.{suffix}").write_bytes(spoilt.tobytes())
    judgement, found = inspect(tmp_path / "data")
    assert judgement.items == len(found) == 210
    assert judgement.status is Status.NO_GO
