"""What is there twice, or nearly, and what lies on both sides of a split."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest

from gonogo.quality.bits import bit_count
from gonogo.quality.duplicates import DuplicateIndex
from gonogo.quality.items import FileProblem, MeasuredItem
from gonogo.quality.near_duplicates import TOLERANCE, as_numbers, near_pairs
from gonogo.quality.pictures.hashes import near_hash
from gonogo.verdict import Check, Status
from tests.conftest import ROOT

PHOTOGRAPHS = sorted((ROOT / "resources" / "photographs").glob("*.jpg"))


def item(name: str, content: str = "", near: str = "", split: str = "", group: str = "") -> MeasuredItem:
    content = hashlib.sha256((content or name).encode()).hexdigest()
    return MeasuredItem(name=name, folder="data", content=content, near=near, split=split, group=group)


def flipped(near: str, bits: Iterable[int]) -> str:
    value = int(near, 16)
    for bit in bits:
        value ^= 1 << (4 * len(near) - 1 - bit)
    return f"{value:0{len(near)}x}"


def asked(items: list[MeasuredItem]) -> tuple[DuplicateIndex, dict[str, list[str]], dict[str, Check]]:
    """The duplicates, ids of faults by name, and the checks by id."""
    duplicates = DuplicateIndex()
    for one in items:
        duplicates.add(one)
    duplicates.close()
    faults = {one.name: [fault.id for fault in duplicates.faults(one)] for one in items}
    return duplicates, faults, {check.id: check for check in duplicates.checks("picture")}


def thumbnail(picture: np.ndarray) -> np.ndarray:
    return cv2.resize(picture, (32, 32), interpolation=cv2.INTER_AREA)


def bits_apart(one: str, other: str) -> int:
    return (int(one[:32], 16) ^ int(other[:32], 16)).bit_count()


# --- looks ---


@pytest.mark.parametrize("path", PHOTOGRAPHS, ids=lambda path: path.stem)
def test_a_copy_that_was_saved_again_looks_the_same(path: Path) -> None:
    picture = cv2.imread(str(path))
    own = near_hash(thumbnail(picture))
    jpeg = cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 70])[1], cv2.IMREAD_COLOR)
    half = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    brighter = cv2.convertScaleAbs(picture, beta=8)
    for copy in (jpeg, half, brighter):
        assert bits_apart(own, near_hash(thumbnail(copy))) <= TOLERANCE


def test_different_photographs_and_crops_do_not_look_the_same() -> None:
    looks = []
    for path in PHOTOGRAPHS:
        picture = cv2.imread(str(path))
        side = min(picture.shape[:2]) * 3 // 5
        looks += [near_hash(thumbnail(crop)) for crop in (picture[:side, :side], picture[-side:, -side:])]
    looks = [look for look in looks if look]
    apart = [bits_apart(one, other) for place, one in enumerate(looks) for other in looks[:place]]
    assert len(looks) > 10 and min(apart) > 2 * TOLERANCE


def test_a_flat_picture_has_no_looks() -> None:
    flat = np.full((32, 32, 3), 90, np.uint8)
    flat[10:14, 10:14] = 200
    assert near_hash(flat) == ""


def test_every_near_pair_is_found_once_and_no_other() -> None:
    """Against all pairs, one by one; with a bucket in which half of all hashes are equal but for a few bits."""
    rng = np.random.default_rng(1)
    hashes = rng.integers(0, 1 << 63, (600, 2), dtype=np.uint64)
    crowd = hashes[0] ^ (
        rng.integers(0, 2, (300, 2), dtype=np.uint64) << rng.integers(0, 64, (300, 2)).astype(np.uint64)
    )
    for place in range(300, 600):
        hashes[place] = hashes[place - 300]
        for bit in rng.choice(128, rng.integers(1, 10), replace=False):
            hashes[place, bit // 64] ^= np.uint64(1) << np.uint64(bit % 64)
    hashes = np.unique(np.concatenate([hashes, crowd]), axis=0)
    distance = bit_count(hashes[:, None] ^ hashes[None]).sum(axis=2)
    truth = {(a, b) for a, b in np.argwhere(distance <= TOLERANCE).tolist() if a < b}
    found = [
        (min(a, b), max(a, b))
        for one, other in near_pairs(hashes, np.zeros(len(hashes), np.uint64))
        for a, b in zip(one.tolist(), other.tolist(), strict=True)
    ]
    assert len(truth) > 1000
    assert sorted(found) == sorted(truth)


def test_a_film_of_a_scene_that_stands_still_is_searched_in_time() -> None:
    """10,000 hashes that differ in 24 bits alone: all hang together."""
    rng = np.random.default_rng(4)
    hashes = np.zeros((10_000, 2), np.uint64)
    hashes[:, 0] = rng.choice(1 << 24, 10_000, replace=False)
    start = time.process_time()
    found = np.unique(np.concatenate([np.r_[one, other] for one, other in near_pairs(hashes, hashes[:, 1])]))
    assert time.process_time() - start < 30
    assert len(found) > 9_900


def test_colours_tell_one_sky_from_another() -> None:
    sky = np.linspace(60, 250, 32)[:, None, None] * np.ones((1, 32, 1))
    blue, red = (thumbnail((sky * tint).astype(np.uint8)) for tint in ([1.0, 0.6, 0.3], [0.3, 0.6, 1.0]))
    looks = [near_hash(picture) for picture in (blue, red)]
    numbers = np.array([as_numbers(look) for look in looks], np.uint64)
    assert bits_apart(*looks) <= TOLERANCE
    assert not list(near_pairs(numbers[:, :2].copy(), numbers[:, 2].copy()))


# --- copies ---

LOOK = "65716325739a3aaeb87006070ee6807799a66722345a"


def test_copies_are_warned_of_and_name_their_original() -> None:
    items = [item("a.png", "x"), item("b.png"), item("c.png", "x"), item("d.png", "x")]
    duplicates, faults, checks = asked(items)
    assert faults == {"a.png": [], "b.png": [], "c.png": ["copy_of"], "d.png": ["copy_of"]}
    assert duplicates.faults(items[2])[0].reason == "copy of a.png"
    assert duplicates.faults(items[2])[0].warns
    assert checks["repetition"].value == 50.0
    assert "data/c.png of data/a.png" in checks["repetition"].why


def test_near_copies_hang_together_over_steps() -> None:
    chain = [LOOK, flipped(LOOK, range(5)), flipped(LOOK, range(10)), flipped(LOOK, range(60))]
    others = [item(f"other_{place}.png") for place in range(9)]
    duplicates, faults, checks = asked([item(f"{place}.png", near=near) for place, near in enumerate(chain)] + others)
    assert [faults[f"{place}.png"] for place in range(4)] == [[], ["near_copy"], ["near_copy"], []]
    assert (duplicates.near_copies, duplicates.copies) == (2, 0)
    assert checks["repetition"].status is Status.CAUTION


def test_a_long_chain_hangs_together_in_any_order() -> None:
    links = [item(f"{place:02d}.png", near=flipped(LOOK, range(5 * place))) for place in range(20)]
    for seed in range(5):
        random.Random(seed).shuffle(links)
        assert asked(links)[0].near_copies == 19


def test_a_collapsed_set_stops() -> None:
    varied = [item(f"{place}.png") for place in range(4)]
    same = [item(f"same_{place}.png", near=flipped(LOOK, [place])) for place in range(6)]
    _, _, checks = asked(varied + same)
    assert checks["repetition"].status is Status.NO_GO
    assert "6 look like one" in checks["repetition"].why
    _, _, checks = asked(varied + [item(f"copy_{place}.png", "x") for place in range(7)])
    assert checks["repetition"].status is Status.NO_GO


# --- leakage ---


def test_the_same_content_looks_or_group_in_two_splits_leaks() -> None:
    items = [
        item("train/a.png", "x", split="train"),
        item("train/b.png", near=LOOK, split="train"),
        item("train/c.png", group="ada", split="train"),
        item("train/d.png", split="train"),
        item("val/a.png", "x", split="val"),
        item("val/b.png", near=flipped(LOOK, [3, 9]), split="val"),
        item("test/c.png", group="ada", split="test"),
        item("test/d.png", split="test"),
    ]
    duplicates, faults, checks = asked(items)
    assert {name for name, ids in faults.items() if ids} == {
        one.name for one in items if not one.name.endswith("d.png")
    }
    assert all(ids == ["leaks"] for ids in faults.values() if ids)
    assert not duplicates.faults(items[4])[0].warns
    assert checks["leakage"].status is Status.NO_GO
    assert checks["leakage"].value == 6
    why = checks["leakage"].why
    assert "data/train/a.png and data/val/a.png (same content)" in why
    assert "data/train/b.png and data/val/b.png (same looks)" in why
    assert "data/train/c.png and data/test/c.png (same group)" in why


def test_what_repeats_within_one_split_does_not_leak() -> None:
    items = [item(f"train/{k}.png", "x", near=LOOK, group="g", split="train") for k in range(2)]
    _, faults, checks = asked([*items, item("test/0.png", split="test"), item("test/1.png", split="test")])
    assert faults["train/1.png"] == ["copy_of"]
    assert checks["leakage"].status is Status.GO


def test_data_without_splits_is_told_so() -> None:
    _, _, checks = asked([item("a.png", "x"), item("b.png", "x")])
    assert checks["leakage"].grey
    assert "names no two splits" in checks["leakage"].why


def test_unreadable_items_are_no_copies() -> None:
    broken = [item(f"{place}.png", "x") for place in range(3)]
    for one in broken:
        one.problems = [FileProblem(path=one.name, reason="empty file")]
    duplicates, faults, _ = asked([*broken, item("a.png")])
    assert (duplicates.items, duplicates.copies) == (1, 0)
    assert not any(faults.values())


def test_order_changes_nothing_but_names() -> None:
    rng = random.Random(2)
    looks = [f"{rng.getrandbits(128):032x}{rng.getrandbits(48):012x}" for _ in range(30)]
    items = []
    for place in range(200):
        number = rng.randrange(150)
        own = random.Random(number)
        near = flipped(own.choice(looks), own.sample(range(128), 2))
        split, group = rng.choice(["train", "val", ""]), rng.choice(["", f"g{rng.randrange(100)}"])
        items.append(item(f"{place}.png", f"c{number}", near, split, group))
    results = []
    for _ in range(3):
        duplicates, faults, checks = asked(items)
        leaks = {name for name, ids in faults.items() if "leaks" in ids}
        near = sum("near_copy" in ids for ids in faults.values())
        copies = sum("copy_of" in ids for ids in faults.values())
        assert (len(leaks), near, copies) == (duplicates.leaking, duplicates.near_copies, duplicates.copies)
        results.append((leaks, near, copies, [(check.status, check.value) for check in checks.values()]))
        rng.shuffle(items)
    assert results[0] == results[1] == results[2]
    assert results[0][0] and results[0][1] and results[0][2]


def test_a_hundred_thousand_items_take_no_two_seconds() -> None:
    rng = np.random.default_rng(3)
    bits = rng.normal(size=(100_000, 24)) @ rng.normal(size=(24, 128)) > 0  # as dependent as those of pictures
    looks = np.packbits(bits, axis=1)
    duplicates = DuplicateIndex()
    for place, look in enumerate(looks):
        near = look.tobytes().hex() + "000000000000"
        duplicates.add(MeasuredItem.model_construct(name=str(place), folder="", content=str(place), near=near,
                                               split="", group="", problems=[]))  # fmt: skip
    start = time.process_time()
    duplicates.close()
    assert time.process_time() - start < 30
    assert duplicates.items == 100_000
