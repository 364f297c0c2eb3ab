"""What is measured of a table, batch by batch: its columns, its rows' identities, and which columns say the target."""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from gonogo.quality.hash_samples import packed
from gonogo.quality.tables.items import Column

MOST_VALUES = 256  # of a column, that are counted one by one
FEWEST_ROWS, ROWS_A_VALUE = 20, 8  # from which on columns that go together are no chance
IDS = frozenset(("id", "_id", "idx", "index", "uuid", "guid", "row", "rowid", "unnamed: 0", "", "__index_level_0__"))
GOLDEN = np.uint64(0x9E3779B97F4A7C15)


class TableStatistics:
    """Fed with batches in their order.

    Args:
        names: of the columns.
        target: the column that is to be predicted; empty: none is known.
    """

    def __init__(self, names: Sequence[str], target: str) -> None:
        self._columns = [_ColumnTally(name) for name in names]
        self._target = list(names).index(target) if target in names else None
        self._rows = 0
        self._hashes = array("Q")
        self._classes: Counter[str] = Counter()
        self._pairs = [_Pairs() for _ in names]

    def add(self, batch: Any) -> None:
        """One `pyarrow.RecordBatch`."""
        rows = batch.num_rows
        if not rows:
            return
        self._rows += rows
        codes = [tally.add(batch.column(at)) for at, tally in enumerate(self._columns)]
        features = [
            code
            for at, (code, tally) in enumerate(zip(codes, self._columns, strict=True))
            if at != self._target and tally.name.lower() not in IDS
        ]
        combined = np.zeros(rows, np.uint64)
        for place, code in enumerate(features):
            combined = _mixed(combined + code + np.uint64(place + 1) * GOLDEN)
        self._hashes.frombytes(combined.tobytes())
        if self._target is not None:
            self._add_target(batch.column(self._target), codes)

    def _add_target(self, column: Any, codes: list[np.ndarray]) -> None:
        if len(self._classes) <= MOST_VALUES:
            for value in column.slice(0, len(column)).value_counts() if _countable(column) else ():
                held = value["values"].as_py()
                if held is not None:
                    self._classes[str(held)[:60]] += value["counts"].as_py()
        assert self._target is not None
        for at, pairs in enumerate(self._pairs):
            if at != self._target:
                pairs.add(codes[self._target], codes[at])

    def result(self, odd: Sequence[str]) -> dict[str, Any]:
        """Fields of TableItem.

        Args:
            odd: rows that did not fit the names.
        """
        hashes = np.frombuffer(self._hashes, np.uint64)
        text, limit = packed(hashes)
        target = self._columns[self._target] if self._target is not None else None
        return {
            "rows": self._rows,
            "odd_rows": len(odd),
            "odd_row": odd[0] if odd else "",
            "columns": [tally.column(self._rows) for tally in self._columns],
            "repeated_rows": len(hashes) - len(np.unique(hashes)) if len(hashes) else 0,
            "row_hashes": text,
            "row_limit": limit,
            "target": target.name if target else "",
            "classes": dict(self._classes.most_common(MOST_VALUES)) if len(self._classes) <= MOST_VALUES else {},
            "copies": [self._columns[at].name for at, pairs in enumerate(self._pairs) if pairs.one_to_one()],
        }


class _ColumnTally:
    """One column's sums."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._missing = self._infinite = self._words = self._numbers = self._whole = 0
        self._low, self._high = np.inf, -np.inf
        self._kind = ""
        self._first: np.uint64 | None = None
        self._varies = False
        self._word = ""

    def add(self, column: Any) -> np.ndarray:
        """(rows,) identities of the values, the same for `5.1` and `5.10`; 0 for a missing one."""
        import pyarrow
        import pyarrow.compute

        kind = column.type
        if pyarrow.types.is_dictionary(kind):
            column, kind = column.dictionary_decode(), kind.value_type
        if pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind):
            codes = self._add_words(column)
        elif pyarrow.types.is_boolean(kind):
            self._kind = "bool"
            codes = self._add_numbers(column.cast("int8").cast("float64").to_numpy(zero_copy_only=False))
        elif pyarrow.types.is_integer(kind) or pyarrow.types.is_floating(kind) or pyarrow.types.is_decimal(kind):
            codes = self._add_numbers(column.cast("float64", safe=False).to_numpy(zero_copy_only=False))
        else:
            self._kind = self._kind or str(kind).partition("<")[0].partition("[")[0]
            self._missing += column.null_count
            codes = np.fromiter((_hashed(value) for value in column.to_pylist()), np.uint64, len(column))
        alive = codes[codes > 0]
        if len(alive):
            self._first = alive[0] if self._first is None else self._first
            self._varies |= bool((alive != self._first).any())
        return codes

    def _add_words(self, column: Any) -> np.ndarray:
        """Of a text that may hold numbers."""
        import pyarrow

        self._missing += column.null_count
        encoded = column.dictionary_encode()
        words = encoded.dictionary.to_pylist()
        numbers = np.array([_number(word) for word in words], np.float64)
        counts = np.bincount(encoded.indices.drop_null().to_numpy(), minlength=len(words)) if words else np.zeros(0)
        is_number = ~np.isnan(numbers)
        self._numbers += int(counts[is_number].sum())
        self._words += int(counts[~is_number].sum())
        self._word = self._word or next((w for w, n in zip(words, is_number, strict=True) if not n), "")[:30]
        self._infinite += int(counts[np.isinf(numbers)].sum())
        of_words = np.fromiter((_hashed(word) for word in words), np.uint64, len(words))
        codes = np.where(is_number, _of_numbers(np.where(is_number, numbers, 0)), of_words)
        indices = encoded.indices.cast(pyarrow.int64()).fill_null(-1).to_numpy()
        return np.where(indices < 0, np.uint64(0), codes[indices] if len(codes) else np.uint64(0))

    def _add_numbers(self, values: np.ndarray) -> np.ndarray:
        known = ~np.isnan(values)
        self._missing += len(values) - int(known.sum())
        self._numbers += int(known.sum())
        self._infinite += int(np.isinf(values).sum())
        return np.where(known, _of_numbers(np.where(known, values, 0.0)), np.uint64(0))

    def column(self, rows: int) -> Column:
        held = self._numbers + self._words
        kind = self._kind or ("number" if self._numbers > self._words else "text" if held else "empty")
        return Column(
            name=self.name, kind=kind, missing=min(self._missing, rows), constant=not self._varies and rows > 1,
            infinite=self._infinite, words=self._words if kind == "number" else 0, word=self._word,
        )  # fmt: skip


class _Pairs:
    """Whether two columns are one: equal, or each value of one stands with one value of the other, both ways."""

    def __init__(self) -> None:
        self._there: dict[int, int] = {}
        self._back: dict[int, int] = {}
        self._equal = self._paired = True
        self._rows = 0

    def add(self, target: np.ndarray, feature: np.ndarray) -> None:
        if not (self._equal or self._paired):
            return
        both = (target > 0) & (feature > 0)
        self._rows += int(both.sum())
        self._equal = self._equal and bool((target[both] == feature[both]).all())
        if not self._paired:
            return
        for one, other in np.unique(np.stack([target[both], feature[both]], axis=1), axis=0).tolist():
            if self._there.setdefault(one, other) != other or self._back.setdefault(other, one) != one:
                self._paired = False
        self._paired = self._paired and len(self._there) <= MOST_VALUES

    def one_to_one(self) -> bool:
        """Equal values, or pairs that repeat too often to be chance."""
        values = len(self._there)
        if values < 2 or self._rows < FEWEST_ROWS:
            return False
        return self._equal or (self._paired and self._rows >= ROWS_A_VALUE * values)


def _countable(column: Any) -> bool:
    import pyarrow

    kind = column.type
    return not (pyarrow.types.is_nested(kind) or pyarrow.types.is_floating(kind))


def _number(word: str) -> float:
    try:
        return float(word.replace("_", "x"))  # Python's own 1_000 is no number in a table
    except ValueError:
        return float("nan")


def _of_numbers(values: np.ndarray) -> np.ndarray:
    return _mixed((values + 0.0).view(np.uint64) + GOLDEN) | np.uint64(1)


def _mixed(hashed: np.ndarray) -> np.ndarray:
    """splitmix64 (Steele et al., OOPSLA 2014)."""
    hashed = (hashed ^ (hashed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    hashed = (hashed ^ (hashed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: np.ndarray = hashed ^ (hashed >> np.uint64(31))
    return mixed


def _hashed(value: Any) -> int:
    """0 for none."""
    if value is None:
        return 0
    if isinstance(value, str):
        value = " ".join(value.split()).encode(errors="surrogatepass")
    raw = value if isinstance(value, bytes) else repr(value).encode(errors="surrogatepass")
    return int.from_bytes(hashlib.blake2b(raw, digest_size=8).digest()) | 1
