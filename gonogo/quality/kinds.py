"""The kinds of data that there is an inspector for, and what an inspector is."""

from __future__ import annotations

import importlib
import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, get_args

from pydantic import BaseModel

from gonogo.errors import UserError
from gonogo.files import Unlisted
from gonogo.quality.decisions import Decision
from gonogo.quality.items import Fault, Finding, MeasuredItem
from gonogo.quality.left_out import METADATA
from gonogo.thresholds import QualityGate
from gonogo.verdict import Check, Status, worst

if TYPE_CHECKING:
    from PIL import Image

    from gonogo.quality.distributions import Distribution
    from gonogo.quality.parts import MeasuredSet

# name → module and class, imported when it is asked for
KINDS = {
    "views": "gonogo.quality.views.kind:Views",
    "images": "gonogo.quality.pictures.kind:Images",
    "volumes": "gonogo.quality.volumes.kind:Volumes",
    "series": "gonogo.quality.series.kind:SeriesFiles",
    "points": "gonogo.quality.points.kind:PointClouds",
    "text": "gonogo.quality.text.kind:Texts",
}
# kinds whose gate also says how items are read: a change there measures anew
CONFIGURED = ("series", "text")
# libraries beyond the core, by kind; the extra to install has the kind's name
NEEDED = {"volumes": ["nibabel"], "series": ["h5py"], "points": ["trimesh"], "text": ["jsonschema_rs", "tokenizers"]}


class Known(ABC):
    """What earlier scans measured, by the sha256 of a file's bytes."""

    @abstractmethod
    def get(self, content: str) -> dict[str, Any] | None: ...

    @abstractmethod
    def put(self, content: str, statistics: dict[str, Any]) -> None: ...

    def close(self) -> None:
        """Keep what was put, and hold no file open until something is asked again."""
        return


class NothingKnown(Known):
    def get(self, content: str) -> None:
        return None

    def put(self, content: str, statistics: object) -> None:
        return None


@dataclass(frozen=True)
class ItemFiles:
    """One item as it lies in the data folder, unread.

    Attributes:
        name: from the folder.
        files: its files, from the folder, sorted.
    """

    folder: Path
    name: str
    files: tuple[str, ...]


class Scan(NamedTuple):
    """What lies in a data folder: items in a fixed order, files of no item, and what could not be listed."""

    items: list[ItemFiles]
    others: list[str]
    unlisted: list[Unlisted]


@dataclass
class ItemReading:
    """One item as it was read.

    Attributes:
        hashes: path from the data folder → sha256, of every file of the item that could be read.
    """

    item: MeasuredItem
    hashes: dict[str, str] = field(default_factory=dict)


@dataclass
class Judgement:
    """Unpacks as (checks, cause), like every gate's judgement.

    Attributes:
        checks: one for each question.
        cause: DATA, CAMERA, DECODER, LEAKAGE or UNREADABLE; empty where nothing is wrong.
        worst: the worst items, worst first, at most `Worst.most` of them.
        items, bad: how many there are.
        more: items to generate before this can be decided; 0: decided.
        covered: how many files it is about, and what was left out.
    """

    checks: list[Check]
    cause: str
    worst: list[Any]
    items: int
    bad: int
    more: int = 0
    covered: str = ""

    @property
    def status(self) -> Status:
        return worst(check.status for check in self.checks)

    def __iter__(self) -> Iterator[list[Check] | str]:
        return iter((self.checks, self.cause))


class Kind(ABC):
    """An inspector: how items of one kind are found in a folder, measured one by one, and judged as a set.

    Measuring knows no threshold. Judging opens no data: it sees what was measured, item by item, so that a set may
    be larger than memory and lie in parts that were measured on different machines.

    Attributes:
        name: of the kind, as `kind:` of an experiment and `--kind` say it.
        title: for people, several of them: `posed views`.
        item: what one item is called.
        Item: its measurements.
        metadata: suffixes of files that are about items and are none; whatever else is left out could be data.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    item: ClassVar[str]
    Item: ClassVar[type[MeasuredItem]]
    metadata: ClassVar[tuple[str, ...]] = METADATA

    def configured(self, gate: QualityGate) -> Kind:
        """The inspector as this gate wants items read: the schema that records must match, the tokenizer that counts.

        Thresholds change nothing here.

        Raises:
            UserError: a file that the gate names cannot be read.
        """
        return self

    @property
    def reading(self) -> str:
        """What `configured` changed about how items are read, as text; for Snakemake, which then measures anew."""
        return ""

    @abstractmethod
    def scan(self, folder: Path) -> Scan:
        """The folder's items, and what else is there.

        Raises:
            UserError: there is no item of this kind; says what one looks like.
        """

    @abstractmethod
    def measure(self, files: ItemFiles, known: Known) -> ItemReading:
        """Everything that any check asks for. A file that cannot be read is a problem of the item, never an error."""

    def measure_all(self, items: Sequence[ItemFiles], known: Known) -> Iterable[ItemReading]:
        """`measure` of each; a kind that is faster with several at once says how."""
        return (self.measure(files, known) for files in items)

    def look_closer(self, files: ItemFiles) -> int | None:
        """What is too slow to be asked of every item; asked of a few of each part. None: it cannot be told."""
        return None

    @abstractmethod
    def judge(
        self, data: MeasuredSet, gate: QualityGate, decision: Decision, each: Callable[[Finding], None]
    ) -> Judgement:
        """Hold a set against the thresholds; `each` is called with every item's finding."""

    def picture(self, item: MeasuredItem) -> Image.Image | None:
        """What a person would look at; None where there is nothing to see, or it cannot be read."""
        return None

    def distributions(self, gate: QualityGate) -> list[Distribution]:
        """Columns of the table that are worth drawing, with the thresholds they are held against."""
        return []

    def draws(self, row: dict[str, Any]) -> bool:
        """Whether a row of the table belongs to the distributions."""
        return True

    def rows(self, finding: Finding) -> Sequence[dict[str, Any]]:
        """The finding's rows of the table, plain values by column: the same columns for every finding."""
        values = finding.item.model_dump(mode="json", exclude={"folder", "name", "problems", "near"})
        found = flat(values)
        own = {column: found.get(column) for column in columns_of(self.Item)}
        return [{**row_head(finding.item.path, finding.faults), **own}]


def row_head(path: str, faults: Sequence[Fault]) -> dict[str, Any]:
    """How every row begins."""
    return {
        "path": path,
        "status": status_of(faults).value,
        "checks": " ".join(fault.id for fault in faults),
        "reasons": "; ".join(fault.reason for fault in faults),
    }


def status_of(faults: Sequence[Fault]) -> Status:
    """NO_GO for a fault that makes an item bad, CAUTION for others, GO for none."""
    if any(not fault.warns for fault in faults):
        return Status.NO_GO
    return Status.CAUTION if faults else Status.GO


def columns_of(model: type[BaseModel], prefix: str = "") -> list[str]:
    """The names that `flat` gives to a model's values, those of a nested model that may be None among them."""
    found = []
    for name, field_ in model.model_fields.items():
        if field_.exclude or (not prefix and name in ("folder", "name", "problems", "near")):
            continue
        inner = [part for part in (field_.annotation, *get_args(field_.annotation)) if _is_model(part)]
        found += columns_of(inner[0], f"{prefix}{name}.") if inner else [prefix + name]
    return found


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values under dotted names; lists as they are joined by spaces; floats to 6 digits behind the point."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{key}.")
        elif isinstance(value, list):
            found[prefix + key] = " ".join(map(str, value))
        else:
            found[prefix + key] = round(value, 6) if isinstance(value, float) else value
    return found


def check_kind(name: str) -> None:
    """Raise UserError where there is no inspector of this name, or a library that it needs is not installed."""
    if name not in KINDS:
        raise UserError(f"kind {name!r}: there is an inspector for: {', '.join(KINDS)}")
    for package in NEEDED.get(name, ()):
        if importlib.util.find_spec(package) is None:
            raise UserError(f"kind {name!r} needs the package {package!r}, not installed: pip install 'gonogo[{name}]'")


def kind_of(name: str) -> Kind:
    """The inspector of a kind.

    Raises:
        UserError: as `check_kind`.
    """
    check_kind(name)
    module, _, attribute = KINDS[name].partition(":")
    found = getattr(importlib.import_module(module), attribute)()
    assert isinstance(found, Kind)
    return found
