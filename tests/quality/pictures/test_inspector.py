"""Pictures, each by itself: what makes one bad, what only warns, and what must be neither."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from PIL import Image

from gonogo.config.quality_thresholds import ImagesGate, QualityGate
from gonogo.quality.acceptance import AcceptanceRule
from gonogo.quality.items import Finding
from gonogo.quality.judgement import Judgement
from gonogo.quality.measure import measure_part
from gonogo.quality.measured_set import MeasuredSet
from gonogo.quality.registry import kind_of
from gonogo.verdict import Check, Status
from tests.quality.picture_files import crops, photographs, write

SIDE = 96


def judged(folder: Path) -> tuple[Judgement, dict[str, Finding]]:
    """The judgement, and the findings by name."""
    out = folder.parent / f"{folder.name}.measured"
    measure_part("images", folder, out)
    findings: list[Finding] = []
    data = MeasuredSet.read(out)
    judgement = kind_of("images").judge(data, QualityGate(), AcceptanceRule(0.05), findings.append)
    return judgement, {finding.name: finding for finding in findings}


def check(judgement: Judgement, id_: str) -> Check:
    return next(check for check in judgement.checks if check.id == id_)


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """Twenty good pictures."""
    return write(tmp_path / "data", {f"good_{n:02d}.png": picture for n, picture in enumerate(crops(20, SIDE))})


def photograph() -> np.ndarray:
    return crops(1, SIDE, seed=5)[0]


def noise(sigma: float, shape: tuple[int, ...] = (SIDE, SIDE, 3), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, sigma, shape)


def levels(picture: np.ndarray) -> np.ndarray:
    return picture.clip(0, 255).astype(np.uint8)


def hot_pixels() -> np.ndarray:
    frame = levels(8 + noise(1.5))
    frame[np.random.default_rng(2).random((SIDE, SIDE)) < 0.005] = 240
    return frame


BAD = {
    "dark": lambda: np.zeros((SIDE, SIDE, 3), np.uint8),
    "dark ": lambda: levels(photograph() * 0.05),
    "dark  ": hot_pixels,
    "white": lambda: np.full((SIDE, SIDE, 3), 255, np.uint8),
    "constant": lambda: np.full((SIDE, SIDE, 3), (40, 90, 160), np.uint8),
    "washed_out": lambda: levels(photograph() * 0.04 + 120),
    "noise": lambda: levels(127 + noise(40)),
    "noise ": lambda: levels(np.random.default_rng(1).uniform(0, 255, (SIDE, SIDE, 3))),
    "blurred": lambda: levels(np.linspace(40, 200, SIDE)[:, None, None] * np.ones((1, SIDE, 3))),
    "specks": lambda: levels(photograph() + noise(70)),
    "blocks": lambda: cv2.imdecode(cv2.imencode(".jpg", photograph(), [cv2.IMWRITE_JPEG_QUALITY, 1])[1], 1),
    "too_small": lambda: photograph()[:12, :12],
}


@pytest.mark.parametrize("fault", BAD)
def test_what_nobody_would_train_on_is_bad(good: Path, fault: str) -> None:
    write(good, {"bad.png": BAD[fault]()})
    judgement, findings = judged(good)
    assert [found.id for found in findings["bad.png"].faults if not found.warns] == [fault.strip()]
    assert judgement.bad == 1 and judgement.cause == "DATA"
    assert judgement.worst[0].name == "bad.png"


def night() -> np.ndarray:
    dark = (photograph() / 255.0) ** 2 * 60
    for y, x in ((20, 30), (50, 70), (70, 15)):
        cv2.circle(dark, (x, y), 2, (230, 240, 255), -1)
    return levels(dark + noise(2))


def drawing() -> np.ndarray:
    edges = cv2.Canny(photographs()[0], 60, 160)[:SIDE, :SIDE]
    return levels(np.repeat((250 - edges * 0.9)[..., None], 3, 2))


def silhouette() -> np.ndarray:
    sky = np.linspace(120, 240, SIDE)[:, None, None] * np.array([1.0, 0.8, 0.7])
    sky = sky * np.ones((1, SIDE, 1)) + noise(1.5)
    sky[40:, 20:70] = 6
    return levels(sky)


def texture() -> np.ndarray:
    """As gravel: grains of about two pixels, with light and shade."""
    grains = cv2.GaussianBlur(noise(60, (SIDE, SIDE, 1)), (0, 0), 0.8)[..., None]
    return levels(120 + 1.2 * grains + np.zeros(3))


def stars() -> np.ndarray:
    sky = levels(8 + noise(1.5))
    sky[np.random.default_rng(2).random((SIDE, SIDE)) < 0.03] = (200, 220, 240)
    return sky


def lamps() -> np.ndarray:
    """In the dark, of half a percent of its pixels."""
    sky = levels(8 + noise(1.5))
    for y, x in ((20, 30), (50, 70), (70, 15)):
        cv2.circle(sky, (x, y), 2, (200, 220, 240), -1)
    return sky


def few_lines() -> np.ndarray:
    paper = np.full((SIDE, SIDE, 3), 235, np.uint8)
    return cv2.line(paper, (10, 20), (80, 24), (30, 30, 30), 1)


def sharp_sign_before_a_soft_wall() -> np.ndarray:
    """Smooth, but for a thing of a few pixels."""
    return cv2.rectangle(BAD["blurred"](), (60, 40), (63, 43), (70, 70, 70), -1)


HARD = {
    "stars": stars,
    "lamps": lamps,
    "few lines": few_lines,
    "sharp sign": sharp_sign_before_a_soft_wall,
    "chessboard": lambda: levels(
        np.kron(np.indices((12, 12)).sum(axis=0) % 2, np.full((8, 8), 255.0))[..., None] + np.zeros(3)
    ),
    "night": night,
    "snow": lambda: levels(205 + photograph() * 0.17 + noise(3)),
    "fog": lambda: levels(photograph() * 0.25 + 130),
    "drawing": drawing,
    "silhouette": silhouette,
    "texture": texture,
    "object before white": lambda: cv2.copyMakeBorder(
        photograph()[20:60, 20:60], 28, 28, 28, 28, cv2.BORDER_CONSTANT, value=(255, 255, 255)
    ),
    "object before black": lambda: cv2.copyMakeBorder(photograph()[20:60, 20:60], 28, 28, 28, 28, cv2.BORDER_CONSTANT),
}


@pytest.mark.parametrize("name", HARD)
def test_what_only_looks_like_a_fault_is_good(good: Path, name: str) -> None:
    write(good, {"hard.png": HARD[name]()})
    judgement, findings = judged(good)
    assert [fault.id for fault in findings["hard.png"].faults if not fault.warns] == []
    assert judgement.status is not Status.NO_GO


def test_good_pictures_pass_without_a_word(good: Path) -> None:
    judgement, findings = judged(good)
    assert {name: finding.faults for name, finding in findings.items() if finding.faults} == {}
    assert [one.id for one in judgement.checks if one.status is not Status.GO and not one.grey] == []
    assert judgement.cause == ""


# --- what a loader trips over ---


def saved(picture: Image.Image, format_: str, **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, format_, **options)
    return stream.getvalue()


def saved_deep(picture: np.ndarray) -> bytes:
    return cv2.imencode(".png", picture.astype(np.uint16) * 257)[1].tobytes()


def pillow() -> Image.Image:
    return Image.fromarray(photograph()[..., ::-1])


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(pillow(), "JPEG", exif=exif)


ODD = {
    "palette": ("odd.png", lambda: saved(pillow().quantize(32), "PNG")),
    "transparent": ("odd.png", lambda: saved(_half_transparent(), "PNG")),
    "deep": ("odd.png", lambda: saved_deep(photograph())),
    "turned": ("odd.jpg", turned),
    "suffix": ("odd.png", lambda: saved(pillow(), "JPEG", quality=92)),
    "odd_mode": ("odd.png", lambda: saved(pillow().convert("L"), "PNG")),
    "grey": ("odd.png", lambda: saved(pillow().convert("L").convert("RGB"), "PNG")),
    "odd_size": ("odd.png", lambda: saved(pillow().resize((SIDE + 8, SIDE)), "PNG")),
    "frames": ("odd.webp", lambda: saved(pillow(), "WEBP", save_all=True, append_images=[pillow().rotate(90)])),
    "cmyk": ("odd.jpg", lambda: saved(pillow().convert("CMYK"), "JPEG")),
}


def _half_transparent() -> Image.Image:
    picture = pillow().convert("RGBA")
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    return picture


@pytest.mark.parametrize("fault", ODD)
def test_what_a_loader_trips_over_is_a_warning(good: Path, fault: str) -> None:
    name, made = ODD[fault]
    (good / name).write_bytes(made())
    judgement, findings = judged(good)
    assert fault in findings[name].ids
    assert not findings[name].bad
    assert check(judgement, "format").status is Status.CAUTION
    assert name in check(judgement, "format").why
    assert judgement.bad == 0


def test_a_size_far_from_all_others_is_odd_though_none_is_common(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    sizes = {f"{n}.png": cv2.resize(picture, rng.integers(100, 160, 2).tolist()) for n, picture in enumerate(crops(12))}
    folder = write(tmp_path / "data", {**sizes, "icon.png": cv2.resize(photograph(), (32, 32))})
    _, findings = judged(folder)
    assert {name for name, finding in findings.items() if "odd_size" in finding.ids} == {"icon.png"}


def test_floats_with_nan_are_bad_and_beyond_one_are_odd(good: Path) -> None:
    picture = np.dstack([photograph()] * 1).astype(np.float32) / 255
    np.save(good / "fine.npy", picture)
    np.save(good / "beyond.npy", picture * 200)
    picture[3, 4] = np.nan
    np.save(good / "nan.npy", picture)
    judgement, findings = judged(good)
    assert "not_finite" in findings["nan.npy"].ids and findings["nan.npy"].bad
    assert "out_of_unit" in findings["beyond.npy"].ids
    assert not findings["fine.npy"].bad
    assert judgement.cause == "DATA"


# --- the set ---


def test_a_set_that_is_dark_throughout_stops(tmp_path: Path) -> None:
    dark = {f"{n:02d}.png": levels(picture * 0.16) for n, picture in enumerate(crops(20, SIDE))}
    judgement, _ = judged(write(tmp_path / "data", dark))
    assert check(judgement, "set_brightness").status is Status.NO_GO
    dim = {f"{n:02d}.png": levels(picture * 0.33) for n, picture in enumerate(crops(20, SIDE))}
    judgement, _ = judged(write(tmp_path / "dim", dim))
    assert check(judgement, "set_brightness").status is Status.CAUTION


def test_a_set_that_is_washed_out_throughout_stops(tmp_path: Path) -> None:
    flat = {f"{n:02d}.png": levels(picture * 0.08 + 110) for n, picture in enumerate(crops(20, SIDE))}
    judgement, _ = judged(write(tmp_path / "data", flat))
    assert check(judgement, "set_contrast").status is Status.NO_GO


def test_a_photograph_saved_again_in_another_split_leaks(tmp_path: Path) -> None:
    made = crops(12, SIDE)
    folder = write(tmp_path / "data", {f"train/{n}.png": picture for n, picture in enumerate(made)})
    write(folder, {f"val/{n}.png": picture for n, picture in enumerate(crops(6, SIDE, seed=3))})
    judgement, _ = judged(folder)
    assert check(judgement, "leakage").status is Status.GO
    write(folder, {"val/again.jpg": cv2.resize(made[4], None, fx=0.75, fy=0.75, interpolation=cv2.INTER_AREA)})
    judgement, findings = judged(folder)
    assert check(judgement, "leakage").status is Status.NO_GO
    assert judgement.cause == "LEAKAGE"
    assert {name for name, finding in findings.items() if "leaks" in finding.ids} == {"train/4.png", "val/again.jpg"}


def ribs(seed: int) -> np.ndarray:
    """Uneven light on rough boards, with a dark joint about every 16 rows: two jumps each."""
    rng = np.random.default_rng(seed)
    light = cv2.resize(rng.uniform(90, 220, (4, 4, 3)), (2 * SIDE, 2 * SIDE), interpolation=cv2.INTER_CUBIC)
    boards = light + cv2.GaussianBlur(rng.normal(0, 36, light.shape[:2]), (0, 0), 0.8)[..., None]
    joints = np.cumsum(rng.integers(14, 19, 16))
    boards[joints[joints < 2 * SIDE]] -= 50
    return levels(boards)


def test_a_set_of_ribs_is_a_caution_and_bands_that_were_lost_stop(tmp_path: Path) -> None:
    folder = write(tmp_path / "ribs", {f"{n:02d}.png": ribs(n) for n in range(20)})
    found = check(judged(folder)[0], "lines")
    assert found.status is Status.CAUTION and "or ribs" in found.why and "max_seams: 1" in found.hint
    lost = {f"{n:02d}.png": cv2.resize(picture, (2 * SIDE, 2 * SIDE)) for n, picture in enumerate(crops(20, SIDE))}
    for picture in lost.values():
        picture.reshape(-1, 8, *picture.shape[1:])[::2] = 0
    assert check(judged(write(tmp_path / "lost", lost))[0], "lines").status is Status.NO_GO


def test_noise_by_nature_is_named_with_the_keys_that_let_it_pass(tmp_path: Path) -> None:
    grains = [np.repeat(noise(24, (SIDE, SIDE, 1), seed), 3, axis=2) for seed in range(12)]
    folder = write(tmp_path / "grain", {f"{n:02d}.png": levels(127 + grain) for n, grain in enumerate(grains)})
    found = check(judged(folder)[0], "noise")
    assert found.status is Status.NO_GO and "SAR, cryo-EM" in found.hint
    named = yaml.safe_load(found.hint.partition("gates.quality.images: ")[2].removesuffix("."))
    gate = QualityGate(images=ImagesGate(**named))
    data = MeasuredSet.read(tmp_path / "grain.measured")
    judgement = kind_of("images").judge(data, gate, AcceptanceRule(0.05), lambda finding: None)
    assert check(judgement, "noise").status is Status.GO


def test_small_icons_have_no_looks(tmp_path: Path) -> None:
    """Different digits look nearly the same at 8×8 points."""
    digit = np.zeros((28, 28, 3), np.uint8)
    digits = {}
    for n in range(10):
        digits[f"{n}.png"] = cv2.putText(digit.copy(), str(n), (6, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (255,) * 3, 2)
    judgement, _ = judged(write(tmp_path / "data", digits))
    assert "look like" not in check(judgement, "repetition").why


# --- what is shown ---


def test_the_sheet_shows_the_worst_first_with_reasons(good: Path, tmp_path: Path) -> None:
    write(good, {"a_long_name_of_a_file_that_is_noise.png": BAD["noise"]()})
    (good / "broken.png").write_bytes(b"")
    out = tmp_path / "sheet.png"
    judgement, _ = judged(good)
    kind_of("images").sheet(judgement, [good], out)
    page = np.asarray(Image.open(out))
    red = (page == (0xD1, 0x24, 0x2F)).all(axis=2)
    green = (page == (0x2D, 0xA4, 0x4E)).all(axis=2)
    assert page.shape[1] > 1000
    assert np.flatnonzero(red.any(axis=0)).min() < np.flatnonzero(green.any(axis=0)).min()
    assert np.flatnonzero(red[100:].any(axis=1)).max() < 200  # the first row
    blank = (page == (0xD0, 0xD5, 0xDB)).all(axis=2)
    assert blank.sum() > 100 * 100  # the empty file's cell


def test_every_row_has_the_columns_that_are_drawn(good: Path) -> None:
    (good / "broken.png").write_bytes(b"")
    _, findings = judged(good)
    kind = kind_of("images")
    rows = [row for finding in findings.values() for row in kind.rows(finding)]
    wanted = {one.column for one in kind.distributions(QualityGate())}
    assert len({tuple(row) for row in rows}) == 1
    assert wanted <= rows[0].keys()
    assert {name for name, value in rows[-1].items() if value is None} & wanted == set()  # the last one is good


def test_black_pictures_are_named_before_their_likeness_across_splits(tmp_path: Path) -> None:
    black = np.zeros((SIDE, SIDE, 3), np.uint8)
    folder = write(tmp_path / "data", {f"{split}/{n}.png": black for split in ("train", "val") for n in range(8)})
    judgement, _ = judged(folder)
    assert check(judgement, "leakage").status is Status.NO_GO and check(judgement, "light").status is Status.NO_GO
    assert judgement.cause == "DATA"
