"""One pass over a picture: the figures are right, and a bad file is told, never raised."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from gonogo.quality.statistics import image_statistics, pair_statistics, pixel_statistics

from .scenes import photograph


@pytest.fixture
def picture() -> np.ndarray:
    return photograph(np.random.default_rng(0))


def save(folder: Path, picture: np.ndarray, name: str = "a.png") -> Path:
    path = folder / name
    assert cv2.imwrite(str(path), picture)
    return path


def test_scalars_agree_with_numpy(picture: np.ndarray) -> None:
    found = pixel_statistics(picture)
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(float)
    assert found.mean == pytest.approx(grey.mean())
    assert found.sigma == pytest.approx(grey.std())
    assert [found.p5, found.p50, found.p95] == pytest.approx(np.percentile(grey, [5, 50, 95]), abs=1)
    assert found.black_share == pytest.approx((grey <= 8).mean())
    assert found.white_share == pytest.approx((grey >= 246).mean())
    across = ((grey[:, 8:] - grey[:, :-8]) ** 2).mean()
    down = ((grey[8:] - grey[:-8]) ** 2).mean()
    assert found.autocorrelation_8 == pytest.approx(1 - (across + down) / (4 * grey.var()))
    shares = np.bincount(grey.astype(int).ravel(), minlength=256) / grey.size
    assert found.mode_share == pytest.approx(shares.max())
    assert found.entropy_bits == pytest.approx(-(shares[shares > 0] * np.log2(shares[shares > 0])).sum())


def test_white_noise_has_no_autocorrelation_and_its_sigma_is_found() -> None:
    noise = np.clip(np.random.default_rng(0).normal(128, 15, (128, 128)), 0, 255).astype(np.uint8)
    found = pixel_statistics(cv2.cvtColor(noise, cv2.COLOR_GRAY2BGR))
    assert abs(found.autocorrelation_1) < 0.03
    assert found.noise_sigma == pytest.approx(15, rel=0.05)


def test_one_colour() -> None:
    found = pixel_statistics(np.full((32, 32, 3), 90, np.uint8))
    assert (found.sigma, found.mode_share, found.entropy_bits, found.coverage) == (0, 1, 0, 0)


def test_coverage_is_the_object_before_its_background() -> None:
    picture = np.full((40, 40, 3), 5, np.uint8)
    picture[10:30, 10:30] = 200
    found = pixel_statistics(picture)
    assert found.coverage == pytest.approx(0.25)
    assert (found.border_share, found.border_level) == (1, 5)


def test_a_file_is_hashed_and_described(tmp_path: Path, picture: np.ndarray) -> None:
    path = save(tmp_path, picture)
    found = image_statistics(path)
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (found.width, found.height, found.mode, found.problem) == (64, 64, "rgb8", "")
    assert "thumbnail" not in found.model_dump()


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.99])
@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_a_truncated_file_is_a_finding(tmp_path: Path, picture: np.ndarray, name: str, kept: float) -> None:
    path = save(tmp_path, picture, name)
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    found = image_statistics(path)
    assert found.pixels is None
    assert found.problem
    assert found.sha256


def test_damage_inside_a_png_is_a_finding(tmp_path: Path, picture: np.ndarray) -> None:
    path = save(tmp_path, picture)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 16
    path.write_bytes(data)
    assert "damaged" in image_statistics(path).problem


def test_other_things_than_pictures_are_findings(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("hello")
    assert image_statistics(tmp_path / "a.png").problem
    assert image_statistics(tmp_path / "b.png").problem == "missing"
    assert image_statistics(tmp_path).problem.startswith("cannot be read")
    assert "too small" in image_statistics(save(tmp_path, np.zeros((8, 8, 3), np.uint8))).problem
    spoiled = np.full((32, 32, 3), np.nan, np.float32)
    assert "NaN" in image_statistics(save(tmp_path, spoiled, "a.tiff")).problem


def test_other_modes_are_named_and_measured_alike(tmp_path: Path, picture: np.ndarray) -> None:
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    modes = {
        "grey8": grey,
        "rgba8": cv2.cvtColor(picture, cv2.COLOR_BGR2BGRA),
        "grey16": grey.astype(np.uint16) * 257,
        "rgb16": picture.astype(np.uint16) * 257,
    }
    for mode, stored in modes.items():
        found = image_statistics(save(tmp_path, stored))
        assert found.mode == mode
        assert found.pixels is not None
        assert found.pixels.mean == pytest.approx(grey.mean(), abs=0.5)


def test_pairs_tell_copies_from_others(tmp_path: Path, picture: np.ndarray) -> None:
    own = image_statistics(save(tmp_path, picture))
    same = pair_statistics(own, own)
    assert same is not None
    assert (same.thumbnail_difference, same.dhash_bits) == (0, 0)
    other = pair_statistics(own, image_statistics(save(tmp_path, picture[::-1])))
    assert other is not None
    assert other.thumbnail_difference > 10
    assert other.dhash_bits > 15
    assert pair_statistics(own, image_statistics(tmp_path / "absent.png")) is None
