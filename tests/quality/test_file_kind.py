"""The frame of kinds whose item is one file, on real folders of pictures: parts, order, and all that files can be."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from gonogo.base.digests import folder_digest
from gonogo.base.errors import UserError
from gonogo.config.quality_thresholds import QualityGate
from gonogo.quality.acceptance import AcceptanceRule
from gonogo.quality.file_kind import split_of
from gonogo.quality.items import Finding
from gonogo.quality.judgement import Judgement
from gonogo.quality.measure import measure_part
from gonogo.quality.measured_set import MeasuredSet
from gonogo.quality.registry import kind_of
from gonogo.verdict import Check, Status
from tests.conftest import ROOT
from tests.waiting import LIMIT_S

from .picture_files import crops, write


def judged(*folders: Path) -> tuple[Judgement, list[Finding]]:
    """Each folder measured as a part, in this order, and all of them judged as one set."""
    measured = []
    for place, folder in enumerate(folders):
        measured.append(folder.parent / f"measured_{folder.name}_{place}")
        measure_part("images", folder, measured[-1])
    data, findings = MeasuredSet.read(*measured), list[Finding]()
    return kind_of("images").judge(data, QualityGate(), AcceptanceRule(0.05), findings.append), findings


def check(judgement: Judgement, id_: str) -> Check:
    return next(check for check in judgement.checks if check.id == id_)


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Sixty pictures with every sort of fault, in splits."""
    made = crops(52, 80)
    pictures = {f"train/{n:02d}.png": picture for n, picture in enumerate(made[:36])}
    pictures |= {f"val/{n:02d}.png": picture for n, picture in enumerate(made[36:])}
    pictures["val/leak.jpg"] = made[3]
    pictures["train/again.png"] = made[5]
    pictures["train/dark.png"] = np.zeros((80, 80, 3), np.uint8)
    pictures["train/grey.png"] = cv2.cvtColor(made[6], cv2.COLOR_BGR2GRAY)
    pictures["val/small.png"] = cv2.resize(made[7], (40, 40))
    pictures["val/noise.png"] = np.random.default_rng(0).integers(0, 256, (80, 80, 3), dtype=np.uint8)
    folder = write(tmp_path / "whole", pictures)
    (folder / "train" / "cut.png").write_bytes((folder / "train" / "00.png").read_bytes()[:900])
    (folder / "val" / "empty.jpg").write_bytes(b"")
    (folder / "labels.csv").write_text("a,b\n")
    return folder


def summary(judgement: Judgement, findings: list[Finding]) -> tuple[object, ...]:
    """All that does not name the folder that something lies in."""
    checks = [(one.id, one.status, one.value, one.threshold) for one in judgement.checks]
    faults = sorted((one.name, sorted(one.ids)) for one in findings)
    return checks, judgement.cause, judgement.items, judgement.bad, faults


def test_parts_are_judged_as_the_whole_in_any_order(mixed: Path, tmp_path: Path) -> None:
    shards = [tmp_path / f"shard_{n}" for n in range(3)]
    for place, path in enumerate(sorted(path for path in mixed.rglob("*") if path.is_file())):
        target = shards[place % 3] / path.relative_to(mixed)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    whole, findings = judged(mixed)
    assert {one.id for one in whole.checks if one.status is Status.NO_GO} >= {"leakage"}
    assert whole.cause == "LEAKAGE" and whole.bad >= 5

    def without_originals(summed: tuple[object, ...]) -> str:
        """Which of two copies is the original depends on the order."""
        return str(summed).replace("['copy_of', ", "[").replace(", 'copy_of']", "]").replace("'copy_of'", "")

    merged = judged(*shards)
    assert summary(*merged) == summary(whole, findings)
    backwards = judged(*shards[::-1])
    assert without_originals(summary(*backwards)) == without_originals(summary(whole, findings))


def test_what_cannot_be_read_is_told_and_never_go(tmp_path: Path) -> None:
    folder = write(tmp_path / "data", {f"{n:02d}.png": picture for n, picture in enumerate(crops(40, 64))})
    whole = (folder / "00.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    judgement, findings = judged(folder)
    assert judgement.status is Status.CAUTION
    assert check(judgement, "unreadable").why.startswith("1 of 41 files cannot be read")
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.png").write_text("<html>404 Not Found</html>")
    (folder / "directory.png").mkdir()
    (folder / "directory.png" / "inside.png").write_bytes(whole)
    judgement, findings = judged(folder)
    reasons = {finding.name: finding.faults[0].reason for finding in findings if "unreadable" in finding.ids}
    assert reasons.keys() == {"cut.png", "empty.jpg", "text.png"}
    assert reasons["empty.jpg"] == "empty file"
    assert "truncated" in reasons["cut.png"]
    assert "directory.png/inside.png" in {finding.name for finding in findings}
    for path in folder.glob("*.png"):
        if path.is_file():
            path.write_bytes(whole[:100])
    judgement, _ = judged(folder)
    assert judgement.cause == "UNREADABLE"
    assert judgement.status is Status.NO_GO


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission_is_told(tmp_path: Path) -> None:
    folder = write(tmp_path / "data", {f"{n}.png": picture for n, picture in enumerate(crops(5, 64))})
    (folder / "0.png").chmod(0)
    judgement, findings = judged(folder)
    assert findings[0].faults[0].reason.startswith("cannot be read: Permission denied")
    assert judgement.status is not Status.GO


def test_names_of_any_kind(tmp_path: Path) -> None:
    names = ["été/写真 1.png", "a'b\"c.png", "tab\tnew\nline.png", "%d{}$x.PNG", "-dash.jpeg", "x" * 200 + ".png"]
    folder = write(tmp_path / "data", {f"{n}.png": picture for n, picture in enumerate(crops(6, 64))})
    for place, name in enumerate(names):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / f"{place}.png").rename(folder / name)
    raw = os.fsencode(folder) + b"/\xff\xfe.png"
    Path(os.fsdecode(raw)).write_bytes(b"")
    judgement, findings = judged(folder)
    assert {finding.name for finding in findings} >= set(names)
    assert judgement.items == 7


def test_links_that_lead_nowhere_are_no_files(tmp_path: Path) -> None:
    folder = write(tmp_path / "data", {f"{n}.png": picture for n, picture in enumerate(crops(4, 64))})
    (folder / "gone.png").symlink_to(tmp_path / "nothing.png")
    judgement, _ = judged(folder)
    assert judgement.items == 4


def test_a_folder_without_pictures_says_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty: no picture here \(.*\.png.*\)\. It is empty\."):
        measure_part("images", tmp_path / "empty", tmp_path / "out")
    (tmp_path / "other").mkdir()
    for name in ("a.nii.gz", "b.nii.gz", "c.txt"):
        (tmp_path / "other" / name).write_text("")
    with pytest.raises(UserError, match=r"It holds 2 \.nii\.gz, 1 \.txt; is it another --kind\?"):
        measure_part("images", tmp_path / "other", tmp_path / "out")
    with pytest.raises(UserError, match="no such folder"):
        measure_part("images", tmp_path / "nowhere", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_part_carries_the_digest_of_the_folder(mixed: Path, tmp_path: Path) -> None:
    assert measure_part("images", mixed, tmp_path / "out").inputs_digest == folder_digest(mixed)


def test_measurements_of_another_version_are_refused(mixed: Path, tmp_path: Path) -> None:
    measure_part("images", mixed, tmp_path / "out")
    lines = tmp_path / "out" / "items.jsonl"
    lines.write_text(lines.read_text().replace('"width"', '"breadth"'))
    with pytest.raises(UserError, match=r"items\.jsonl: not a measurement of this version"):
        list(MeasuredSet.read(tmp_path / "out").items(kind_of("images").Item))


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train/a.png", "train"),
        ("Validation/b/a.png", "val"),
        ("images/test/a.png", "test"),
        ("cats/a.png", ""),
        ("train.png", ""),
    ],
)
def test_folders_name_splits(name: str, split: str) -> None:
    assert split_of(name) == split


@pytest.mark.slow
def test_memory_does_not_grow_with_the_set(tmp_path: Path) -> None:
    """20,000 tiny pictures, all different, against 2,000."""
    code = (
        "import resource, sys; from pathlib import Path; from gonogo.config.quality_thresholds import QualityGate\n"
        "from gonogo.quality.acceptance import AcceptanceRule\n"
        "from gonogo.quality.measured_set import MeasuredSet\n"
        "from gonogo.quality.measure import measure_part\n"
        "from gonogo.quality.registry import kind_of\n"
        "measure_part('images', Path(sys.argv[1]), Path(sys.argv[2])); data = MeasuredSet.read(Path(sys.argv[2]))\n"
        "kind_of('images').judge(data, QualityGate(), AcceptanceRule(0.05), lambda finding: None)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    peaks_kib = []
    rng = np.random.default_rng(0)
    for count in (2_000, 20_000):
        folder = tmp_path / str(count)
        folder.mkdir()
        for number in range(count):
            picture = rng.integers(0, 256, (18, 18), dtype=np.uint8)
            (folder / f"{number:05d}.bmp").write_bytes(cv2.imencode(".bmp", picture)[1].tobytes())
        command = [sys.executable, "-c", code, str(folder), str(tmp_path / f"out_{count}")]
        peaks_kib.append(
            int(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=LIMIT_S).stdout)
        )
    assert peaks_kib[1] - peaks_kib[0] < 25_000
