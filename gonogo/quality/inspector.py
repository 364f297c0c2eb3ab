"""The kinds of data that there is an inspector for, and what an inspector is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, get_args

from pydantic import BaseModel

from gonogo.base.files import Unlisted
from gonogo.config.quality_thresholds import QualityGate
from gonogo.quality.acceptance import Decision
from gonogo.quality.items import Fault, Finding, MeasuredItem
from gonogo.quality.left_out import METADATA
from gonogo.verdict import Check, Status, worst

if TYPE_CHECKING:
    from PIL import Image

    from gonogo.quality.distributions import Distribution
    from gonogo.quality.measured_set import MeasuredSet
from gonogo.base.mappings import flat


class StatisticsCache(ABC):
    """What earlier scans measured, by the sha256 of a file's bytes."""

    @abstractmethod
    def get(self, content: str) -> dict[str, Any] | None: ...

    @abstractmethod
    def put(self, content: str, statistics: dict[str, Any]) -> None: ...

    def close(self) -> None:
        """Keep what was put, and hold no file open until something is asked again."""
        return


class NoCache(StatisticsCache):
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


class Inspector(ABC):
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

    def configured(self, gate: QualityGate) -> Inspector:
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
    def measure(self, files: ItemFiles, known: StatisticsCache) -> ItemReading:
        """Everything that any check asks for. A file that cannot be read is a problem of the item, never an error."""

    def measure_all(self, items: Sequence[ItemFiles], known: StatisticsCache) -> Iterable[ItemReading]:
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
