from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from experiments.cvs.photographs import Photographs
from gonogo.base.errors import UserError

SIZE = 32


def noise(path: Path, seed: int = 0, size: tuple[int, int] = (120, 90)) -> Path:
    """A picture of random colours, which no two crops share."""
    width, height = size
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture(scope="module")
def shipped(root: Path) -> Photographs:
    return Photographs(root / "resources/photographs")


def test_shipped_folder_is_small_documented_and_gives_64_distinct_bright_inputs(shipped: Photographs) -> None:
    assert sum(file.stat().st_size for file in shipped.folder.iterdir()) < 1.5e6
    readme = (shipped.folder / "README.md").read_text()
    assert all(path.name in readme for path in shipped.paths)

    items = [shipped.item(index, SIZE, 0) for index in range(64)]
    thumbnails = np.stack([np.asarray(Image.fromarray(item.image).resize((8, 8))) for item in items]).astype(float)
    differences = np.abs(thumbnails[:, None] - thumbnails[None]).mean((2, 3, 4)) + 255 * np.eye(64)
    assert differences.min() > 4, "two of the inputs are nearly the same picture"
    luma = np.stack([item.image for item in items]) @ np.array([0.299, 0.587, 0.114])
    assert luma.mean((1, 2)).min() > 45
    assert luma.std((1, 2)).min() > 25


def test_an_item_depends_on_its_index_and_seed_alone(shipped: Photographs) -> None:
    first = shipped.item(9, SIZE, 0)
    again = Photographs(shipped.folder).item(9, SIZE, 0)
    assert np.array_equal(first.image, again.image)
    assert not np.array_equal(first.image, shipped.item(9, SIZE, 1).image)


def test_one_picture_alone_gives_as_many_items_as_asked(tmp_path: Path) -> None:
    noise(tmp_path / "only.PNG")
    photographs = Photographs(tmp_path)
    assert len({photographs.item(index, SIZE, 0).image.tobytes() for index in range(40)}) == 40


def test_true_depth_is_cropped_and_mirrored_with_its_picture(tmp_path: Path) -> None:
    ramp = np.add.outer(2 * np.arange(60), np.arange(100))
    Image.fromarray(np.stack([ramp] * 3, -1).astype(np.uint8)).save(tmp_path / "ramp.png")
    np.savez(tmp_path / "ramp.inverse_depth.npz", inverse_depth=ramp.astype(np.float16))
    photographs = Photographs(tmp_path)
    mirrored = set()
    for index in range(8):
        item = photographs.item(index, SIZE, 0)
        assert item.inverse_depth is not None
        assert np.abs(item.image[..., 0] - item.inverse_depth).max() < 2.5
        mirrored.add(item.inverse_depth[0, 0] > item.inverse_depth[0, -1])
    assert mirrored == {True, False}


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK"])
def test_every_kind_of_picture_becomes_rgb(tmp_path: Path, mode: str) -> None:
    noise(tmp_path / "x.png")
    suffix = "jpg" if mode == "CMYK" else "png"
    Image.open(tmp_path / "x.png").convert(mode).save(tmp_path / f"y.{suffix}")
    (tmp_path / "x.png").unlink()
    assert Photographs(tmp_path).item(0, SIZE, 0).image.shape == (SIZE, SIZE, 3)


def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path: Path) -> None:
    ramp = np.tile(np.linspace(0, 65535, 64).astype(np.uint16), (64, 1))
    Image.fromarray(ramp).save(tmp_path / "grey.png")
    assert 60 < Photographs(tmp_path).item(0, SIZE, 0).image.mean() < 200


def test_an_unreadable_picture_is_named_and_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = noise(tmp_path / "a.jpg")
    (tmp_path / "b.jpg").write_bytes(whole.read_bytes()[:2000])
    (tmp_path / "c.png").write_text("not a picture")
    with caplog.at_level(logging.WARNING):
        items = [Photographs(tmp_path).item(index, SIZE, 0) for index in range(6)]
    assert {item.name for item in items} == {"a.jpg"}
    assert len({item.image.tobytes() for item in items}) == 6
    assert str(tmp_path / "b.jpg") in caplog.text
    assert str(tmp_path / "c.png") in caplog.text


def test_nothing_readable_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(UserError, match=r"none of its 1 pictures.*PNG or JPEG") as error:
        Photographs(tmp_path).item(0, SIZE, 0)
    assert str(tmp_path) in str(error.value)


def test_missing_empty_and_mistaken_folders_are_named(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    for folder in (tmp_path, tmp_path / "missing", tmp_path / "notes.txt"):
        with pytest.raises(UserError, match="Put one or more PNG or JPEG photographs there") as error:
            Photographs(folder)
        assert str(folder) in str(error.value)


@pytest.mark.parametrize("content", [b"not an archive", None])
def test_damaged_true_depth_is_an_error_that_names_the_file(tmp_path: Path, content: bytes | None) -> None:
    noise(tmp_path / "x.png")
    depth = tmp_path / "x.inverse_depth.npz"
    if content is None:
        np.savez(depth, inverse_depth=np.full((4, 4), np.nan))
    else:
        depth.write_bytes(content)
    with pytest.raises(UserError, match="Fix or remove it") as error:
        Photographs(tmp_path).item(0, SIZE, 0)
    assert str(depth) in str(error.value)
