"""One pass over a picture: the figures are right, and a bad file is reported, never raised."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from gonogo.quality.pictures.measurements import ImageStatistics
from gonogo.quality.pictures.pixels import pixel_statistics
from gonogo.quality.pictures.statistics import image_statistics, pair_statistics
from tests.quality.scenes import PHOTOGRAPHS, photograph


@pytest.fixture
def picture() -> np.ndarray:
    return photograph(np.random.default_rng(0))


def save(folder: Path, picture: np.ndarray, name: str = "a.png") -> Path:
    path = folder / name
    exact = [cv2.IMWRITE_TIFF_COMPRESSION, 1] if path.suffix == ".tiff" else []  # OpenCV 4 would lose the NaNs
    assert cv2.imwrite(str(path), picture, exact)
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


def every_row(picture: np.ndarray) -> dict[str, float]:
    """What a few rows are to stand for, by the definitions, from all of them."""
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(float)
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], float)

    def autocorrelation(lag: int) -> float:
        across = ((grey[:, lag:] - grey[:, :-lag]) ** 2).mean()
        return float(1 - (across + ((grey[lag:] - grey[:-lag]) ** 2).mean()) / (4 * grey.var()))

    return {
        "mean": grey.mean(),
        "sigma": grey.std(),
        "p5": np.percentile(grey, 5),
        "p95": np.percentile(grey, 95),
        "autocorrelation_1": autocorrelation(1),
        "autocorrelation_8": autocorrelation(8),
        "laplacian_variance": cv2.Laplacian(grey, cv2.CV_64F)[1:-1, 1:-1].var(),
        "noise_sigma": float(np.median(np.abs(cv2.filter2D(grey, -1, kernel)))) / 0.6745 / 6,
    }


@pytest.mark.parametrize("size", [(256, 256), (300, 517), (131, 200)])
@pytest.mark.parametrize("noise", [0, 12])
def test_some_rows_stand_for_all(size: tuple[int, int], noise: float) -> None:
    rng = np.random.default_rng(0)
    ratios = []
    for path in sorted(PHOTOGRAPHS.glob("*.jpg")):
        picture = cv2.resize(cv2.imread(str(path)), size[::-1], interpolation=cv2.INTER_AREA)
        picture = np.clip(picture + rng.normal(0, noise, picture.shape), 0, 255).astype(np.uint8)
        found, expected = pixel_statistics(picture), every_row(picture)
        for name, within in {"mean": 1.5, "sigma": 1, "p5": 3, "p95": 5, "noise_sigma": 0.5}.items():
            assert getattr(found, name) == pytest.approx(expected[name], abs=within), (path.name, name)
        assert found.autocorrelation_1 == pytest.approx(expected["autocorrelation_1"], abs=0.01)
        assert found.autocorrelation_8 == pytest.approx(expected["autocorrelation_8"], abs=0.02)
        ratios.append(found.laplacian_variance / expected["laplacian_variance"])
    assert np.abs(np.log(ratios)).max() < 0.2
    assert np.median(np.abs(np.log(ratios))) < 0.06


def test_blocks_of_jpeg_do_not_sway_the_sample(tmp_path: Path) -> None:
    """A sample in step with the 8×8 blocks would see their edges always or never."""
    for path in sorted(PHOTOGRAPHS.glob("*.jpg")):
        picture = cv2.resize(cv2.imread(str(path)), (256, 256), interpolation=cv2.INTER_CUBIC)
        blocky = cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 15])[1], cv2.IMREAD_COLOR)
        expected = every_row(blocky)["laplacian_variance"]
        assert pixel_statistics(blocky).laplacian_variance == pytest.approx(expected, rel=0.2)


def test_pictures_of_any_shape_are_measured(tmp_path: Path, picture: np.ndarray) -> None:
    for height, width in [(16, 16), (17, 300), (127, 16), (128, 16), (129, 1000), (1500, 40), (801, 1203)]:
        found = pixel_statistics(cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR))
        assert found.mean == pytest.approx(picture.mean(), abs=25)
        assert found.noise_sigma >= 0


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


def test_coverage_of_a_large_picture_is_taken_from_points() -> None:
    picture = np.full((700, 500, 3), 5, np.uint8)
    picture[100:450, 100:350] = 200
    assert pixel_statistics(picture).coverage == pytest.approx(0.25, abs=0.02)


def test_a_thumbnail_is_the_mean_of_its_part(tmp_path: Path) -> None:
    ramp = np.add.outer(np.arange(256.0), np.arange(256.0)) / 2
    picture = np.stack([ramp, 255 - ramp, np.full_like(ramp, 77)], -1).astype(np.uint8)
    thumbnail = image_statistics(save(tmp_path, picture)).thumbnail
    assert (thumbnail.shape, thumbnail.dtype) == ((32, 32, 3), np.uint8)
    assert np.abs(thumbnail - picture.reshape(32, 8, 32, 8, 3).mean((1, 3))).max() <= 2


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


def test_what_was_measured_before_is_not_decoded_again(tmp_path: Path, picture: np.ndarray) -> None:
    path = save(tmp_path, picture)
    first = image_statistics(path)
    earlier = first.model_copy(update={"problem": "from earlier"})
    asked: list[str] = []

    def known(sha256: str) -> ImageStatistics | None:
        asked.append(sha256)
        return earlier if sha256 == first.sha256 else None

    assert image_statistics(path, known) is earlier
    other = image_statistics(save(tmp_path, picture[::-1], "b.png"), known)
    assert other.problem == ""
    assert asked == [first.sha256, other.sha256]
    path.rename(tmp_path / "a.jpg")
    assert image_statistics(tmp_path / "a.jpg", known).wrong_suffix
    assert not earlier.wrong_suffix


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
