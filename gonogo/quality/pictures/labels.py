"""Labels that lie beside pictures, found and read when a folder is measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gonogo.quality.label_findings import LabelFindings
from gonogo.quality.pictures.coco import read_coco
from gonogo.quality.pictures.empty_folders import read_empty_folders
from gonogo.quality.pictures.items import ImageItem
from gonogo.quality.pictures.label_names import Picture, is_label_name
from gonogo.quality.pictures.mask_values import read_mask_values
from gonogo.quality.pictures.masks import is_mask
from gonogo.quality.pictures.voc import read_voc
from gonogo.quality.pictures.yolo import read_yolo

MOST_PICTURES = 300_000  # held against label files at once: 100 MB


def read_labels(
    folder: Path, names: Sequence[str], others: Sequence[str], items: Path
) -> tuple[list[LabelFindings], list[str]]:
    """What labels show, by form, and the label files that were judged.

    Args:
        folder: the data folder.
        names: of its pictures.
        others: of its other files.
        items: the measured pictures, a line each.
    """
    empty = read_empty_folders(folder, names)
    findings = [empty] if empty else []
    texts = [name for name in others if name.lower().endswith((".txt", ".json", ".xml"))]
    if not texts and not any(map(is_label_name, names)):
        return findings, []
    pictures, masks = _measured(items)
    if masks:
        findings.append(read_mask_values(folder, masks))
    judged: list[str] = []
    if texts and len(names) <= MOST_PICTURES:
        for read in (read_yolo, read_coco, read_voc):
            found, files = read(folder, others, pictures)
            if found:
                findings.append(found)
                judged += files
    return findings, judged


def _measured(items: Path) -> tuple[list[Picture], list[tuple[str, str]]]:
    """Pictures that were read, and masks with their formats."""
    pictures: list[Picture] = []
    masks: list[tuple[str, str]] = []
    with items.open() as lines:
        for line in lines:
            item = ImageItem.model_validate_json(line)
            if item.problems:
                continue
            if is_mask(item):
                masks.append((item.name, item.format))
            elif len(pictures) <= MOST_PICTURES:
                pictures.append(Picture(item.name, item.width, item.height, item.orientation))
    return pictures, masks
