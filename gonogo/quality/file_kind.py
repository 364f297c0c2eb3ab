"""Kinds whose item is one file: pictures, volumes, recordings, point clouds, documents."""

from __future__ import annotations

import hashlib
import re
from abc import abstractmethod
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from gonogo.base.digests import digest
from gonogo.base.errors import UserError
from gonogo.base.files import Unlisted, names_below
from gonogo.config.quality_thresholds import QualityGate
from gonogo.quality.acceptance import AcceptanceRule
from gonogo.quality.arrays import explained_errors
from gonogo.quality.duplicates import DuplicateIndex
from gonogo.quality.fault_counts import (
    FaultCount,
    FaultGroup,
    FaultGroupCounter,
    UnreadableFiles,
    WorstItems,
    bad_items,
)
from gonogo.quality.inspector import Inspector, ItemFiles, ItemReading, Scan, StatisticsCache
from gonogo.quality.items import Fault, FileProblem, Finding, FindingSink, MeasuredItem
from gonogo.quality.judgement import Judgement
from gonogo.quality.label_findings import Form, LabelFindings
from gonogo.quality.measured_set import MeasuredSet
from gonogo.verdict import Check, Status

if TYPE_CHECKING:
    from PIL import Image

SPLITS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
    "eval": "test",
}  # fmt: skip  names of folders that say which split their files belong to


BESIDE_SPLITS = {
    *("images", "image", "imgs", "img", "pictures", "pics", "photos", "data", "set", "dataset", "split", "labels"),
    *("masks", "x", "input", "inputs", "jpg", "png", "hr", "lr"),
}  # what may stand beside a split in a folder's name
LEAKS = (
    "neighbours",
    "leakage",
    "record_leakage",
    "window_leakage",
    "row_leakage",
    "sample_leakage",
)  # checks whose cause is LEAKAGE


class Overview:
    """What only the whole set shows, gathered from every item before any is judged.

    A kind that compares its items with each other (the commonest shape, the median spacing) extends this.
    """

    def __init__(self) -> None:
        self.duplicates = DuplicateIndex()
        self.beside: dict[Form, LabelFindings] = {}  # what labels beside the items show

    def begin(self, gate: QualityGate) -> None:
        """Called once, before the first item."""

    def add(self, item: MeasuredItem) -> None:
        self.duplicates.add(item)

    def close(self) -> None:
        """Called once, after the last item."""
        self.duplicates.close()


class FileInspector(Inspector):
    """A kind whose item is one file with one of `suffixes`."""

    suffixes: ClassVar[tuple[str, ...]]  # in lower case, with the dot; `.nii.gz` is one

    # --- what a kind says of itself ---

    def statistics(self, path: Path) -> dict[str, Any]:
        """The fields of `Item` that the file's content gives, as JSON knows them. For `measure` as it stands here.

        Raises:
            Exception: the file cannot be read; the text says why, in a few words.
        """
        raise NotImplementedError

    @abstractmethod
    def draw(self, item: Any) -> Image.Image:
        """The item for the eye.

        Raises:
            Exception: it cannot be read, or there is nothing to see.
        """

    @abstractmethod
    def faults(self, item: Any, overview: Any, gate: QualityGate) -> list[Fault]:
        """The checks that fire for one item."""

    @abstractmethod
    def fault_groups(self, gate: QualityGate) -> Sequence[FaultGroup]:
        """One check of the verdict for each; together they name every fault of `faults`."""

    def overview(self) -> Overview:
        return Overview()

    def set_checks(self, overview: Any, gate: QualityGate, rule: AcceptanceRule) -> list[Check]:
        """Checks that are about the set and not about its items."""
        return []

    def group(self, name: str) -> str:
        """What must be on one side of a split, by the file's name; empty: the file alone."""
        return ""

    # --- what all of them share ---

    def scan(self, folder: Path) -> Scan:
        items, others = [], []
        names, unlisted = names_below(folder)
        for written in names:
            # a name that is no UTF-8 is written with its bytes escaped: under that name the file is not to be read
            name = written if written.isascii() else written.encode(errors="backslashreplace").decode()
            if name.lower().endswith(self.suffixes):
                items.append(ItemFiles(folder, name, (name,)))
            else:
                others.append(name)
        if not items:
            raise UserError(
                f"{folder}: no {self.item} here ({', '.join(self.suffixes)}). {what_is_there(others, unlisted)}"
            )
        return Scan(items, others, unlisted)

    def measure(self, files: ItemFiles, cache: StatisticsCache) -> ItemReading:
        path = files.folder / files.name
        item: dict[str, Any] = {
            "name": files.name,
            "folder": str(files.folder),
            "split": split_of(files.name),
            "group": self.group(files.name),
        }
        try:
            with path.open("rb") as stream:
                item["content"] = hashlib.file_digest(stream, "sha256").hexdigest()
            key = digest(item["content"], self.reading) if self.reading else item["content"]
            measured = cache.get(key)
            if measured is None:
                with explained_errors():
                    measured = self.statistics(path)
                cache.put(key, measured)
        except ValueError as error:
            measured = {"problems": [FileProblem(path=files.name, reason=str(error))]}
        except OSError as error:
            reason = f"cannot be read: {error.strerror or error}"
            measured = {"problems": [FileProblem(path=files.name, reason=reason)]}
        hashes = {files.name: item["content"]} if "content" in item else {}
        return ItemReading(self.Item(**(item | measured)), hashes)

    def judge(self, data: MeasuredSet, gate: QualityGate, rule: AcceptanceRule, each: FindingSink) -> Judgement:
        overview, readable = self.overview(), UnreadableFiles(rule, self.item, data.strays)
        overview.beside = data.labels
        overview.begin(gate)
        for item in data.items(self.Item):
            overview.add(item)
            readable.add(item)
        overview.close()
        counters = [FaultGroupCounter(group, self.item) for group in self.fault_groups(gate)]
        all_bad, worst_items = FaultCount(), WorstItems(rule)
        for item in data.items(self.Item):
            finding = Finding(item, self._all_faults(item, overview, gate))
            all_bad.add(item.path, finding.bad)
            worst_items.add(finding)
            each(finding)
            for counter in counters:
                counter.add(finding)
        checks = [
            readable.check(),
            *[counter.check(rule) for counter in counters],
            *overview.duplicates.checks(self.item),
            *self.set_checks(overview, gate, rule),
        ]
        overall, more = bad_items(all_bad, rule, self.item)
        checks.append(overall)
        own = checks[: 1 + len(counters)]
        return Judgement(checks, _cause(own, checks, all_bad), worst_items.findings, len(data), all_bad.bad, more)

    def picture(self, item: MeasuredItem) -> Image.Image | None:
        try:
            with explained_errors():
                return self.draw(item)
        except ValueError:
            return None

    def _all_faults(self, item: Any, overview: Overview, gate: QualityGate) -> list[Fault]:
        if item.problems:
            return [Fault("unreadable", problem.reason) for problem in item.problems]
        return [*self.faults(item, overview, gate), *overview.duplicates.faults(item)]


def split_of(name: str) -> str:
    """The split that a folder of the path names, the first that does; empty where none does."""
    return next((split for part in name.split("/")[:-1] if (split := split_of_folder(part))), "")


def split_of_folder(name: str) -> str:
    """The split that a folder's name says: `train`, `train2017`, `test_images`, `images-val`; empty for none."""
    if found := SPLITS.get(name.lower()):
        return found
    words = [word for word in re.split(r"[-_. ]|(?<=[a-z])(?=\d)", name.lower()) if word]
    named = [SPLITS[word] for word in words if word in SPLITS]
    rest = [word for word in words if word not in SPLITS and word not in BESIDE_SPLITS and not word.isdecimal()]
    return named[0] if len(named) == 1 and not rest else ""


def split_of_words(name: str) -> str:
    """The split that the first or last word of a file's name says: `train-00000-of-00001.parquet`, `qa_val.json`."""
    words = re.split(r"[-_. ]", name.lower().rsplit("/", maxsplit=1)[-1].partition(".")[0])
    return SPLITS.get(words[0], "") or SPLITS.get(words[-1], "")


def _cause(own: Sequence[Check], checks: Sequence[Check], bad: FaultCount) -> str:
    """What is wrong with items themselves comes first: black pictures are alike on both sides of any split.

    Args:
        own: whether they can be read, and what each shows by itself.
    """
    if own[0].status is Status.NO_GO:
        return "UNREADABLE"
    if any(check.status is Status.NO_GO for check in own):
        return "DATA"
    if any(check.id in LEAKS and check.status is Status.NO_GO for check in checks):
        return "LEAKAGE"
    return "DATA" if bad.bad or any(check.status is Status.NO_GO for check in checks) else ""


def what_is_there(others: Sequence[str], unlisted: Sequence[Unlisted]) -> str:
    """What a folder holds in which there is no item."""
    sentences = []
    if others:
        suffixes = Counter("".join(Path(name).suffixes[-2:]) or "no suffix" for name in others)
        counts = ", ".join(f"{count} {suffix}" for suffix, count in suffixes.most_common(3))
        sentences.append(f"It holds {counts}; is it another --kind?")
    if unlisted:
        more = f", and {len(unlisted) - 1} more like it" if len(unlisted) > 1 else ""
        sentences.append(f"Not read: {unlisted[0].path}, a {unlisted[0].reason}{more}.")
    return " ".join(sentences) or "It is empty."
