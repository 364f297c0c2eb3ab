"""What is measured of a document."""

from __future__ import annotations

from pydantic import Field

from gonogo.base.models import ClosedModel
from gonogo.quality.items import MeasuredItem
from gonogo.quality.text.records import LINES


class RecordFault(ClosedModel):
    id: str
    count: int = Field(description="records")
    detail: str = Field(description="of the first")
    numbers: list[int] = Field(description="of the first lines or records")


class TextItem(MeasuredItem):
    """What is measured of one file of records."""

    read_as: str = Field(default="", description="digest of the settings that it was read with")
    records: int = 0
    bad_records: int = 0
    faults: list[RecordFault] = Field(default_factory=list)
    lengths: dict[int, int] = Field(default_factory=dict, description="8 · log2 of characters, down → records")
    tokens: dict[int, int] | None = Field(default=None, description="tokens → records; None: there was no tokenizer")
    longest_at: int = Field(default=0, description="line or record with most tokens")
    openings: dict[str, int] = Field(default_factory=dict, description="first 80 characters → records, the commonest")
    record_hashes: str = Field(default="", description="base64 of 64 bits a line; 0: no record there")
    missing: list[str] = Field(default_factory=list, description="suffixes of partners that are not there")
    orphan: bool = Field(default=False, description="a partner of no document")

    def at(self, number: int) -> str:
        """`:17` for line 17 of .jsonl, ` record 17` of .json; nothing for a document of one record."""
        if self.name.lower().endswith(LINES):
            return f":{number}"
        return f" record {number}" if self.records > 1 else ""
