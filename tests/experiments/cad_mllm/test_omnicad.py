"""Parts in the layout of Omni-CAD as `inputs:`: counted by modality, translated, and read by each stage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from experiments.cad_mllm.datamodule import CADDataModule
from experiments.cad_mllm.deepcad import program_of
from experiments.cad_mllm.experiment import CADMLLM
from gonogo.base.errors import UserError
from gonogo.quality.inspect import inspect
from gonogo.verdict import Status
from tests.experiments.cad_mllm.small import SMALL, STAGES, TRAINING, experiment_of

FLAT = {"x_axis": (1, 0, 0), "y_axis": (0, 1, 0), "z_axis": (0, 0, 1), "origin": (0, 0, 0)}
UPRIGHT = {"x_axis": (1, 0, 0), "y_axis": (0, 0, 1), "z_axis": (0, -1, 0), "origin": (0, 0, 0)}


def vector(values: Any) -> dict[str, float]:
    return dict(zip("xyz", map(float, values), strict=True))


def rectangle(x: float, y: float, width: float, depth: float) -> list[dict[str, Any]]:
    corners = [(x, y, 0), (x + width, y, 0), (x + width, y + depth, 0), (x, y + depth, 0)]
    ends = zip(corners, corners[1:] + corners[:1], strict=True)
    return [{"type": "Line3D", "start_point": vector(a), "end_point": vector(b)} for a, b in ends]


def circle(x: float, y: float, radius: float) -> list[dict[str, Any]]:
    return [{"type": "Circle3D", "center_point": vector((x, y, 0)), "radius": radius, "normal": vector((0, 0, 1))}]


def model(*features: tuple[list[list[dict[str, Any]]], float, str], plane: dict[str, Any] = FLAT) -> dict[str, Any]:
    """Each feature: its loops, the outer one first; how far it is extruded; and its operation."""
    entities, sequence = {}, []
    for number, (loops, distance, operation) in enumerate(features):
        sketch, extrusion = f"S{number}", f"E{number}"
        profile = {"loops": [{"is_outer": at == 0, "profile_curves": loop} for at, loop in enumerate(loops)]}
        entities[sketch] = {
            "type": "Sketch", "profiles": {"P": profile}, "transform": {name: vector(plane[name]) for name in plane},
        }  # fmt: skip
        extent = {"distance": {"value": distance}, "taper_angle": {"value": 0.0}}
        entities[extrusion] = {
            "type": "ExtrudeFeature", "profiles": [{"profile": "P", "sketch": sketch}],
            "operation": f"{operation}FeatureOperation", "extent_type": "OneSideFeatureExtentType",
            "extent_one": extent, "extent_two": {"distance": {"value": 0.0}},
        }  # fmt: skip
        sequence += [{"type": entities[name]["type"], "entity": name} for name in (sketch, extrusion)]
    return {"entities": entities, "sequence": sequence}


def test_sketches_and_extrusions_become_boxes_and_cylinders_on_the_grid() -> None:
    plate = model(([rectangle(-1, -0.5, 2, 1), circle(0, 0, 0.1)], 0.2, "NewBody"))
    assert program_of(plate) == "add box 0 0 0 40 20 4 ; cut cyl 20 10 0 2 4"
    post = model(([rectangle(0, 0, 2, 1)], 0.5, "NewBody"), ([circle(1, 0.5, 0.25)], -0.5, "Join"))
    assert program_of(post) == "add box 0 0 10 40 20 10 ; add cyl 20 10 0 5 10"
    assert program_of(model(([rectangle(0, 0, 2, 1)], 0.5, "NewBody"), plane=UPRIGHT)) == "add box 0 0 0 40 10 20"


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (model(([circle(0, 0, 1)], 1, "NewBody"), plane=UPRIGHT), "a horizontal cylinder"),
        (model(([rectangle(0, 0, 2, 1)[:3]], 1, "NewBody")), "a polygon that is not a rectangle"),
        (model(([[{**rectangle(0, 0, 1, 1)[0], "type": "Arc3D"}]], 1, "NewBody")), "a profile of arcs"),
        (model(([rectangle(0, 0, 1, 1)], 1, "Intersect")), "an operation Intersect"),
        (model(([rectangle(0, 0, 1, 1)], 0.001, "NewBody")), "thinner than 1/40"),
        ({"sequence": [{"entity": "a"}]}, "not DeepCAD's JSON"),
        (model(([rectangle(0, 0, 1, 1)], 10**400, "NewBody")), "not DeepCAD's JSON: OverflowError"),
        (model(([rectangle(0, 0, 1, 1)], float("inf"), "NewBody")), "a length that is not finite"),
        (model(([rectangle(0, 0, float("nan"), 1)], 1, "NewBody")), "not finite|not a rectangle"),
    ],
)
def test_what_cannot_be_said_is_named(made: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        program_of(made)


def write_omnicad(folder: Path, count: int = 12) -> Path:
    """Plates of different sizes, complete in all modalities."""
    rng = np.random.default_rng(0)
    for name in ("txt", "json/0000", "img/0000", "pointcloud/0000"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    captions = []
    for number in range(count):
        id, size = f"0000/{number:08d}_00001", rng.uniform(0.3, 1.0, 3)
        captions.append({"id": id, "text caption": f"A plate with one hole, {number} wide"})
        made = model(([rectangle(0, 0, 1, size[1]), circle(0.5, size[1] / 2, 0.1)], size[2], "NewBody"))
        (folder / f"json/{id}.json").write_text(json.dumps(made))
        Image.fromarray(rng.integers(0, 255, (40, 60, 3), np.uint8)).save(folder / f"img/{id}_000.png")
        np.savez(folder / f"pointcloud/{id}.npz", points=rng.uniform(0, 1, (64, 3)) * [1, *size[1:]])
    (folder / "txt/0000.json").write_text(json.dumps(captions))
    return folder


def own(stage: str, folder: Path, assets: Path, items: int = 12, **data: Any) -> CADMLLM:
    settings = {**SMALL, "data": {**SMALL["data"], **STAGES[stage]["data"], **data}}
    settings["model"] = {**SMALL["model"], **STAGES[stage].get("model", {})}
    return experiment_of(stage, assets, inputs=str(folder), dataset_items=items, sample_items=1, settings=settings)


def generated(mine: CADMLLM, out: Path, items: int) -> Path:
    assert mine.assets is not None
    mine.prepare(mine.assets, 0)
    mine.generate(range(items), out, 0, lambda done, total: None)
    return out


def test_every_stage_reads_the_four_folders(tmp_path: Path) -> None:
    folder = write_omnicad(tmp_path / "in")
    mine = own("image", folder, tmp_path / "run/assets")
    assert mine.lacking() == []
    assert mine.fingerprint("generate") != own("image", folder, tmp_path, items=11).fingerprint("generate")
    data = generated(mine, tmp_path / "data", 12)
    assert {path.suffix for path in data.iterdir()} == {".json", ".npy", ".png"} and len(list(data.iterdir())) == 36
    record = json.loads((data / "part_000003.json").read_text())
    assert record["id"] == "0000/00000003_00001" and record["caption"] == "A plate with one hole, 3 wide"
    assert record["completion"].startswith("add box 0 0 0 40 ") and record["completion"].count("cut cyl 20") == 1
    cloud = np.load(data / "part_000003.npy")
    assert cloud.shape == (32, 6) and cloud[:, :3].min() >= -1 and cloud[:, :3].max() <= 1
    told = (tmp_path / "run/assets/inputs.md").read_text()
    assert "points: 12 of 12 parts\n" in told and "complete for this stage: 12" in told
    assert "of the captions' words are unknown to the built-in tokenizer" in told
    assert inspect(data, "text").verdict.status is not Status.NO_GO
    module = CADDataModule(mine.settings, TRAINING, [data], 0, 0.2)
    assert next(iter(module.train_dataloader()))["points"].shape == (4, 32, 6)


def test_stages_are_blocked_or_open_by_what_is_counted_on_disk(tmp_path: Path) -> None:
    folder = write_omnicad(tmp_path / "in")
    clouds = sorted((folder / "pointcloud/0000").iterdir())
    for path in clouds[2:]:
        path.unlink()
    assets = tmp_path / "assets"
    assert own("text", folder, assets).lacking() == []
    short, table = own("points", folder, assets).lacking()
    assert short == f"inputs: 2 of 12 parts (dataset_items) are complete in {folder}"
    assert table.startswith("points: 2 of 12 parts; without: 10: 0000/00000002_00001, ") and "and 7 more" in table
    assert own("points", folder, assets, items=2).lacking() == []
    clouds[0].parent.rename(tmp_path / "elsewhere")
    moved = own("points", folder, assets, items=2, folders={"pointcloud": str(tmp_path)})
    assert "points: 0 of 12 parts" in moved.lacking()[1]  # `elsewhere/…` is another id
    (tmp_path / "elsewhere").rename(tmp_path / "0000")
    assert own("points", folder, assets, items=2, folders={"pointcloud": str(tmp_path)}).lacking() == []


def test_files_that_are_nested_without_end_are_left_out_or_named(tmp_path: Path) -> None:
    folder = write_omnicad(tmp_path / "in", 3)
    (folder / "json/0000/00000001_00001.json").write_text("[" * 100_000)
    mine = own("text", folder, tmp_path / "run/assets")
    assert mine.assets is not None
    mine.prepare(mine.assets, 0)
    assert "nested too deeply (1: 0000/00000001_00001)" in (tmp_path / "run/assets/inputs.md").read_text()
    (folder / "txt/0001.json").write_text("[" * 100_000)
    assert "1 of 2 files of captions cannot be used: " in mine.lacking()[0]


def test_nearly_right_layouts_are_named_with_counts_and_examples(tmp_path: Path) -> None:
    folder = write_omnicad(tmp_path / "in")
    captions = json.loads((folder / "txt/0000.json").read_text())
    captions[1]["text caption"] = captions[4]["text caption"] = " "
    (folder / "txt/0000.json").write_text(json.dumps(captions))
    lying = model(([circle(0, 0, 1)], 1, "NewBody"), plane=UPRIGHT)
    (folder / "json/0000/00000002_00001.json").write_text(json.dumps(lying))
    mine = own("text", folder, tmp_path / "run/assets")
    assert "text: 10 of 12 parts; without: 2: 0000/00000001_00001, 0000/00000004_00001" in mine.lacking()[1]
    data = generated(mine, tmp_path / "data", 9)
    assert len(list(data.iterdir())) == 9
    told = (tmp_path / "run/assets/inputs.md").read_text()
    assert "empty captions: 2: 0000/00000001_00001, 0000/00000004_00001" in told
    assert "cannot express them: a horizontal cylinder (1: 0000/00000002_00001)" in told
    with pytest.raises(UserError, match="9 complete parts; number 10 was requested: set `dataset_items: 9`"):
        mine.generate([9], tmp_path / "more", 0, lambda done, total: None)

    (folder / "json/0000").rename(folder / "json/O")
    for letter, name in (("a", "json/O"), ("A", "txt/0000.json")):
        captions = [{**record, "id": f"{letter}/x"} for record in captions[:1]]
        if name.startswith("txt"):
            (folder / name).write_text(json.dumps(captions))
        else:
            (folder / "json/a").mkdir()
            (folder / "json/O/00000000_00001.json").rename(folder / "json/a/x.json")
    assert "ids differ by case between captions and programs (1: A/x and a/x): rename one side" in mine.lacking()[0]
    (folder / "txt/0000.json").write_text("{}")
    (folder / "txt/0001.json").write_text('[{"caption": 1}]')
    assert "1 of 2 files of captions cannot be used: not a list of records with `id`" in mine.lacking()[0]
