"""Files as found in practice: every format and oddity is reported, and damage is a finding, never half a picture."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from gonogo.quality.pictures.decoding import MOST_PIXELS, decode
from gonogo.quality.pictures.measurements import ImageStatistics
from gonogo.quality.pictures.statistics import image_statistics
from tests.quality.scenes import photograph

BGR = photograph(np.random.default_rng(0))
RGB = Image.fromarray(BGR[..., ::-1])
OTHER = RGB.rotate(90)


def saved(picture: Image.Image, name: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, name, **options)
    return file.getvalue()


def encoded(suffix: str, array: np.ndarray) -> bytes:
    exact = [cv2.IMWRITE_TIFF_COMPRESSION, 1] if suffix == ".tiff" else []  # OpenCV 4 would round floats to LogLuv
    return cv2.imencode(suffix, array, exact)[1].tobytes()


def array_file(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@pytest.fixture
def found(tmp_path: Path) -> Callable[..., ImageStatistics]:
    """Statistics of a file with these bytes."""

    def run(data: bytes, name: str = "a.png") -> ImageStatistics:
        (tmp_path / name).write_bytes(data)
        return image_statistics(tmp_path / name)

    return run


Found = Callable[..., ImageStatistics]
FORMATS = {
    "a.png": saved(RGB, "PNG"),
    "a.jpg": saved(RGB, "JPEG", quality=95),
    "a.JPEG": saved(RGB, "JPEG", quality=95, progressive=True),
    "a.bmp": saved(RGB, "BMP"),
    "a.tif": saved(RGB, "TIFF"),
    "a.tiff": saved(RGB, "TIFF", compression="tiff_lzw"),
    "a.webp": saved(RGB, "WEBP", lossless=True),
    "a.npy": array_file(np.asarray(RGB)),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_shows_the_same_picture(found: Found, name: str) -> None:
    """The channels are in their order, too: .npy files are RGB."""
    statistics = found(FORMATS[name], name)
    assert (statistics.problem, statistics.mode, statistics.wrong_suffix) == ("", "rgb8", False)
    assert (statistics.width, statistics.height, statistics.frames, statistics.orientation) == (64, 64, 1, 1)
    assert statistics.format in {"png", "jpeg", "bmp", "tiff", "webp", "npy"}
    expected = cv2.resize(BGR, (32, 32), interpolation=cv2.INTER_AREA)
    assert np.abs(statistics.thumbnail.astype(int) - expected).mean() < 4


@pytest.mark.parametrize("name", FORMATS)
def test_a_cut_file_is_never_half_a_picture(found: Found, name: str) -> None:
    data = FORMATS[name]
    lengths = np.random.default_rng(0).integers(0, len(data) - 16, 40)
    for length in [*lengths.tolist(), 0, 1, len(data) - 30]:
        statistics = found(data[:length], name)
        assert statistics.problem
        assert (statistics.pixels, statistics.thumbnail) == (None, None)


def test_a_missing_end_is_told_whatever_follows(found: Found) -> None:
    data = FORMATS["a.png"]
    assert found(data + b"trailing").problem == ""
    assert "end is missing" in found(data[:-12]).problem
    assert found(FORMATS["a.jpg"] + b"trailing", "a.jpg").problem == ""
    assert "truncated" in found(FORMATS["a.jpg"][:-2], "a.jpg").problem


@pytest.mark.parametrize("bit", range(0, 8, 3))
def test_a_flipped_bit_in_a_png_is_damage(found: Found, bit: int) -> None:
    for at in np.random.default_rng(bit).integers(8, len(FORMATS["a.png"]) - 12, 60).tolist():
        data = bytearray(FORMATS["a.png"])
        data[at] ^= 1 << bit
        assert found(bytes(data)).problem, at


def test_a_broken_stream_with_good_checksums_of_its_chunks_is_damage(found: Found) -> None:
    data = FORMATS["a.png"]
    start = data.index(b"IDAT") + 4
    length = struct.unpack_from(">I", data, start - 8)[0]
    body = bytearray(data[start : start + length])
    body[length // 2] ^= 16
    checksum = struct.pack(">I", zlib.crc32(b"IDAT" + body))
    assert "damaged" in found(data[:start] + bytes(body) + checksum + data[start + length + 4 :]).problem


def test_a_jpeg_whose_stream_does_not_fit_is_damage(found: Found) -> None:
    """OpenCV and Pillow show such pictures, wrong from there on."""
    data, told = FORMATS["a.jpg"], 0
    start = data.index(b"\xff\xda") + 14
    for at in np.random.default_rng(0).integers(start, len(data) - 2, 60).tolist():
        flipped = bytearray(data)
        flipped[at] ^= 64
        told += bool(found(bytes(flipped), "a.jpg").problem)
        assert cv2.imdecode(np.frombuffer(flipped, np.uint8), cv2.IMREAD_COLOR) is not None
    assert told > 10


def test_what_is_no_picture_is_told(found: Found, tmp_path: Path) -> None:
    assert found(b"").problem == "empty file"
    assert "not a PNG" in found(b"hello").problem
    assert "too small" in found(saved(RGB.crop((0, 0, 1, 1)), "PNG")).problem
    assert "OpenEXR" in found(b"v/1\x01" + bytes(100), "a.exr").problem
    assert image_statistics(tmp_path / "none.png").problem == "missing"
    assert image_statistics(tmp_path).problem.startswith("cannot be read")
    if os.geteuid():
        (tmp_path / "a.png").chmod(0)
        assert "ermission" in image_statistics(tmp_path / "a.png").problem


def test_another_format_than_the_name_says_is_a_finding_and_measured(found: Found) -> None:
    statistics = found(FORMATS["a.jpg"], "a.png")
    assert (statistics.format, statistics.wrong_suffix, statistics.problem) == ("jpeg", True, "")
    assert statistics.pixels is not None
    assert not found(FORMATS["a.jpg"], "a.jpeg").wrong_suffix


def test_a_bomb_is_not_opened(found: Found) -> None:
    """A header that claims 400 megapixels, in files of a few bytes."""
    png = bytearray(FORMATS["a.png"])
    struct.pack_into(">II", png, 16, 20_000, 20_000)
    struct.pack_into(">I", png, 29, zlib.crc32(png[12:29]))
    bmp = bytearray(FORMATS["a.bmp"])
    struct.pack_into("<ii", bmp, 18, 20_000, 20_000)
    npy = b"\x93NUMPY\x01\x00" + struct.pack("<H", 118)
    npy += b"{'descr': '|u1', 'fortran_order': False, 'shape': (20000, 20000)}".ljust(117) + b"\n"
    for data in (bytes(png), bytes(bmp), npy):
        assert f"{MOST_PIXELS // 1_000_000} megapixels" in found(data).problem


def test_palettes_and_opacity_are_told(found: Found) -> None:
    paletted = found(saved(RGB.quantize(200), "PNG"))
    assert (paletted.palette, paletted.mode) == (True, "rgb8")
    rgba = np.dstack([BGR, np.full(BGR.shape[:2], 255, np.uint8)])
    whole = found(encoded(".png", rgba))
    assert (whole.mode, whole.alpha, whole.not_opaque_share) == ("rgba8", True, 0)
    rgba[:16, :, 3] = 100
    assert found(encoded(".png", rgba)).not_opaque_share == 0.25
    assert found(encoded(".png", rgba.astype(np.uint16) * 257)).not_opaque_share == 0.25
    plain = found(FORMATS["a.png"])
    assert (plain.alpha, plain.palette, plain.grey_in_rgb) == (False, False, False)


def test_grey_is_told_however_it_is_stored(found: Found) -> None:
    grey = cv2.cvtColor(BGR, cv2.COLOR_BGR2GRAY)
    assert found(encoded(".png", grey)).mode == "grey8"
    assert not found(encoded(".png", grey)).grey_in_rgb
    three = np.dstack([grey] * 3)
    assert found(encoded(".png", three)).grey_in_rgb
    assert found(encoded(".jpg", three), "a.jpg").grey_in_rgb
    three[50, 3, 1] ^= 1
    assert not found(encoded(".png", three)).grey_in_rgb


def test_several_pictures_in_a_file_are_told(found: Found) -> None:
    several = {
        "a.png": saved(RGB, "PNG", save_all=True, append_images=[OTHER]),
        "a.webp": saved(RGB, "WEBP", save_all=True, append_images=[OTHER], lossless=True),
        "a.tif": saved(RGB, "TIFF", save_all=True, append_images=[OTHER]),
        "a.jpg": saved(RGB, "MPO", save_all=True, append_images=[OTHER]),
    }
    for name, data in several.items():
        statistics = found(data, name)
        assert (statistics.frames, statistics.problem) == (2, ""), name
        assert "truncated" in found(data[: len(data) * 9 // 10], name).problem, name


def test_orientation_is_told_and_not_applied(found: Found) -> None:
    wide = RGB.crop((0, 0, 64, 32))
    for name, kind in {"a.jpg": "JPEG", "a.png": "PNG", "a.webp": "WEBP", "a.tif": "TIFF"}.items():
        statistics = found(saved(wide, kind, exif=turned(6)), name)
        assert (statistics.orientation, statistics.width, statistics.height) == (6, 64, 32), name


def test_cmyk_is_told_and_shown(found: Found) -> None:
    statistics = found(saved(RGB.convert("CMYK"), "JPEG", quality=95), "a.jpg")
    assert statistics.mode == "cmyk8"
    assert statistics.pixels is not None
    assert statistics.pixels.mean == pytest.approx(cv2.cvtColor(BGR, cv2.COLOR_BGR2GRAY).mean(), abs=3)


def test_float_pictures_are_looked_at_before_they_are_clipped(found: Found) -> None:
    picture = BGR.astype(np.float32) / 255
    for suffix, data in {".npy": array_file, ".tiff": lambda array: encoded(".tiff", array)}.items():
        good = found(data(picture), "a" + suffix)
        assert (good.mode, good.not_finite_share, good.outside_unit_share) == ("rgbf32", 0, 0)
        assert good.pixels is not None
        beyond = picture.copy()
        beyond[:32] += 2
        assert found(data(beyond), "a" + suffix).outside_unit_share == 0.5
        spoiled = picture.copy()
        spoiled[:8], spoiled[8:16] = np.nan, np.inf
        statistics = found(data(spoiled), "a" + suffix)
        assert (statistics.not_finite_share, statistics.problem) == (0.25, "holds NaN or Inf")


def test_arrays_of_any_shape(found: Found) -> None:
    grey = cv2.cvtColor(BGR, cv2.COLOR_BGR2GRAY)
    assert found(array_file(grey), "a.npy").mode == "grey8"
    assert found(array_file(grey[..., None]), "a.npy").pixels is not None
    fortran = found(array_file(np.asfortranarray(BGR[..., ::-1])), "a.npy")
    assert fortran.pixels == found(FORMATS["a.png"]).pixels
    for channels in (2, 5):
        assert found(array_file(np.dstack([grey] * channels)), "a.npy").problem == f"{channels} channels"
    refused = {
        "(64,)": grey[0],
        "(2, 2, 2, 2)": np.zeros((2, 2, 2, 2)),
        "no pixels": np.zeros((0, 3)),
        "int32": grey.astype(np.int32),
        "bool": grey > 5,
        "complex": grey.astype(complex),
        "Python objects": np.array([[{}]]),
    }
    for told, array in refused.items():
        assert told in found(array_file(array), "a.npy").problem


def test_bytes_per_sample_tell_noise_from_a_constant(found: Found) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert found(encoded(".png", noise)).bytes_per_sample > 0.85
    assert found(encoded(".png", np.full((256, 256, 3), 9, np.uint8))).bytes_per_sample < 0.01


def test_no_bytes_make_it_raise() -> None:
    rng = np.random.default_rng(0)
    files = [
        *FORMATS.values(),
        saved(RGB, "MPO", save_all=True, append_images=[OTHER]),
        saved(RGB, "PNG", exif=turned(3)),
    ]
    for data in files:
        for _ in range(60):
            spoiled = bytearray(data)
            for at in rng.integers(0, min(len(data), 200), 3).tolist():
                spoiled[at] = int(rng.integers(256))
            decoded = decode(bytes(spoiled))
            assert (decoded.picture is None) == bool(decoded.problem)
