from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from experiments.cvs import decoder
from experiments.cvs.generate import CHECKPOINT, exposed_as, generate, measure, prepare, split_items
from experiments.cvs.photographs import Photographs
from experiments.cvs.settings import Cameras, DataSettings
from experiments.cvs.splats import Rendering
from gonogo.base.digests import manifest
from gonogo.base.errors import UserError

SETTINGS = DataSettings()
DARK = DataSettings(cameras=Cameras(orbit="origin", radius=2.0, arc_deg=360))
OWN_VIEW_PSNR_DB, COVERAGE, BRIGHTNESS = 18.0, 0.5, 0.45  # bounds of config/experiments/cvs.yaml


@pytest.fixture(scope="module")
def inputs(root: Path) -> Path:
    return root / "resources/photographs"


@pytest.fixture(scope="module")
def assets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("assets")


@pytest.fixture(scope="module")
def measured(inputs: Path, assets: Path) -> dict[str, Any]:
    return prepare(SETTINGS, inputs, assets, 0)


Make = Callable[..., Path]


@pytest.fixture
def make(inputs: Path, assets: Path, measured: dict[str, Any], tmp_path: Path) -> Make:
    def made(indices: list[int], name: str = "data", settings: DataSettings = SETTINGS, seed: int = 0) -> Path:
        generate(settings, inputs, assets, indices, tmp_path / name, seed)
        return tmp_path / name

    return made


def views(data: Path) -> list[dict[str, Any]]:
    """Mean luminance (0-1), coverage and angle of every view."""
    found = []
    for folder in sorted(data.glob("image_*/view_*")):
        pixels = np.asarray(Image.open(folder / "rgb.png"))
        found.append(
            {
                "luminance": (pixels @ np.array([0.299, 0.587, 0.114])).mean() / 255,
                "coverage": (np.load(folder / "depth.npy") > 0).mean(),
                "angle_deg": json.loads((folder / "pose.json").read_text())["angle_deg"],
            }
        )
    return found


def test_the_prepared_decoder_passes_its_gate_with_room(measured: dict[str, Any], assets: Path) -> None:
    assert measured["own_view_psnr_db"] > OWN_VIEW_PSNR_DB + 5
    assert measured["rotated_coverage"] > 0.85
    assert 0.8 < measured["rotated_brightness"] < 1.2
    assert measured["items"] >= 6
    assert sorted(file.name for file in assets.iterdir()) == ["decoder.png", CHECKPOINT]
    picture = np.asarray(Image.open(assets / measured["picture"]))
    assert picture.shape == (6 * 64, 4 * 64, 3)
    assert np.array_equal(picture.mean((0, 1)) > 50, [True] * 3)


def test_it_is_measured_on_other_photographs_than_it_was_fitted_on(inputs: Path, tmp_path: Path) -> None:
    items = [Photographs(inputs).item(index, 32, 0) for index in range(16)]
    known, held_out = split_items(items)
    assert len(known) + len(held_out) == 16
    assert not {item.name for item in known} & {item.name for item in held_out}

    shutil.copy(inputs / "chelsea.jpg", tmp_path)
    known, held_out = split_items([Photographs(tmp_path).item(index, 32, 0) for index in range(16)])
    assert len(known) == len(held_out) == 8
    assert not {item.image.tobytes() for item in known} & {item.image.tobytes() for item in held_out}


def test_one_photograph_alone_is_enough(inputs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "inputs"
    folder.mkdir()
    shutil.copy(inputs / "coffee.jpg", folder)
    few = DataSettings(image_size=32, grid=16, views=2, fit_steps=5)
    assert prepare(few, folder, tmp_path / "assets", 0)["items"] == 8
    generate(few, folder, tmp_path / "assets", range(3), tmp_path / "data", 0)
    assert len(list((tmp_path / "data").iterdir())) == 3


COLOUR, OPACITY = slice(9, 12), 12  # where they stand among the parameters of a Gaussian


def saying(parameter: slice | int, value: float) -> decoder.Network:
    """A decoder that says the same of every Gaussian, whatever it sees."""
    network = decoder.Network(SETTINGS.gaussians_per_cell)
    with torch.no_grad():
        network.layers[-1].bias.view(-1, decoder.PARAMETERS)[:, parameter] = value
    return network


def test_a_decoder_that_makes_black_is_seen_before_any_data_is_made(inputs: Path, tmp_path: Path) -> None:
    decoder.export_onnx(saying(COLOUR, -1.0), tmp_path / "black.onnx")
    settings = SETTINGS.model_copy(update={"decoder_model": tmp_path / "black.onnx"})
    measured = prepare(settings, inputs, tmp_path / "assets", 0)
    assert measured["rotated_brightness"] < 0.1 < BRIGHTNESS
    assert measured["own_view_psnr_db"] < OWN_VIEW_PSNR_DB
    assert measured["rotated_coverage"] > COVERAGE
    assert not (tmp_path / "assets" / CHECKPOINT).exists()


def test_a_decoder_that_makes_nothing_is_seen(inputs: Path, tmp_path: Path) -> None:
    items = [Photographs(inputs).item(index, 64, 0) for index in range(2)]
    measured = measure(saying(OPACITY, -20.0), items, SETTINGS, tmp_path)
    assert measured["rotated_coverage"] == 0
    assert measured["rotated_brightness"] == 0
    assert measured["own_view_psnr_db"] < OWN_VIEW_PSNR_DB


def test_wrecked_weights_are_seen(inputs: Path, assets: Path, measured: dict[str, Any], tmp_path: Path) -> None:
    network = decoder.load(assets / CHECKPOINT, SETTINGS.gaussians_per_cell)
    torch.manual_seed(0)
    for weights in network.parameters():
        torch.nn.init.normal_(weights, std=0.5)
    items = [Photographs(inputs).item(index, 64, 0) for index in range(4)]
    wrecked = measure(network, items, SETTINGS, tmp_path)
    assert wrecked["own_view_psnr_db"] < OWN_VIEW_PSNR_DB


def test_an_item_holds_its_input_its_depth_and_its_posed_views(make: Make, inputs: Path) -> None:
    folder = make([3]) / "image_0003"
    assert sorted(file.name for file in folder.iterdir()) == [
        "input.png",
        "input_depth.npy",
        "source.json",
        *(f"view_{number:03d}" for number in range(8)),
    ]
    assert (inputs / json.loads((folder / "source.json").read_text())["group"]).is_file()
    depth = np.load(folder / "input_depth.npy")
    assert (depth.shape, depth.dtype) == ((64, 64), np.float32)
    assert Image.open(folder / "input.png").size == (64, 64)
    view = np.load(folder / "view_000/depth.npy")
    assert (view.shape, view.dtype) == ((64, 64), np.float32)
    assert 0 < (view == 0).mean() < 0.5
    assert view[view > 0].min() > 1
    assert Image.open(folder / "view_000/rgb.png").mode == "RGB"
    assert json.loads((folder / "view_000/pose.json").read_text())["convention"] == "opengl"


def test_an_item_is_the_same_alone_and_in_company(make: Make) -> None:
    together = manifest(make([2, 3, 4], "together"))
    alone = manifest(make([3], "alone"))
    assert alone.items() <= together.items()
    assert alone != manifest(make([3], "other", seed=1))


def test_poses_say_where_the_views_were_taken_from(make: Make) -> None:
    """A point of the input, carried over by depth and pose, lies at the depth that the view has there."""
    folder = make([1]) / "image_0001"
    depth = np.load(folder / "input_depth.npy").astype(float)
    v, u = np.meshgrid(np.arange(64) + 0.5, np.arange(64) + 0.5, indexing="ij")
    errors = []
    for view in sorted(folder.glob("view_*")):
        pose = json.loads((view / "pose.json").read_text())
        focal, matrix = pose["focal_px"], np.array(pose["world_to_camera"])
        points = np.stack([(u - 32) / focal * depth, -(v - 32) / focal * depth, -depth, np.ones_like(depth)], -1)
        x, y, z, _ = np.moveaxis(points @ matrix.T, -1, 0)
        column, row = (32 + focal * x / -z).astype(int), (32 - focal * y / -z).astype(int)
        inside = (column >= 2) & (column < 62) & (row >= 2) & (row < 62)
        seen = np.load(view / "depth.npy")[row[inside], column[inside]]
        errors.append(np.abs(seen + z[inside])[seen > 0])
    assert np.median(np.concatenate(errors)) < 0.02
    assert np.percentile(np.concatenate(errors), 95) < 0.15


def test_default_views_are_lit_and_covered(make: Make) -> None:
    data = make(list(range(7)))
    found = views(data)
    light = np.mean([np.asarray(Image.open(file).convert("L")).mean() for file in data.glob("*/input.png")]) / 255
    assert np.median([view["coverage"] for view in found]) > 0.85
    assert min(view["coverage"] for view in found) > 0.6
    assert 0.8 < np.mean([view["luminance"] for view in found]) / light < 1.1
    assert max(view["angle_deg"] for view in found) < 35


def test_cameras_that_circle_the_origin_see_next_to_nothing(make: Make) -> None:
    found = views(make(list(range(4)), settings=DARK))
    empty = [view for view in found if view["coverage"] == 0]
    assert len(empty) >= 4 * 5
    assert max(view["luminance"] for view in empty) == 0
    assert np.mean([view["luminance"] for view in found]) < 0.08
    assert all(view["angle_deg"] < 60 for view in found if view["coverage"] > 0.05)


def test_progress_is_told(inputs: Path, assets: Path, measured: dict[str, Any], tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    generate(SETTINGS, inputs, assets, [5, 6, 9], tmp_path, 0, lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_generating_before_preparing_is_an_error(inputs: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"decoder\.pt: no such file; the stage `prepare` writes it"):
        generate(SETTINGS, inputs, tmp_path, [0], tmp_path / "data", 0)
    assert not (tmp_path / "data").exists()


def test_matched_exposure_lights_what_is_covered_and_hides_no_empty_view() -> None:
    photograph = np.full((8, 8, 3), 120, np.uint8)
    alpha = torch.cat([torch.ones(8, 4), torch.zeros(8, 4)], dim=1)
    dim = Rendering(rgb=0.2 * alpha.expand(3, 8, 8), depth=alpha, alpha=alpha)
    lit = exposed_as(photograph, dim)
    assert float(lit.rgb[:, :, :4].mean()) == pytest.approx(120 / 255, abs=0.01) and not lit.rgb[:, :, 4:].any()
    black = exposed_as(photograph, dim._replace(rgb=0.02 * dim.rgb))
    assert float(black.rgb.max()) < 0.05, "by no more than a factor of 4"
    assert not exposed_as(photograph, dim._replace(rgb=0 * dim.rgb, alpha=0 * alpha)).rgb.any()


def test_views_have_their_photographs_brightness_where_that_is_asked_for(make: Make) -> None:
    data = make([0, 1], settings=SETTINGS.model_copy(update={"match_exposure": True}))
    for item in sorted(data.glob("image_*")):
        own = (np.asarray(Image.open(item / "input.png")) @ np.array([0.299, 0.587, 0.114])).mean()
        for folder in item.glob("view_*"):
            covered = np.load(folder / "depth.npy") > 0
            light = (np.asarray(Image.open(folder / "rgb.png")) @ np.array([0.299, 0.587, 0.114]))[covered].mean()
            assert light == pytest.approx(own, rel=0.1)
