"""A verdict says how many files it is about, and is none where what was left out could have changed it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gonogo.base.errors import UserError
from gonogo.base.files import survey, walk
from gonogo.config.gate_thresholds import Gates
from gonogo.config.quality_thresholds import QualityGate
from gonogo.gates.judging import judge as judge_gate
from gonogo.gates.registry import gate
from gonogo.quality.inspect import inspect
from gonogo.quality.left_out import LeftOut, coverage, is_note, summed
from gonogo.quality.measure import measure_part
from gonogo.quality.measured_set import MeasuredSet
from gonogo.quality.registry import KINDS, kind_of
from gonogo.verdict import Check, Status, Verdict
from tests.waiting import LIMIT_S

from .picture_files import crops, write
from .scenes import make_scene
from .scenes import write as write_scenes

NOBODY = 65534


@pytest.fixture
def classes(tmp_path: Path) -> Path:
    """Twenty-four photographs in two class folders."""
    made = crops(24, 80)
    return write(tmp_path / "data", {f"{'cats' if n < 12 else 'dogs'}/{n:02d}.png": one for n, one in enumerate(made)})


@contextmanager
def without_privileges(folder: Path) -> Iterator[None]:
    """Root enters every folder: give that up for a while, where there is anything to give up."""
    if os.geteuid() != 0:
        yield
        return
    for path in folder.parents:
        if Path(tempfile.gettempdir()) in path.parents:
            path.chmod(path.stat().st_mode | 0o055)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def verdict_of(folder: Path, **thresholds: float) -> Verdict:
    return inspect(folder, "images", QualityGate(**thresholds)).verdict  # type: ignore[arg-type]


def covered(verdict: Verdict) -> Check:
    return next(check for check in verdict.checks if check.id == "files_judged")


def test_every_verdict_says_how_many_files_it_is_about(classes: Path, tmp_path: Path) -> None:
    verdict = verdict_of(classes)
    assert verdict.status is Status.GO and verdict.summary.endswith("; 24 of 24 files judged")
    measure_part("images", classes, tmp_path / "measured")
    data = MeasuredSet.read(tmp_path / "measured")
    verdict, _ = judge_gate(gate("quality/dataset"), data, Gates(), experiment="mine")
    assert verdict.status is Status.GO and verdict.summary.endswith("; 24 of 24 files judged")
    scenes = write_scenes(tmp_path / "scenes", [make_scene(seed) for seed in range(3)])
    verdict = inspect(scenes, "views").verdict
    assert covered(verdict).status is Status.GO and f"{covered(verdict).value} of" in verdict.summary


def test_the_terminal_shows_it(classes: Path) -> None:
    for name in ("a.heic", "b.heic", "c.jp2"):
        (classes / "cats" / name).write_bytes(b"data")
    command = [sys.executable, "-m", "gonogo", "inspect", str(classes), "--kind", "images"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 2
    assert "24 of 27 files judged; 3 left out: 2 .heic" in " ".join(done.stdout.replace("│", " ").split())


# --- folders and links ---


def closed_link(folder: Path) -> str:
    closed = folder.parent / "closed"
    (closed / "inside").mkdir(parents=True)
    (folder / "cats" / "elsewhere").symlink_to(closed / "inside")
    closed.chmod(0)
    return "1 link that may not be followed"


def closed_class(folder: Path) -> str:
    (folder / "dogs").chmod(0)
    return "1 folder that may not be entered"


def linked_class(folder: Path) -> str:
    (folder / "dogs").rename(folder.parent / "dogs")
    (folder / "dogs").symlink_to(folder.parent / "dogs")
    return "1 link to a folder, which is not followed"


def lost_link(folder: Path) -> str:
    (folder / "cats/24.png").symlink_to(folder.parent / "gone.png")
    return "1 link that leads nowhere"


def link_to_itself(folder: Path) -> str:
    (folder / "again").symlink_to(folder / "again")
    return "1 link that leads nowhere"


UNSEEN = (closed_link, closed_class, linked_class, lost_link, link_to_itself)


@pytest.mark.parametrize("spoil", UNSEEN, ids=lambda spoil: spoil.__name__)
def test_what_nobody_could_see_leaves_the_verdict_open(spoil: Callable[[Path], str], classes: Path) -> None:
    told = spoil(classes)
    with without_privileges(classes):
        verdict = verdict_of(classes)
    judged = 12 if spoil in (closed_class, linked_class) else 24
    assert verdict.status is Status.UNKNOWN
    assert f"{judged} of {judged + 1} files judged; 1 left out: {told}" in covered(verdict).why
    for path in (classes / "dogs", classes.parent / "closed"):
        path.chmod(0o755) if path.exists() else None


def test_a_link_that_may_not_be_followed_ends_no_listing(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    (tmp_path / "closed/inside").mkdir(parents=True)
    folder.mkdir()
    for n in range(20):  # wherever the system lists them
        (folder / f"{n:02d}.png").write_bytes(b"x")
        (folder / f"{n:02d}_link").symlink_to(tmp_path / "closed/inside")
    (tmp_path / "closed").chmod(0)
    with without_privileges(folder):
        files, unlisted = survey(folder)
    (tmp_path / "closed").chmod(0o755)
    assert len(files) == len(unlisted) == 20
    assert {one.reason for one in unlisted} == {"link that may not be followed"}


def test_folders_may_lie_as_deep_as_the_system_lets_them(tmp_path: Path) -> None:
    here = os.getcwd()  # noqa: PTH109  to come back to
    os.chdir(tmp_path)
    try:
        for _ in range(1200):
            os.mkdir("d")  # noqa: PTH102  a path of this length could not be named
            os.chdir("d")
    finally:
        os.chdir(here)
    found = walk(tmp_path)
    subprocess.run(["rm", "-rf", tmp_path / "d"], check=True, timeout=LIMIT_S)  # what Python removes by recursion
    assert found == []


# --- files of other kinds ---


@pytest.mark.parametrize("names", [["a.heic", "b.heic"], ["a.jp2", "b.jxl"], ["scan", "scan2"], ["a.dcm", "b.zip"]])
def test_files_that_could_be_data_leave_the_verdict_open(names: list[str], classes: Path) -> None:
    for name in names:
        (classes / "cats" / name).write_bytes(b"data")
    verdict = verdict_of(classes)
    check = covered(verdict)
    assert verdict.status is check.status is Status.UNKNOWN
    assert check.why.startswith("24 of 26 files judged; 2 left out: ") and names[0] in check.why
    assert str(classes / "cats" / names[0]) in check.evidence
    assert covered(verdict_of(classes, max_unread_files=0.1)).status is Status.CAUTION


def test_a_negligible_number_of_them_is_a_warning(classes: Path) -> None:
    (classes / "cats/one.heic").write_bytes(b"data")
    verdict = verdict_of(classes)
    assert verdict.status is covered(verdict).status is Status.CAUTION
    assert "24 of 25 files judged; 1 left out: 1 .heic" in verdict.summary


def test_notes_and_lists_change_nothing(classes: Path) -> None:
    names = [
        "README", "README.md", "LICENSE.txt", "notes.txt", "SHA256SUMS", "cats/00.png.sha256", "labels.csv",
        "annotations/instances.json", "cats/00.json", "cats/00.xml", "dogs/Thumbs.db", ".hidden", "cats/.DS_Store",
        "lost+found/x", "convert.py", "dataset.yaml",
    ]  # fmt: skip
    for name in names:
        (classes / name).parent.mkdir(exist_ok=True)
        (classes / name).write_bytes(b"about")
    verdict = verdict_of(classes)
    assert verdict.status is Status.GO
    assert verdict.summary.endswith("24 of 38 files judged; 14 left out: 14 notes and lists")


def test_the_same_file_is_data_of_one_kind_and_about_another() -> None:
    metadata = {name: kind_of(name).metadata for name in KINDS}
    assert is_note("a.csv", metadata["images"]) and not is_note("a.csv", metadata["text"])
    assert is_note("a.png", metadata["points"]) and not is_note("a.heic", metadata["images"])
    assert all(is_note("readme.pdf", one) and not is_note("0001", one) for one in metadata.values())


# --- parts ---


def test_what_was_left_out_adds_up_over_any_division(classes: Path, tmp_path: Path) -> None:
    for n in range(15):
        (classes / ("cats" if n % 2 else "dogs") / f"{n}.heic").write_bytes(b"data")
    (classes / "cats/notes.txt").write_text("about")
    (classes / "dogs/gone").symlink_to(tmp_path / "gone")
    measure_part("images", classes, tmp_path / "whole")
    for name in ("cats", "dogs"):
        measure_part("images", classes / name, tmp_path / name)
    whole = MeasuredSet.read(tmp_path / "whole")
    parts = MeasuredSet.read(tmp_path / "cats", tmp_path / "dogs")

    def counts(found: list[LeftOut]) -> set[tuple[str, str, int]]:
        return {(one.sort, one.weight, one.count) for one in found}

    assert counts(whole.left_out) == counts(parts.left_out)
    assert (".heic", "unknown", 15) in counts(parts.left_out)
    a, b = (coverage(one.files, one.left_out, QualityGate()) for one in (whole, parts))
    assert (a.status, a.value, a.unit) == (b.status, b.value, b.unit) == (Status.UNKNOWN, 24, "of 41 files")
    sorts = [one for part in parts.parts for one in part.left_out]
    again = summed([*summed(sorts[:2]), *summed(sorts[2:])])
    assert again == summed(sorts) == parts.left_out


def test_a_folder_without_items_says_what_it_did_not_look_into(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/cats").symlink_to(tmp_path)
    for kind in ("images", "views"):
        with pytest.raises(UserError, match=r"Not read: cats, a link to a folder, which is not followed\."):
            measure_part(kind, tmp_path / "data", tmp_path / "out")
