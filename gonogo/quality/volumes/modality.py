"""What volumes are of: CT, MR, PET, by what is written beside them, and else by their values."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from gonogo.quality.volumes.hounsfield import foreign_values
from gonogo.quality.volumes.items import VolumeItem
from gonogo.verdict import Check, Status

LISTS = "dataset.json"  # of nnU-Net and of the Medical Segmentation Decathlon
CHANNELS = ("channel_names", "modality")  # its keys that name what the channels are
MR = r"mri?|t1\w*|t2\w*|pdw?|flair|bold|dwi|adc|swi|asl|unit1|fa|md"
OTHER = re.compile(rf"(?:{MR}|pet|suv)(?:[-_ ].*)?", re.IGNORECASE)
SUFFIX = re.compile(
    r"(?:.*_)(t1w|t2w|pdw|t1ce|t1gd|flair|bold|sbref|dwi|asl|swi|t2star|t2starw|t1map|t2map|unit1|inplanet[12]|pet)",
    re.IGNORECASE,
)  # of BIDS and of BraTS, at the end of a name; a bare `_t1` is as often a point in time
IN_TIME = re.compile(r".*_(bold|dwi|asl|cbv)", re.IGNORECASE)  # of BIDS: recordings of volumes
MOST = 0.5  # of the volumes that say so: the set is


def is_of_time(name: str) -> bool:
    """Whether a fourth axis is meant: time or directions, as BIDS names them."""
    return IN_TIME.fullmatch(PurePosixPath(name).name.partition(".")[0]) is not None


def written_modality(folder: Path, name: str) -> str:
    """`ct` or `other` by the file's name or a `dataset.json` above it in the data folder; empty: neither says."""
    stem = PurePosixPath(name).name.partition(".")[0]
    stem = re.sub(r"_\d{4}$", "", stem)
    if SUFFIX.fullmatch(stem):
        return "other"
    if stem.lower().endswith("_ct"):
        return "ct"
    for parent in PurePosixPath(name).parents:
        path = folder / parent / LISTS
        try:
            return _of_list(path, path.stat().st_mtime_ns)
        except OSError:
            continue
    return ""


@lru_cache(maxsize=8)
def _of_list(path: Path, changed_ns: int) -> str:
    """What one list says of its channels; `changed_ns` keeps an older reading from being taken for it."""
    try:
        listed: Any = json.loads(path.read_bytes())
    except ValueError:
        return ""
    named = next((listed[key] for key in CHANNELS if key in listed), None) if isinstance(listed, dict) else None
    channels = [str(one).strip() for one in named.values()] if isinstance(named, dict) else []
    if any(re.fullmatch(r"ct\b.*", one, re.IGNORECASE) for one in channels):
        return "ct"
    return "other" if channels and all(OTHER.fullmatch(one) for one in channels) else ""


def told_modality(items: Iterable[VolumeItem]) -> tuple[Literal["ct", "any"], Check | None]:
    """How `modality: auto` judges a set, and what the verdict says of it; nothing where it is CT."""
    said, total, positive, foreign = Counter[str](), 0, 0, 0
    for item in items:
        if item.problems or item.low is None:
            continue
        total += 1
        said[item.modality] += 1
        positive += item.low >= 0
        foreign += foreign_values(item)
    if total and said["other"] > MOST * total:
        why = f"file names or {LISTS} of {said['other']} of {total} volumes say another modality than CT"
        return "any", _check(Status.GO, why)
    if total and not said["ct"] and positive == total and foreign > MOST * total:
        why = f"no voxel of {total} volumes is negative, and their values are no Hounsfield units: taken for no CT"
        return "any", _check(
            Status.CAUTION, why,
            "Say which it is: `gates.quality.volumes.modality: any`, or `ct` if the rescale intercept was lost.",
        )  # fmt: skip
    return "ct", None


def _check(status: Status, why: str, hint: str = "") -> Check:
    return Check(
        id="modality", title="Modality of the volumes", value="any", threshold="`ct` where nothing says otherwise",
        status=status, why=f"judged as `any`, without Hounsfield units and air: {why}", hint=hint,
    )  # fmt: skip
