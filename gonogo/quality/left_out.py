"""What of a data folder was not judged, and whether it could have changed the verdict."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import Literal

from pydantic import Field

from gonogo.base.files import Unlisted
from gonogo.base.models import ClosedModel
from gonogo.config.quality_thresholds import QualityGate
from gonogo.verdict import Check, Status

NAMED = 3  # of each sort, in the verdict's words
KEPT = 10  # of each sort, in a measurement and as evidence

# papers and lists that lie in data sets, whatever their suffix
PAPERS = re.compile(
    r"(read.?me|licen[cs]e|copying|notice|authors|contributors|citation|change(log|s)|version|makefile|dockerfile|"
    r"manifest|index|metadata|dataset_(infos?|description)|data_?card|participants|tokenizer(_config)?|.*schema|"
    r"([a-z0-9]+[-_.])?(md5|sha\d*|check)sums?|thumbs|desktop)(\.[a-z0-9]{1,6})*",
    re.IGNORECASE,
)
NOTES = (
    ".md", ".rst", ".log", ".bib", ".cff", ".py", ".ipynb", ".sh", ".bat", ".r", ".css", ".js", ".url", ".lnk", ".lock",
    ".md5", ".sha1", ".sha256", ".sha512", ".sfv", ".crc", ".asc", ".sig",
)  # fmt: skip
METADATA = (
    ".txt", ".json", ".jsonl", ".ndjson", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".xml", ".xmp", ".csv", ".tsv",
    ".xlsx", ".pdf", ".doc", ".docx", ".htm", ".html",
)  # fmt: skip
SYSTEM = ("lost+found", "System Volume Information", "$RECYCLE.BIN", "__MACOSX")  # folders of a disk, not data


class LeftOut(ClosedModel):
    """Files of one sort that no check judged. Counts add up over any division of the data into parts."""

    sort: str = Field(description="one of them, in words: `folder that may not be entered`, `.heic`")
    # `unseen`: what is there is unknown; `unknown`: files that could be data, which this kind does not read;
    # `harmless`: papers, lists, and what is said about items
    weight: Literal["unseen", "unknown", "harmless"]
    count: int
    first: list[str] = Field(description="up to ten of them, from where the data folder is named")


def left_out(
    metadata: Sequence[str], folder: str, others: Iterable[str], unlisted: Iterable[Unlisted]
) -> list[LeftOut]:
    """What a scan of one data folder left out.

    Args:
        metadata: suffixes of files that are about items of this kind.
        others: files of no item, from the folder.
        unlisted: what the listing of the folder could not follow.
    """
    entries = []
    for entry in unlisted:
        if not _of_the_system(entry.path):
            entries.append(LeftOut(sort=entry.reason, weight="unseen", count=1, first=[f"{folder}/{entry.path}"]))
    for name in others:
        harmless = _of_the_system(name) or is_note(name, metadata)
        suffix = PurePath(name).suffix.lower()
        sort = "note or list" if harmless else suffix or "file without suffix"
        weight: Literal["unknown", "harmless"] = "harmless" if harmless else "unknown"
        entries.append(LeftOut(sort=sort, weight=weight, count=1, first=[f"{folder}/{name}"]))
    return summed(entries)


def is_note(name: str, metadata: Sequence[str]) -> bool:
    """Whether a file's name says that it is about the data and is no data."""
    path = PurePath(name)
    return PAPERS.fullmatch(path.name) is not None or path.suffix.lower() in (*NOTES, *metadata)


def summed(parts: Iterable[LeftOut]) -> list[LeftOut]:
    """Of each sort one, in the order in which they come."""
    sums: dict[str, LeftOut] = {}
    for part in parts:
        if before := sums.get(part.sort):
            before.count += part.count
            before.first = (before.first + part.first)[:KEPT]
        else:
            sums[part.sort] = part.model_copy()
    return list(sums.values())


def coverage(files: int, parts: Sequence[LeftOut], gate: QualityGate) -> Check:
    """How many files the verdict is about. UNKNOWN where what was left out could have changed it.

    Args:
        files: that were judged.
    """
    unseen, unknown = ([part for part in parts if part.weight == weight] for weight in ("unseen", "unknown"))
    odd = sum(part.count for part in unknown)
    status, hint = Status.GO, ""
    if unseen:
        status = Status.UNKNOWN
        hint = "Give permission to enter, put folders in place of links, or name a folder that holds only what counts."
    elif odd:
        status = Status.UNKNOWN if odd > gate.max_unread_files * (files + odd) else Status.CAUTION
        hint = "Convert these files, or move what is no data elsewhere."
    count = sum(part.count for part in parts)
    return Check(
        id="files_judged",
        title="Files that the verdict is about",
        value=files,
        unit=f"of {files + count} files",
        threshold=f"nothing unseen; <= {100 * gate.max_unread_files:g} % of files that could be data",
        status=status,
        why=_summary(files, parts),
        hint=hint,
        evidence=[name for part in (*unseen, *unknown) for name in part.first][:KEPT],
    )


def _summary(files: int, parts: Sequence[LeftOut]) -> str:
    """`24 of 26 files judged; 2 left out: 1 folder that may not be entered (cats), 1 .heic (a.heic)`."""
    count = sum(part.count for part in parts)
    judged = f"{files} of {files + count} files judged"
    order = ("unseen", "unknown", "harmless")
    sorts = sorted(parts, key=lambda part: (order.index(part.weight), -part.count))
    return f"{judged}; {count} left out: {', '.join(map(_named, sorts))}" if count else judged


def _named(part: LeftOut) -> str:
    plural = part.sort if part.count == 1 or part.sort.startswith(".") else _plural(part.sort)
    if part.weight == "harmless":
        return f"{part.count} {plural}"
    more = f" and {part.count - NAMED} more" if part.count > NAMED else ""
    return f"{part.count} {plural} ({', '.join(part.first[:NAMED])}{more})"


def _plural(sort: str) -> str:
    first, _, rest = sort.partition(" ")
    return {"note": "notes and lists"}.get(first) or " ".join(filter(None, [f"{first}s", rest]))


def _of_the_system(path: str) -> bool:
    return any(part in SYSTEM or part.startswith(".") for part in PurePath(path).parts)
