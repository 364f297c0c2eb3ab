"""Boxes in XML files beside pictures, as Pascal VOC has them: `annotation`, its `size`, and an `object` a box."""

from __future__ import annotations

import contextlib
import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree as ET
from xml.parsers import expat

from gonogo.quality.label_findings import LabelFindings
from gonogo.quality.pictures.boxes import (
    MIRRORED,
    TURNED,
    by_file_name,
    extent_fault,
    judge_size,
    named,
    note_turned,
    note_unlabelled,
)
from gonogo.quality.pictures.class_names import LISTS, MORE_LISTS, ClassNames, listed_classes
from gonogo.quality.pictures.label_names import LABEL_FOLDER, Picture, paired_by

MOST_BYTES, DEEPEST = 1 << 20, 32  # of a file; more is no annotation of one picture
LOOKED_INTO = 20  # files that say whether the XML is of this form at all
OF_CLASS = re.compile(r"(.+)_(?:train|val|trainval|test)\.txt")  # in ImageSets/Main
OTHER_SHAPES = ("polygon", "robndbox", "segm", "point", "points")  # in place of a box
CORNERS = ("xmin", "ymin", "xmax", "ymax")


def read_voc(
    folder: Path, others: Sequence[str], pictures: Sequence[Picture]
) -> tuple[LabelFindings | None, list[str]]:
    """What the files show, and which were judged; None where XML beside pictures is of no such form.

    Args:
        folder: the data folder.
        others: names of files in it that are no pictures.
    """
    names = [name for name in others if name.lower().endswith(".xml")]
    key, by_key = paired_by(names, pictures)
    partners = {key(name) for name in names} & by_key.keys()
    if not _are_annotations(folder, names, 2 * len(partners) >= len(by_key) > 0):
        return None, []
    by_name = by_file_name(pictures)
    found, judged, labelled = LabelFindings(form="voc"), [], set()
    classes = _Classes(_class_names(folder, others))
    for name in names:
        picture, path = by_key.get(key(name)), str(folder / name)
        try:
            root = parsed(folder / name)
        except ValueError as error:
            if picture or _in_label_folder(name):
                judged.append(name)
                labelled.add(key(name))
                found.labels, found.bad = found.labels + 1, found.bad + 1
                found.note(f"annotation files {error}", path)
            continue
        if _is_annotation(root):
            judged.append(name)
            own = [picture] if picture else named((root.findtext("filename") or "").strip(), by_name)
            labelled.update(key(one.name) for one in own)
            _judge_boxes(found, path, root, _size(found, folder, name, root, own), classes)
    found.files = len(judged)
    if judged and not found.labels:
        found.note("annotation files hold no box", str(folder / judged[0]), len(judged))
    classes.close(found)
    note_unlabelled(found, folder, by_key, labelled)
    return found, [*judged, *([classes.listed.file] if classes.listed.file else [])]


def parsed(path: Path) -> ET.Element:
    """The root of an XML file in which nothing is expanded or fetched.

    Raises:
        ValueError: it cannot be read, is none, declares entities, or is larger or deeper than an annotation; in words
            that follow `files`.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(MOST_BYTES + 1)
    except OSError:
        raise ValueError("cannot be read") from None
    if len(data) > MOST_BYTES:
        raise ValueError("are too large for one picture")
    builder, depth = ET.TreeBuilder(), 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEEPEST:
            raise _Refused("are nested too deeply")
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def entity(*declared: object) -> None:
        raise _Refused("declare entities, which no annotation needs")

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler, parser.EntityDeclHandler = builder.data, entity
    try:
        parser.Parse(data, True)
    except _Refused:
        raise
    except (expat.ExpatError, LookupError, ValueError):
        raise ValueError("are no XML that can be read") from None
    return builder.close()


class _Refused(ValueError):
    """What is XML, and is not read."""


class _Classes:
    """Classes of the boxes that are in order, with the first file of each; held against those that are listed."""

    def __init__(self, listed: ClassNames) -> None:
        self.listed = listed
        self._counts, self._first = Counter[str](), dict[str, str]()

    def add(self, name: str, path: str) -> None:
        self._counts[name] += 1
        self._first.setdefault(name, path)

    def close(self, found: LabelFindings) -> None:
        spellings: defaultdict[str, list[str]] = defaultdict(list)
        for name in sorted(self._counts):
            spellings[" ".join(name.casefold().split())].append(name)
        for alike in spellings.values():
            if len(alike) > 1:
                names = ", ".join(repr(name[:40]) for name in alike)
                fewest = min(alike, key=self._counts.__getitem__)
                found.note(f"boxes have a class that is written in several ways: {names}",
                           self._first[fewest], sum(map(self._counts.__getitem__, alike)))  # fmt: skip
        known = {name: count for name, count in self._counts.items() if name.strip() in self.listed.names}
        where = self.listed.file or "ImageSets/Main"
        if self._counts and self.listed.names and not known:
            found.note(f"boxes have classes of which {where} lists none", next(iter(self._first.values())),
                       self._counts.total())  # fmt: skip
            return
        for name, count in self._counts.items():
            if self.listed.names and name not in known:
                found.bad += count
                found.note(f"boxes have a class that {where} does not list", f"{self._first[name]}: {name[:40]}", count)


def _judge_boxes(
    found: LabelFindings, path: str, root: ET.Element, size: tuple[float, float], classes: _Classes
) -> None:
    for box in root.iterfind("object"):
        corners = box.find("bndbox")
        if corners is None and any(box.find(shape) is not None for shape in OTHER_SHAPES):
            continue
        found.labels += 1
        name = box.findtext("name") or ""
        fault = _fault(corners, size) or ("" if name.strip() else "boxes have no class")
        if fault:
            found.bad += 1
            found.note(fault, path)
        else:
            found.tally(name.strip()[:40])
            classes.add(name, path)


def _fault(corners: ET.Element | None, size: tuple[float, float]) -> str:
    """What is wrong with a box, in words that follow a count."""
    if corners is None:
        return "objects have no box"
    left, top, right, bottom = (_number(corners, name) for name in CORNERS)
    if left is None or top is None or right is None or bottom is None:
        return "boxes are not four numbers"
    return extent_fault((left, top), (right, bottom), size)


def _size(
    found: LabelFindings, folder: Path, name: str, root: ET.Element, own: Sequence[Picture]
) -> tuple[float, float]:
    """Width and height that boxes are held against, (0, 0) where nothing says them; notes what does not fit."""
    width, height = (_number(root.find("size"), side) or 0.0 for side in ("width", "height"))
    stated = min(width, height) > 0
    if not stated:
        found.note("annotation files do not say the size of their picture", str(folder / name))
    if not own:
        found.note("annotation files have no picture here", str(folder / name))
        return (width, height) if stated else (0.0, 0.0)
    note_turned(found, folder, own[0], MIRRORED if stated else (*MIRRORED, *TURNED))
    if stated:
        judge_size(found, folder, (width, height), own)
    return (width, height) if stated else (own[0].width, own[0].height)


def _number(element: ET.Element | None, name: str) -> float | None:
    try:
        value = float((element.findtext(name) if element is not None else None) or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _are_annotations(folder: Path, names: Sequence[str], paired: bool) -> bool:
    """Whether most of the files that can be read are of this form; where none can, whether most pictures have one."""
    read = alike = 0
    for name in names[:: max(len(names) // LOOKED_INTO, 1)]:
        with contextlib.suppress(ValueError):
            alike += _is_annotation(parsed(folder / name))
            read += 1
    return alike > 0.5 * read if read else paired


def _is_annotation(root: ET.Element) -> bool:
    return root.tag == "annotation" and any(root.find(part) is not None for part in ("size", "object/bndbox"))


def _in_label_folder(name: str) -> bool:
    return any(LABEL_FOLDER.fullmatch(part) for part in PurePosixPath(name).parts[:-1])


def _class_names(folder: Path, others: Sequence[str]) -> ClassNames:
    """By a list, or by the names of files in ImageSets/Main."""
    if (listed := listed_classes(folder, others, (*LISTS, *MORE_LISTS))).names:
        return listed
    paths = [PurePosixPath(name) for name in others]
    found = (OF_CLASS.fullmatch(path.name) for path in paths if path.parent.name == "Main")
    return ClassNames(names=frozenset(match[1] for match in found if match))
