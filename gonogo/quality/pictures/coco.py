"""Boxes of many pictures in one JSON file, as COCO has them: images, categories, and annotations that name both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from gonogo.base.bounded_json import JsonBounds, parsed
from gonogo.quality.label_findings import LabelFindings
from gonogo.quality.pictures.boxes import by_file_name, extent_fault, is_number, judge_size, named
from gonogo.quality.pictures.label_names import Picture

BOUNDS = JsonBounds(32 << 20, 2_000_000)
LIKELY = ("instances", "annotation", "coco", "keypoints")  # in the name of a file


def read_coco(
    folder: Path, others: Sequence[str], pictures: Sequence[Picture]
) -> tuple[LabelFindings | None, list[str]]:
    """What the files show, and which were judged; None where there is none of this form.

    Args:
        folder: the data folder.
        others: names of files in it that are no pictures.
    """
    found, judged = LabelFindings(form="coco"), []
    by_name: Mapping[str, Sequence[Picture]] = {}
    for name in others:
        if not name.lower().endswith(".json") or not _is_likely(name):
            continue
        content = _content(found, folder / name)
        if content is None:
            continue
        by_name = by_name or by_file_name(pictures)
        judged.append(name)
        images = _judge_images(found, folder, name, content, by_name)
        _judge_boxes(found, str(folder / name), content, images)
    found.files = len(judged)
    return (found, judged) if judged or found.problems else (None, [])


def _content(found: LabelFindings, path: Path) -> dict[str, list[Any]] | None:
    """The lists of a file of this form; of one that cannot be read, that is noted."""
    try:
        with path.open("rb") as stream:
            text = stream.read(BOUNDS.size_bytes + 1)
        if b'"annotations"' not in text or b'"bbox"' not in text:
            return None
        value = parsed(text, BOUNDS, "utf-8-sig")
    except (OSError, ValueError) as error:
        reason = f": {error}" if str(error).startswith("more than") else ""
        found.note(f"files of boxes cannot be checked{reason}", str(path))
        return None
    if not isinstance(value, dict) or not all(isinstance(value.get(part), list) for part in ("images", "annotations")):
        return None
    categories = value.get("categories")
    return {
        "images": value["images"],
        "annotations": value["annotations"],
        "categories": categories if isinstance(categories, list) else [],
    }


def _judge_images(
    found: LabelFindings,
    folder: Path,
    file: str,
    content: Mapping[str, list[Any]],
    by_name: Mapping[str, Sequence[Picture]],
) -> dict[int | str, tuple[float, float]]:
    """The size of each image by its id, (0, 0) where neither the file nor a picture says it."""
    sizes: dict[int | str, tuple[float, float]] = {}
    path = str(folder / file)
    for image in content["images"]:
        number = _id(image, "id")
        if number is None:
            found.note("images have no id", path)
            continue
        if number in sizes:
            found.note("images have an id that another has, too", f"{path}, image {number}")
        size = (_number(image, "width"), _number(image, "height"))
        sizes[number] = size if min(size) > 0 else (0, 0)
        name = image.get("file_name")
        pictures = named(str(name), by_name) if name else ()
        if not pictures:
            found.note("images have no picture file here", f"{path}, image {str(name)[:200]}")
        elif min(size) > 0:
            judge_size(found, folder, size, pictures)
        else:
            sizes[number] = pictures[0].width, pictures[0].height
    return sizes


def _judge_boxes(
    found: LabelFindings, path: str, content: Mapping[str, list[Any]], sizes: Mapping[int | str, tuple[float, float]]
) -> None:
    names = {
        _id(category, "id"): category.get("name") for category in content["categories"] if isinstance(category, dict)
    }
    seen: set[int | str] = set()
    for annotation in content["annotations"]:
        number = _id(annotation, "id")
        found.labels += 1
        if number is not None and number in seen:
            found.note("annotations have an id that another has, too", f"{path}, annotation {number}")
        elif number is not None:
            seen.add(number)
        if fault := _fault(annotation, names, sizes):
            found.bad += 1
            found.note(fault, f"{path}, annotation {number if number is not None else 'without id'}")
        else:
            category = _id(annotation, "category_id")
            found.tally(str(names.get(category, category))[:40])


def _fault(annotation: Any, names: Mapping[Any, Any], sizes: Mapping[int | str, tuple[float, float]]) -> str:
    """What is wrong with an annotation, in words that follow a count."""
    if not isinstance(annotation, dict):
        return "annotations are no objects"
    image = _id(annotation, "image_id")
    if image is None or image not in sizes:
        return "boxes name an image that is not listed"
    if names and _id(annotation, "category_id") not in names:
        return "boxes name a category that is not listed"
    return _box_fault(annotation["bbox"], sizes[image]) if "bbox" in annotation else ""


def _box_fault(box: Any, size: tuple[float, float]) -> str:
    if not isinstance(box, list) or len(box) != 4 or not all(map(is_number, box)):
        return "boxes are not four numbers"
    left, top, width, height = map(float, box)
    return extent_fault((left, top), (left + width, top + height), size)


def _is_likely(name: str) -> bool:
    path = PurePosixPath(name.lower())
    return any(word in part for word in LIKELY for part in path.parts) or path.parent.name in ("labels", "")


def _id(value: Any, key: str) -> int | str | None:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, (int, str)) and not isinstance(found, bool) else None


def _number(value: Any, key: str) -> float:
    found: Any = value.get(key) if isinstance(value, dict) else None
    return float(found) if is_number(found) else 0.0
