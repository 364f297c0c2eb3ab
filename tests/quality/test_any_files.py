"""Data that no other kind reads: what can be said of it, and what is left open."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gonogo.config.quality_thresholds import QualityGate
from gonogo.quality.judge import judge
from gonogo.quality.judgement import Judgement
from gonogo.quality.measure import measure_part
from gonogo.quality.measured_set import MeasuredSet
from gonogo.verdict import Check, Status


def judged(folder: Path) -> Judgement:
    measure_part("files", folder, folder.parent / "measured")
    return judge(MeasuredSet.read(folder.parent / "measured"), QualityGate())


def check(judgement: Judgement, id_: str) -> Check:
    return next(check for check in judgement.checks if check.id == id_)


def tokens(folder: Path, seeds: tuple[int, int]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, seed in zip(("train.bin", "val.bin"), seeds, strict=True):
        np.random.default_rng(seed).integers(0, 60, 5000).astype(np.uint16).tofile(folder / name)
    (folder / "prepare.py").write_text("# made by")
    return folder


def test_whole_files_are_a_caution_that_says_what_was_not_judged(tmp_path: Path) -> None:
    judgement = judged(tokens(tmp_path / "data", (0, 1)))
    assert [one.id for one in judgement.checks if one.status is not Status.GO and not one.grey] == ["contents"]
    assert "(.bin)" in check(judgement, "contents").why and judgement.status is Status.CAUTION
    assert judgement.items == 2 and "2 of 3 files judged" in judgement.covered


def test_the_same_file_as_training_and_validation_is_leakage(tmp_path: Path) -> None:
    judgement = judged(tokens(tmp_path / "data", (0, 0)))
    assert check(judgement, "leakage").status is Status.NO_GO and judgement.cause == "LEAKAGE"


def test_files_that_nothing_was_written_to_are_bad(tmp_path: Path) -> None:
    folder = tokens(tmp_path / "data", (0, 1))
    (folder / "train.bin").write_bytes(bytes(3 << 20))
    (folder / "val.bin").write_bytes(b"")
    judgement = judged(folder)
    assert check(judgement, "written").status is Status.NO_GO and "2 of 2 files hold nothing" in judgement.checks[1].why
