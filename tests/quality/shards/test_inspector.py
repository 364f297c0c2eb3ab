"""Shards of samples: good ones pass, and each fault is named."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gonogo.quality.inspect import Inspection, inspect
from gonogo.verdict import Check, Status

Members = list[tuple[str, bytes]]


def picture(seed: int) -> bytes:
    small = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(small).resize((32, 32), Image.Resampling.BICUBIC).save(out, "png")
    return out.getvalue()


def members(shard: int, samples: int = 30) -> Members:
    found: Members = []
    for at in range(samples):
        key = f"{shard:03}{at:04}"
        meta = json.dumps({"caption": f"picture {key}"}).encode()
        found += [(f"{key}.png", picture(100 * shard + at)), (f"{key}.json", meta), (f"{key}.cls", b"%d" % (at % 3))]
    return found


def write(path: Path, held: Members) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        for name, data in held:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for shard in range(5):
        write(tmp_path / f"data/{'train' if shard < 4 else 'val'}-{shard:05}.tar", members(shard))
    return tmp_path / "data"


def check(found: Inspection, id: str) -> Check:
    return next(check for check in found.verdict.checks if check.id == id)


def test_good_shards_are_go(folder: Path) -> None:
    write(folder / "train-00009.tar.gz", members(9))
    found = inspect(folder, "shards")
    assert found.verdict.status is Status.GO, found.verdict.checks


@pytest.mark.parametrize(
    ("change", "fault", "said"),
    [
        (lambda held: held[:-9], "", ""),
        (
            lambda held: [m for m in held if m[0] not in ("0070003.cls", "0070005.cls")],
            "incomplete",
            "without .cls (2)",
        ),
        (lambda held: sorted(held, key=lambda m: m[0][::-1]), "scattered", "samples in pieces"),
        (
            lambda held: [(n, d[: len(d) // 2] if n.endswith("4.png") else d) for n, d in held],
            "bad_members",
            "truncated",
        ),
        (lambda held: [(n, b"" if n.endswith("4.json") else d) for n, d in held], "bad_members", "0070004.json: empty"),
        (lambda held: [(n, b"{" if n.endswith("4.json") else d) for n, d in held], "bad_members", "not JSON"),
        (lambda held: [], "empty", "no samples"),
    ],
)
def test_a_fault_is_told(folder: Path, change: Callable[[Members], Members], fault: str, said: str) -> None:
    write(folder / "train-00007.tar", change(members(7)))
    found = inspect(folder, "shards")
    told = {row["path"].rsplit("/", 1)[-1]: (row["checks"], row["reasons"]) for row in found.worst}
    assert [name for name in told if "00007" not in name] == []
    checks, reasons = told.get("train-00007.tar", ("", ""))
    assert fault in checks and said in reasons, told
    assert (found.verdict.status is Status.GO) is (not fault)


@pytest.mark.parametrize("ending", [".tar", ".tar.gz"])
def test_a_shard_that_is_cut_short_is_never_good(folder: Path, ending: str) -> None:
    path = folder / f"train-00008{ending}"
    write(path, members(8))
    path.write_bytes(path.read_bytes()[: int(0.4 * path.stat().st_size)])
    found = inspect(folder, "shards")
    assert found.verdict.status is Status.CAUTION
    assert "cut short or damaged after sample" in found.worst[0]["reasons"]


def test_a_sample_in_two_splits_is_leakage(folder: Path) -> None:
    write(folder / "val-00004.tar", [*members(4), *[(f"x{name}", data) for name, data in members(0)[:6]]])
    found = inspect(folder, "shards")
    assert check(found, "sample_leakage").value == 2
    assert found.verdict.cause == "LEAKAGE"
