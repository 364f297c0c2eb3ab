"""Documents: records in .jsonl and .json, and whole .txt and .md files."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from PIL import Image, ImageDraw

from gonogo.base.digests import digest, file_digest
from gonogo.base.errors import UserError
from gonogo.config.quality_thresholds import QualityGate, TextGate
from gonogo.quality.acceptance import AcceptanceRule
from gonogo.quality.fault_counts import FaultGroup
from gonogo.quality.file_kind import SPLITS, FileInspector
from gonogo.quality.inspector import ItemFiles, ItemReading, Scan, StatisticsCache
from gonogo.quality.items import Fault, FileProblem, Finding, MeasuredItem
from gonogo.quality.table import row_head
from gonogo.quality.text.checks import document_faults, fault_groups, record_checks
from gonogo.quality.text.items import TextItem
from gonogo.quality.text.overview import TextOverview
from gonogo.quality.text.records import LINES, SUFFIXES, read_records
from gonogo.quality.text.statistics import CountTokens, RecordReader
from gonogo.verdict import Check

# of a data set's own papers and settings
NOT_DATA = re.compile(r"(readme|licen[cs]e|dataset_infos?|tokenizer(_config)?|.*schema)\.(json|txt|md)$", re.IGNORECASE)
SHOWN = 6  # records of a picture


class Texts(FileInspector):
    """An item is a file; its records are counted within.

    Args:
        settings: how to read; thresholds among them change nothing.
        count_tokens: of a text, by the model's own tokenizer, where the settings name none.
    """

    name, title, item = "text", "documents", "document"
    Item: ClassVar[type[MeasuredItem]] = TextItem
    suffixes = SUFFIXES
    metadata: ClassVar[tuple[str, ...]] = (".yaml", ".yml", ".toml", ".ini", ".cfg")

    def __init__(self, settings: TextGate | None = None, count_tokens: CountTokens | None = None) -> None:
        self._settings, self._count_tokens = settings or TextGate(), count_tokens
        self._reader = RecordReader(self._settings, count_tokens)
        self._partners = tuple(suffix.lower() for suffix in self._settings.paired_with)

    def configured(self, gate: QualityGate) -> Texts:
        return Texts(gate.text, self._count_tokens)

    @property
    def reading(self) -> str:
        return self._reader.read_as

    def scan(self, folder: Path) -> Scan:
        items, others, unlisted = super().scan(folder)
        kept = []
        for item in items:
            if NOT_DATA.match(Path(item.name).name) or self._is_partner(item.name):
                others.append(item.name)
            else:
                kept.append(item)
        if not kept:
            names = ", ".join(item.name for item in items[:3])
            raise UserError(f"{folder}: no document here but {names}, which is not data")
        if not self._partners:
            return Scan(kept, others, unlisted)
        partners = [name for name in others if self._is_partner(name)]
        rest = [name for name in others if not self._is_partner(name)]
        return Scan(_paired(kept, partners, folder), rest, unlisted)

    def measure(self, files: ItemFiles, cache: StatisticsCache) -> ItemReading:
        reading = super().measure(files, cache)
        item = reading.item
        assert isinstance(item, TextItem)
        item.split = item.split or split_of_file(item.name)
        partners = [name for name in files.files if name != item.name]
        for partner in partners:
            try:
                reading.hashes[partner] = file_digest(files.folder / partner)
            except OSError as error:
                item.problems.append(FileProblem(path=partner, reason=f"cannot be read: {error.strerror}"))
        if partners:
            item.files = 1 + len(partners)
            item.content = digest(reading.hashes)  # the same caption of another picture is another item
            item.record_hashes = ""
        if self._partners and not item.orphan and not item.name.lower().endswith(LINES):
            there = " ".join(partners).lower()
            item.missing = [suffix for suffix in self._partners if suffix not in there]
        return reading

    def statistics(self, path: Path) -> dict[str, Any]:
        return {"orphan": True} if self._is_partner(path.name) else self._reader.statistics(path)

    def overview(self) -> TextOverview:
        return TextOverview()

    def faults(self, item: TextItem, overview: TextOverview, gate: QualityGate) -> list[Fault]:
        return document_faults(item, overview, gate.text)

    def fault_groups(self, gate: QualityGate) -> Sequence[FaultGroup]:
        return fault_groups(gate.text)

    def set_checks(self, overview: TextOverview, gate: QualityGate, rule: AcceptanceRule) -> list[Check]:
        return record_checks(overview, gate.text, rule)

    def draw(self, item: TextItem) -> Image.Image:
        """The beginnings of the first records."""
        page = Image.new("RGB", (512, 256), "white")
        draw = ImageDraw.Draw(page)
        for row, record in zip(range(SHOWN), read_records(Path(item.path)), strict=False):
            text = record.detail if record.fault else self._reader.text_of(record.value)
            shown = "".join(c if " " <= c <= "\xff" else "?" for c in " ".join(text[:400].split()))
            draw.text((6, 6 + 42 * row), f"{record.number}: {shown[:80]}\n{shown[80:160]}", fill="black")
        return page

    def rows(self, finding: Finding) -> Sequence[dict[str, Any]]:
        item = finding.item
        assert isinstance(item, TextItem)
        counts = {fault.id: fault.count for fault in item.faults}
        ids = ("json", "cut", "encoding", "control", "schema", "keys", "empty", "turns")
        return [
            {
                **row_head(item.path, finding.faults),
                "content": item.content,
                "split": item.split,
                "records": item.records,
                "bad_records": item.bad_records,
                **{f"records.{id}": counts.get(id, 0) for id in ids},
                "most_tokens": max(item.tokens, default=None) if item.tokens else None,
                "missing": " ".join(item.missing),
            }
        ]

    def _is_partner(self, name: str) -> bool:
        return bool(self._partners) and name.lower().endswith(self._partners)


def split_of_file(name: str) -> str:
    """The split that a file of records names, in the first or last word of its name: `train.jsonl`, `qa_val.json`."""
    path = Path(name)
    if path.suffix.lower() not in (*LINES, ".json"):
        return ""
    words = re.split(r"[-_. ]", path.stem.lower())
    return SPLITS.get(words[0], "") or SPLITS.get(words[-1], "")


def _paired(documents: Sequence[ItemFiles], partners: Sequence[str], folder: Path) -> list[ItemFiles]:
    """Documents with the files of the same stem, in the same folder or, where there is but one, in any; and partners
    that are left over, as items of their own."""
    by_stem: dict[str, list[str]] = defaultdict(list)
    for partner in partners:
        by_stem[Path(partner).stem].append(partner)
    taken: set[str] = set()
    found = []
    for document in documents:
        path = Path(document.name)
        alike = by_stem[path.stem] if not document.name.lower().endswith(LINES) else []
        beside = [partner for partner in alike if Path(partner).parent == path.parent]
        chosen = beside or (alike if len({Path(partner).parent for partner in alike}) == 1 else [])
        taken.update(chosen)
        found.append(ItemFiles(folder, document.name, tuple(sorted([document.name, *chosen]))))
    return found + [ItemFiles(folder, partner, (partner,)) for partner in partners if partner not in taken]
