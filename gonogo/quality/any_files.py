"""Files of any form: what can be said of data that no other kind reads, such as token files, IDX or Parquet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from PIL import Image, ImageDraw

from gonogo.config.quality_thresholds import QualityGate
from gonogo.quality.acceptance import AcceptanceRule
from gonogo.quality.fault_counts import FaultGroup, not_judged
from gonogo.quality.file_kind import SPLITS, FileInspector, Overview
from gonogo.quality.inspector import ItemFiles, ItemReading, Scan, StatisticsCache
from gonogo.quality.items import Fault, MeasuredItem
from gonogo.quality.left_out import is_note
from gonogo.verdict import Check

BLOCK_BYTES = 1 << 20
SHOWN_BYTES = 64  # of a picture


class FileItem(MeasuredItem):
    """What is measured of a file."""

    size_bytes: int = 0
    one_value: bool = False
    suffix: str = ""


class FileOverview(Overview):
    """Which forms there are."""

    def __init__(self) -> None:
        super().__init__()
        self.suffixes: set[str] = set()

    def add(self, item: MeasuredItem) -> None:
        super().add(item)
        assert isinstance(item, FileItem)
        self.suffixes.add(item.suffix or "files without suffix")


class AnyFiles(FileInspector):
    """Whole, not empty, not the same twice, on one side of a split; what is in them is left to the learning gate."""

    name, title, item = "files", "files", "file"
    Item: ClassVar[type[MeasuredItem]] = FileItem
    suffixes = ("",)
    metadata: ClassVar[tuple[str, ...]] = ()

    def scan(self, folder: Path) -> Scan:
        items, others, unlisted = super().scan(folder)
        data = [item for item in items if not is_note(item.name, self.metadata)]
        notes = [item.name for item in items if is_note(item.name, self.metadata)]
        return Scan(data or items, [*others, *(notes if data else [])], unlisted)

    def measure(self, files: ItemFiles, cache: StatisticsCache) -> ItemReading:
        reading = super().measure(files, cache)
        item = reading.item
        assert isinstance(item, FileItem)
        path = Path(files.name)
        item.suffix = path.suffix.lower()
        item.split = item.split or SPLITS.get(path.stem.lower(), "")
        return reading

    def statistics(self, path: Path) -> dict[str, Any]:
        values: set[int] = set()
        with path.open("rb") as stream:
            while len(values) < 2 and (block := stream.read(BLOCK_BYTES)):
                values |= {block[0]} if block.count(block[0]) == len(block) else set(block)
        return {"size_bytes": path.stat().st_size, "one_value": len(values) == 1}

    def overview(self) -> FileOverview:
        return FileOverview()

    def faults(self, item: FileItem, overview: Overview, gate: QualityGate) -> list[Fault]:
        if not item.size_bytes:
            return [Fault("empty", "empty")]
        return [Fault("one_value", "one value throughout")] if item.one_value and item.size_bytes > 1 else []

    def fault_groups(self, gate: QualityGate) -> Sequence[FaultGroup]:
        return [
            FaultGroup(
                "written", "Files hold something", {"empty", "one_value"}, "no bytes, or all of them the same",
                "hold nothing", "Write these files again; look for a full disk or an interrupted run.",
            )
        ]  # fmt: skip

    def set_checks(self, overview: FileOverview, gate: QualityGate, rule: AcceptanceRule) -> list[Check]:
        forms = ", ".join(sorted(overview.suffixes)[:5])
        why = f"no other kind reads these files ({forms}); the learning gate sees what the script makes of them"
        return [not_judged("contents", "What is in the files", why)]

    def draw(self, item: FileItem) -> Image.Image:
        """The first bytes."""
        with Path(item.path).open("rb") as stream:
            head = stream.read(SHOWN_BYTES)
        page = Image.new("RGB", (256, 128), "white")
        lines = [head[at : at + 12].hex(" ") for at in range(0, len(head), 12)]
        ImageDraw.Draw(page).text((6, 6), "\n".join([f"{item.size_bytes:,} bytes", *lines]), fill="black")
        return page
