"""WebDataset: samples in tar files, each of them members of one name."""

from __future__ import annotations

import io
import tarfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image
from pydantic import Field

from gonogo.config.quality_thresholds import QualityGate
from gonogo.config.table_thresholds import ShardsGate
from gonogo.quality.acceptance import AcceptanceRule
from gonogo.quality.arrays import in_time
from gonogo.quality.fault_counts import FaultGroup
from gonogo.quality.file_kind import FileInspector, Overview, split_of_words
from gonogo.quality.hash_samples import EVERY, SplitHashes, packed
from gonogo.quality.inspector import ItemFiles, ItemReading, StatisticsCache
from gonogo.quality.items import Fault, MeasuredItem
from gonogo.quality.shards.files import PICTURES, SUFFIXES, read_samples
from gonogo.quality.wording import listed, percent
from gonogo.verdict import Check, Status, not_measured

MOST_FORMS, MOST_CLASSES = 64, 1000
USUAL = 0.5  # share of the set's samples that have a member, above which it belongs to each …
LABELS, USUAL_LABEL = ("cls", "txt", "json", "caption"), 0.2  # … or of those that say what a sample is, from here on


class ShardItem(MeasuredItem):
    """One tar file."""

    samples: int = 0
    members: int = 0
    forms: dict[str, int] = Field(default_factory=dict, description="samples by the endings that they have, joined")
    scattered: int = Field(default=0, description="samples whose members do not follow each other")
    bad_members: int = Field(default=0, description="empty, or no whole picture or JSON")
    first_problem: str = ""
    repeated: int = Field(default=0, description="samples with the data of another")
    sample_hashes: str = Field(default="", description="base64 of 64 bits a sample, the least ones")
    sample_limit: int = EVERY
    classes: dict[str, int] = Field(default_factory=dict)


class ShardOverview(Overview):
    """Which members a sample of this set has, and which samples are in two splits."""

    def __init__(self) -> None:
        super().__init__()
        self.samples = 0
        self.hashes, self.classes, self._suffixes = SplitHashes(), Counter[str](), Counter[str]()
        self.usual: set[str] = set()

    def add(self, item: MeasuredItem) -> None:
        super().add(item)
        assert isinstance(item, ShardItem)
        if item.problems:
            return
        self.samples += item.samples
        self.classes.update(item.classes)
        self.hashes.add(item.split, item.path, item.sample_hashes, item.sample_limit)
        for form, count in item.forms.items():
            self._suffixes.update(dict.fromkeys(form.split(" "), count))

    def close(self) -> None:
        super().close()
        self.usual = {
            suffix
            for suffix, count in self._suffixes.items()
            if count > (USUAL_LABEL if suffix in LABELS else USUAL) * self.samples
        }


class Shards(FileInspector):
    name, title, item = "shards", "shards", "shard"
    Item: ClassVar[type[MeasuredItem]] = ShardItem
    suffixes = SUFFIXES

    def measure(self, files: ItemFiles, cache: StatisticsCache) -> ItemReading:
        reading = super().measure(files, cache)
        reading.item.split = reading.item.split or split_of_words(files.name)
        return reading

    def statistics(self, path: Path) -> dict[str, Any]:
        forms, classes, hashes, seen = Counter[str](), Counter[str](), list[int](), set[int]()
        samples = members = scattered = bad = 0
        first = ""
        for sample in in_time(path, read_samples(path)):
            samples += 1
            members += len(sample.members)
            key = hash(sample.key)
            scattered += key in seen
            seen.add(key)
            form = " ".join(sorted(sample.members))
            forms[form if form in forms or len(forms) < MOST_FORMS else "others"] += 1
            bad += len(sample.problems)
            first = first or next(iter(sample.problems), "")
            if sample.label and (sample.label in classes or len(classes) < MOST_CLASSES):
                classes[sample.label] += 1
            if sample.content:
                hashes.append(sample.content)
        distinct = np.array(hashes, np.uint64)
        text, limit = packed(distinct)
        return {
            "samples": samples, "members": members, "forms": dict(forms), "scattered": scattered, "bad_members": bad,
            "first_problem": first, "repeated": len(distinct) - len(np.unique(distinct)), "sample_hashes": text,
            "sample_limit": limit, "classes": dict(classes),
        }  # fmt: skip

    def overview(self) -> ShardOverview:
        return ShardOverview()

    def faults(self, item: ShardItem, overview: ShardOverview, gate: QualityGate) -> list[Fault]:
        return list(shard_faults(item, overview, gate.shards))

    def set_checks(self, overview: ShardOverview, gate: QualityGate, rule: AcceptanceRule) -> list[Check]:
        id_, title = "sample_leakage", "Samples that are in one split"
        threshold = "none with the data of one in another split, by the shard's folder or name"
        if len(overview.hashes.splits) < 2:
            return [not_measured(id_, title, "there are no two splits", threshold=threshold)]
        shared, of, files = overview.hashes.shared()
        why = f"{shared} of {of} samples that were compared are in another split: {' and '.join(files)}"
        return [
            Check(
                id=id_, title=title, value=shared, unit="samples", threshold=threshold,
                status=Status.NO_GO if shared else Status.GO, why=why if shared else "",
                hint="Split before the shards are written." if shared else "", evidence=files if shared else [],
            )
        ]  # fmt: skip

    def draw(self, item: ShardItem) -> Image.Image:
        """Its first picture.

        Raises:
            ValueError: there is none.
        """
        with tarfile.open(item.path, "r|*") as archive:
            for member in archive:
                if member.name.lower().endswith(PICTURES) and (stream := archive.extractfile(member)):
                    return Image.open(io.BytesIO(stream.read())).convert("RGB")
        raise ValueError("no picture in it")

    def fault_groups(self, gate: QualityGate) -> Sequence[FaultGroup]:
        own = gate.shards
        return [
            FaultGroup(
                "samples", "Samples are whole and follow each other", {"empty", "incomplete", "scattered"},
                f"no samples, over {percent(own.max_incomplete)} without a member that most have (fewer: a warning), "
                "or members of one that do not follow each other", "hold broken samples",
                "Write all members of a sample one after the other; a loader gathers neighbours only.",
            ),
            FaultGroup(
                "members", "Members hold what their names say", {"bad_members"},
                f"over {percent(own.max_bad_members)} of members empty, or no whole picture or JSON (fewer: a warning)",
                "hold damaged members", "Write these samples again from their source.",
            ),
            FaultGroup(
                "repeated_samples", "Samples that are there once", {"repeated"},
                f"never bad; over {percent(own.max_repeated)} that repeat another are a warning", "repeat samples",
                "Remove them, or count them on purpose.",
            ),
        ]  # fmt: skip


def shard_faults(item: ShardItem, overview: ShardOverview, gate: ShardsGate) -> Iterator[Fault]:
    """The checks that fire for one shard, against the thresholds and the set."""
    if not item.samples:
        yield Fault("empty", "no samples")
        return
    lacking = Counter[str]()
    broken = 0
    for form, count in item.forms.items():
        missing = overview.usual - set(form.split(" ")) if form != "others" else set[str]()
        lacking.update(dict.fromkeys(missing, count))
        broken += count if missing else 0
    if broken:
        without = listed([f".{suffix} ({count})" for suffix, count in lacking.most_common(3)])
        why = f"{broken} of {item.samples} samples without {without}"
        yield Fault("incomplete", why, warns=broken <= gate.max_incomplete * item.samples)
    if item.scattered:
        yield Fault("scattered", f"{item.scattered} samples in pieces that do not follow each other")
    if item.bad_members:
        few = item.bad_members <= gate.max_bad_members * item.members
        yield Fault("bad_members", f"{item.bad_members} of {item.members} members, {item.first_problem}", warns=few)
    if item.repeated > gate.max_repeated * item.samples:
        yield Fault("repeated", f"{item.repeated} of {item.samples} samples repeat another", warns=True)
