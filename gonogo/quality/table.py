"""A table for machines: every statistic of every item, in the order of the scan, one row at a time."""

from __future__ import annotations

import csv
import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from gonogo.base.files import replacing
from gonogo.base.mappings import flat
from gonogo.base.models import is_model
from gonogo.quality.items import Fault, Finding, status_of

RowSink = Callable[[dict[str, Any]], None]
NOT_COLUMNS = {"folder", "name", "problems", "near"}


@contextmanager
def table(out: Path) -> Iterator[RowSink]:
    """A CSV that grows by a row with each call; its columns are those of the first row.

    Written under a temporary name, renamed when the block ends well.
    """
    with replacing(out) as temporary, temporary.open("w", newline="") as stream:
        writer: csv.DictWriter[str] | None = None

        def add(row: dict[str, Any]) -> None:
            nonlocal writer
            if writer is None:
                writer = csv.DictWriter(stream, list(row), restval="", extrasaction="ignore")
                writer.writeheader()
            writer.writerow(row)

        yield add


def row_head(path: str, faults: Sequence[Fault]) -> dict[str, Any]:
    """How every row begins."""
    return {
        "path": path,
        "status": status_of(faults).value,
        "checks": " ".join(fault.id for fault in faults),
        "reasons": "; ".join(fault.reason for fault in faults),
    }


def item_row(finding: Finding) -> dict[str, Any]:
    """All that was measured of an item, with a column for each field of its model."""
    values = flat(finding.item.model_dump(mode="json", exclude=NOT_COLUMNS))
    measured = {column: values.get(column) for column in columns_of(type(finding.item))}
    return {**row_head(finding.item.path, finding.faults), **measured}


@functools.cache
def columns_of(model: type[BaseModel], prefix: str = "") -> list[str]:
    """The names that `flat` gives to a model's values, those of a nested model that may be None among them."""
    columns = []
    for name, field in model.model_fields.items():
        if field.exclude or (not prefix and name in NOT_COLUMNS):
            continue
        nested = [part for part in (field.annotation, *get_args(field.annotation)) if is_model(part)]
        columns += columns_of(nested[0], f"{prefix}{name}.") if nested else [prefix + name]
    return columns
