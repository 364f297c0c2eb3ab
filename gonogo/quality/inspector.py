"""What an inspector is: how items of one kind are found in a folder, measured one by one, and judged as a set."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from gonogo.base.files import Unlisted
from gonogo.config.gate_thresholds import ResultsGate
from gonogo.config.quality_thresholds import QualityGate
from gonogo.quality.acceptance import AcceptanceRule
from gonogo.quality.items import Finding, FindingSink, MeasuredItem
from gonogo.quality.judgement import Judgement
from gonogo.quality.label_findings import LabelFindings
from gonogo.quality.left_out import METADATA
from gonogo.quality.measured_set import MeasuredSet
from gonogo.quality.table import item_row
from gonogo.verdict import Check

if TYPE_CHECKING:
    from PIL import Image

    from gonogo.quality.distributions import Distribution


class StatisticsCache:
    """Statistics of earlier scans, by the sha256 of a file's bytes. This one remembers nothing."""

    def get(self, content: str) -> dict[str, Any] | None:
        return None

    def put(self, content: str, statistics: dict[str, Any]) -> None:
        return

    def close(self) -> None:
        """Write what was put, and keep no file open until the next call."""
        return


@dataclass(frozen=True, slots=True)
class ItemFiles:
    """One item as it lies in the data folder, unread."""

    folder: Path
    name: str  # from the folder
    files: tuple[str, ...]  # its files, from the folder, sorted


class Scan(NamedTuple):
    """What lies in a data folder: items in a fixed order, files of no item, and what could not be listed."""

    items: list[ItemFiles]
    others: list[str]
    unlisted: list[Unlisted]


@dataclass
class ItemReading:
    """One item as it was read."""

    item: MeasuredItem
    # path from the data folder → sha256, of every file of the item that could be read
    hashes: dict[str, str] = field(default_factory=dict)


class Inspector(ABC):
    """Finds items of one kind in a folder, measures them one by one, and judges them as a set.

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

    # --- measuring ---

    def configured(self, gate: QualityGate) -> Inspector:
        """The inspector as this gate wants items read: the schema that records must match, the tokenizer that counts.

        Thresholds change nothing here.

        Raises:
            UserError: a file that the gate names cannot be read.
        """
        return self

    @property
    def reading(self) -> str:
        """What `configured` changed about how items are read, as text; another text, and items are measured again."""
        return ""

    @abstractmethod
    def scan(self, folder: Path) -> Scan:
        """The folder's items, and what else is there.

        Raises:
            UserError: there is no item of this kind; says what one looks like.
        """

    @abstractmethod
    def measure(self, files: ItemFiles, cache: StatisticsCache) -> ItemReading:
        """Everything that any check needs. A file that cannot be read is a problem of the item, never an error."""

    def measure_all(self, items: Sequence[ItemFiles], cache: StatisticsCache) -> Iterable[ItemReading]:
        """`measure` of each; a kind that is faster with several at once overrides this."""
        return (self.measure(files, cache) for files in items)

    def labels_beside(
        self, folder: Path, items: Sequence[ItemFiles], others: Sequence[str], measured: Path
    ) -> tuple[list[LabelFindings], list[str]]:
        """What labels beside the items show, and which of the other files were judged for that.

        Args:
            folder: the data folder.
            others: files of no item, from the folder.
            measured: the items as they were measured, a line each.
        """
        return [], []

    def look_closer(self, files: ItemFiles) -> int | None:
        """A figure that is too slow for every item, and is measured of a few in each part; None: not measurable."""
        return None

    def prediction_metrics(self, predictions: Path, references: Sequence[Path]) -> dict[str, float]:
        """What predicted items show only beside their references, by name.

        Args:
            predictions: a data folder of this kind, as a trained model made it.
            references: the folders of the data that it was trained and tested on.
        """
        return {}

    # --- judging ---

    @abstractmethod
    def judge(self, data: MeasuredSet, gate: QualityGate, rule: AcceptanceRule, each: FindingSink) -> Judgement:
        """Hold a set against the thresholds; `each` is called with every item's finding."""

    def prediction_checks(self, metrics: Mapping[str, float], gate: ResultsGate) -> list[Check]:
        """Hold `prediction_metrics` against the thresholds."""
        return []

    # --- showing ---

    def picture(self, item: MeasuredItem) -> Image.Image | None:
        """The item for the eye; None where there is nothing to see, or it cannot be read."""
        return None

    def sheet(self, judgement: Judgement, folders: Sequence[Path], out: Path) -> None:
        """Write a PNG of the worst items, worst first, the reasons under each.

        Args:
            folders: where the data lies.
        """
        from gonogo.quality.sheet import sheet

        sheet(judgement, self.item, self.picture, out)

    def distributions(self, gate: QualityGate) -> list[Distribution]:
        """Columns of the table that are worth drawing, with their thresholds."""
        return []

    def draws(self, row: dict[str, Any]) -> bool:
        """Whether a row of the table belongs to the distributions."""
        return True

    def rows(self, finding: Finding) -> Sequence[dict[str, Any]]:
        """The finding's rows of the table, plain values by column: the same columns for every finding."""
        return [item_row(finding)]
