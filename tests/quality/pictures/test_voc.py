"""Pascal VOC's annotations beside pictures: an XML file for each, with boxes in pixels."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from gonogo.quality.inspect import inspect
from gonogo.verdict import Check, Status
from tests.quality.pictures.test_labels import COUNT, check, jpegs, place, texts, turn, verdict_of

__all__ = ["jpegs"]
ID = "voc_labels"
BOX = "<bndbox><xmin>10</xmin><ymin>12.5</ymin><xmax>96</xmax><ymax>60</ymax></bndbox>"
BOMB = '<!DOCTYPE a [<!ENTITY a "dog"><!ENTITY b "&a;&a;&a;">]><annotation><object>&b;</object></annotation>'


def annotation(n: int, box: str = BOX, name: str = "dog", size: str = "", objects: int = 1) -> str:
    size = size or "<size><width>96</width><height>80</height><depth>3</depth></size>"
    parts = f"<part><name>head</name>{BOX}</part>"
    found = f"<object><name>{name}</name><pose>Left</pose>{box}{parts}</object>" * objects
    return f"<annotation><filename>{n:02d}.jpg</filename>{size}<segmented>0</segmented>{found}</annotation>"


def voc(jpegs: Path, folder: Path, write: Callable[[int], str] = annotation) -> Path:
    place(jpegs, folder, "JPEGImages/{}.jpg")
    texts(folder, "Annotations/{}.xml", write)
    for part in ("train", "val"):
        (folder / "ImageSets/Main").mkdir(parents=True, exist_ok=True)
        (folder / f"ImageSets/Main/{part}.txt").write_text("00\n01\n")
        for name in ("cat", "dog"):
            (folder / f"ImageSets/Main/{name}_{part}.txt").write_text("00  1\n01 -1\n")
    return folder


def found_in(folder: Path) -> Check:
    return check(verdict_of(folder), ID)


def test_good_annotations_pass_and_are_counted_as_judged(jpegs: Path, tmp_path: Path) -> None:
    folder = voc(jpegs, tmp_path / "data", lambda n: annotation(n, objects=n % 3))
    inspection = inspect(folder)
    assert [kind.partition(":")[0] for kind in inspection.kinds] == ["images"]
    found = check(inspection.verdict, ID)
    assert (found.status, found.value, found.unit) == (Status.GO, COUNT, "boxes")
    assert found.why == "classes: dog (12)"
    assert "24 of 30 files judged; 6 left out: 6 notes and lists" in inspection.verdict.summary


@pytest.mark.parametrize("name", ["{}.jpg", "images/train/{}.jpg"])
def test_files_beside_pictures_and_in_folders_of_splits(name: str, jpegs: Path, tmp_path: Path) -> None:
    folder = place(jpegs, tmp_path / "data", name)
    texts(folder, name.replace("images", "annotations").replace(".jpg", ".xml"), annotation)
    (folder / "labels.txt").write_text("dog\n")
    assert found_in(folder).status is Status.GO


def xml_box(*corners: object) -> str:
    names = ("xmin", "ymin", "xmax", "ymax")
    return f"<bndbox>{''.join(f'<{n}>{c}</{n}>' for n, c in zip(names, corners, strict=True))}</bndbox>"


FAULTS: dict[str, tuple[Callable[[int], str], str]] = {
    "beyond": (lambda n: annotation(n, xml_box(10, 10, 200, 60)), "boxes reach outside the picture"),
    "negative": (lambda n: annotation(n, xml_box(-20, 10, 20, 60)), "boxes reach outside the picture"),
    "inverted": (lambda n: annotation(n, xml_box(60, 10, 20, 60)), "boxes have no width or height"),
    "flat": (lambda n: annotation(n, xml_box(20, 10, 20, 60)), "boxes have no width or height"),
    "nan": (lambda n: annotation(n, xml_box("nan", 10, 20, 60)), "boxes are not four numbers"),
    "three": (lambda n: annotation(n, BOX.replace("xmax", "x")), "boxes are not four numbers"),
    "boxless": (lambda n: annotation(n, ""), "objects have no box"),
    "nameless": (lambda n: annotation(n, name=" "), "boxes have no class"),
    "unknown": (lambda n: annotation(n, name="unicorn"), "boxes have a class that ImageSets/Main does not list"),
    "cut": (lambda n: annotation(n)[:-30], "annotation files are no XML that can be read"),
    "bomb": (lambda n: BOMB, "annotation files declare entities"),
    "deep": (lambda n: "<annotation>" * 9_000, "annotation files are nested too deeply"),
    "large": (lambda n: annotation(n, objects=6_000), "annotation files are too large for one picture"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults(fault: str, jpegs: Path, tmp_path: Path) -> None:
    bad, what = FAULTS[fault]
    folder = voc(jpegs, tmp_path / "data", lambda n: bad(n) if n < 6 else annotation(n))
    found = found_in(folder)
    assert found.status is Status.NO_GO and "6 of 12 boxes are bad" in found.why
    assert f"6 {what}" in found.why and "Annotations/00.xml" in found.why


@pytest.mark.parametrize("fault", ["cut", "bomb"])
def test_annotations_of_which_none_can_be_read(fault: str, jpegs: Path, tmp_path: Path) -> None:
    assert found_in(voc(jpegs, tmp_path / "data", FAULTS[fault][0])).status is Status.NO_GO


def test_another_size_than_the_picture(jpegs: Path, tmp_path: Path) -> None:
    size = "<size><width>640</width><height>480</height></size>"
    found = found_in(voc(jpegs, tmp_path / "data", lambda n: annotation(n, size=size)))
    assert found.status is Status.NO_GO and "12 pictures are of another size than the file of boxes says" in found.why


def test_a_size_of_zero_is_that_of_the_picture(jpegs: Path, tmp_path: Path) -> None:
    size = "<size><width>0</width><height>0</height></size>"
    found = found_in(voc(jpegs, tmp_path / "data", lambda n: annotation(n, size=size)))
    assert found.status is Status.CAUTION and "12 annotation files do not say the size" in found.why
    found = found_in(voc(jpegs, tmp_path / "beyond", lambda n: annotation(n, xml_box(10, 10, 200, 60), size=size)))
    assert found.status is Status.NO_GO and "12 boxes reach outside the picture" in found.why


def test_files_and_pictures_without_a_partner(jpegs: Path, tmp_path: Path) -> None:
    folder = voc(jpegs, tmp_path / "data")
    (folder / "JPEGImages/05.jpg").unlink()
    (folder / "Annotations/07.xml").unlink()
    (folder / "Annotations/08.xml").rename(folder / "Annotations/named_otherwise.xml")
    found = found_in(folder)
    assert found.status is Status.CAUTION
    assert "1 annotation files have no picture here" in found.why and "Annotations/05.xml" in found.why
    assert "1 pictures have no label file, though others do" in found.why and "JPEGImages/07.jpg" in found.why


@pytest.mark.parametrize(("width", "height", "which"), [(96, 80, "unturned"), (80, 96, "turned")])
def test_pictures_that_exif_turns(width: int, height: int, which: str, jpegs: Path, tmp_path: Path) -> None:
    size = f"<size><width>{width}</width><height>{height}</height></size>"
    box = xml_box(10, 10, 60, 60)
    folder = voc(jpegs, tmp_path / "data", lambda n: annotation(n, box, size=size if n == 3 else ""))
    turn(folder / "JPEGImages/03.jpg")
    found = found_in(folder)
    assert found.status is Status.CAUTION
    assert f"1 pictures are turned by EXIF, and their boxes are of the {which} picture" in found.why


def test_classes_that_are_spelt_in_several_ways(jpegs: Path, tmp_path: Path) -> None:
    folder = voc(jpegs, tmp_path / "data", lambda n: annotation(n, name="Dog" if n < 2 else "dog"))
    shutil.rmtree(folder / "ImageSets")
    found = found_in(folder)
    assert found.status is Status.CAUTION and "written in several ways: 'Dog', 'dog'" in found.why
    assert "Annotations/00.xml" in found.why


@pytest.mark.parametrize(
    "text",
    [
        "<annotation><object><name>a</name><polygon><pt/></polygon></object></annotation>",  # LabelMe
        "<annotations><image id='0'><box xtl='1'/></image></annotations>",  # CVAT
        "<x:xmpmeta xmlns:x='adobe:ns:meta/'/>",
    ],
)
def test_other_xml_is_left_out(text: str, jpegs: Path, tmp_path: Path) -> None:
    verdict = verdict_of(voc(jpegs, tmp_path / "data", lambda n: text))
    assert ID not in [one.id for one in verdict.checks] and "left out" in verdict.summary
