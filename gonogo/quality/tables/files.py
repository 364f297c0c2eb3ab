"""Tables as they lie on disk, in batches of rows: CSV, Parquet, and Arrow files as `datasets` writes them."""

from __future__ import annotations

import contextlib
import gzip
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gonogo.base.errors import UserError
from gonogo.base.extras import install_line

TEXT = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
SUFFIXES = (*TEXT, ".parquet", ".arrow", ".feather")
DELIMITERS = ",;\t|"
BATCH_BYTES, MOST_ROWS, FEWEST_ROWS = 1 << 25, 1 << 16, 64  # of a batch
BLOCK_BYTES = 1 << 22  # of a text that is parsed at once
LINE_BYTES = 1 << 20  # of the first line, which has the names


def check_packages() -> None:
    """Raise UserError where pyarrow is not installed."""
    if importlib.util.find_spec("pyarrow") is None:
        raise UserError(f"tables need the package 'pyarrow', which is not installed: {install_line('tables')}")


@contextlib.contextmanager
def open_table(path: Path) -> Iterator[tuple[list[str], Iterator[Any], list[str]]]:
    """Names of the columns, batches (`pyarrow.RecordBatch`), and rows that did not fit, a line for each as they come.

    Columns of a text are texts; an empty cell, `NA`, `NaN` or `null` is missing.

    Raises:
        Exception: of any type, as the library raises it; within the batches, too.
    """
    odd: list[str] = []
    if path.name.lower().endswith(TEXT):
        names, reader = _text(path, odd)
        with reader:
            yield names, iter(reader), odd
    elif path.suffix.lower() == ".parquet":
        import pyarrow.parquet

        with pyarrow.parquet.ParquetFile(path) as file:
            meta = file.metadata
            size = sum(meta.row_group(at).total_byte_size for at in range(meta.num_row_groups))
            rows = int(BATCH_BYTES / max(size / max(meta.num_rows, 1), 1))
            batches = file.iter_batches(batch_size=min(max(rows, FEWEST_ROWS), MOST_ROWS))
            yield list(file.schema_arrow.names), batches, odd
    else:
        with _arrow(path) as (names, batches):
            yield names, batches, odd


@contextlib.contextmanager
def _arrow(path: Path) -> Iterator[tuple[list[str], Iterator[Any]]]:
    """Either form of Arrow's files: the stream, as `datasets` writes it, or the one with an index, as Feather is."""
    import pyarrow

    with pyarrow.memory_map(str(path)) as source:
        try:
            file = pyarrow.ipc.open_file(source)
        except pyarrow.ArrowInvalid:
            source.seek(0)
            stream = pyarrow.ipc.open_stream(source)
            yield list(stream.schema.names), iter(stream)
            return
        yield list(file.schema.names), (file.get_batch(at) for at in range(file.num_record_batches))


def _text(path: Path, odd: list[str]) -> tuple[list[str], Any]:
    from pyarrow import csv, string

    with gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb") as stream:
        head = stream.readline(LINE_BYTES).decode("utf-8-sig", errors="replace")
    if not head.strip():
        raise ValueError("no names in its first line")
    delimiter = max(DELIMITERS, key=head.count)

    def refuse(row: Any) -> str:
        odd.append(f"{row.actual_columns} cells instead of {row.expected_columns}")
        return "skip"

    parse = csv.ParseOptions(delimiter=delimiter, newlines_in_values=True, invalid_row_handler=refuse)
    read = csv.ReadOptions(block_size=BLOCK_BYTES, use_threads=False)
    with csv.open_csv(path, read_options=read, parse_options=parse) as first:
        names = first.schema.names
    odd.clear()
    kinds = dict.fromkeys(names, string())
    convert = csv.ConvertOptions(column_types=kinds, strings_can_be_null=True)
    return names, csv.open_csv(path, read_options=read, parse_options=parse, convert_options=convert)
