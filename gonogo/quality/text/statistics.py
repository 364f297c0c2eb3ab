"""The figures of one file of records: what is wrong with them, how long they are, and their identities."""

from __future__ import annotations

import base64
import json
import math
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from gonogo.base.digests import digest
from gonogo.base.errors import UserError
from gonogo.config.quality_thresholds import TextGate
from gonogo.quality.arrays import in_time
from gonogo.quality.text.chats import chat_fault
from gonogo.quality.text.encodings import BROKEN, CONTROL, mojibake
from gonogo.quality.text.identity import TEXT_KEYS, identity
from gonogo.quality.text.records import Record, read_records

CountTokens = Callable[[str], int]

NOT_TEXT = frozenset({"role", "from", "type", "name", "id"})  # keys inside messages
TOKEN_KEYS = ("input_ids", "token_ids", "tokens", "ids")
LINES_NAMED = 5
OCTAVE = 8  # bins of length for each doubling
OPENING = 80  # characters
OPENINGS = 64  # that are counted at once
BATCH = 256  # texts that are handed to the tokenizer at once


class Openings:
    """How often texts begin alike, at most `OPENINGS` beginnings at once; counts are short by n / OPENINGS at most.

    Source: Misra & Gries, Finding repeated elements, 1982. Sums of two merge likewise.
    """

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    def add(self, opening: str, count: int = 1) -> None:
        self.counts[opening] = self.counts.get(opening, 0) + count
        if len(self.counts) > OPENINGS:
            least = min(self.counts.values())
            self.counts = {text: held - least for text, held in self.counts.items() if held > least}


class RecordReader:
    """Reads records as a gate wants them read."""

    def __init__(self, settings: TextGate, count_tokens: CountTokens | None = None) -> None:
        """
        Raises:
            UserError: the schema or the tokenizer that the settings name cannot be read.
        """
        schema = _read(settings.schema_file, "schema_file")
        tokenizer = _read(settings.tokenizer, "tokenizer")
        self._settings, self._ids = settings, frozenset(settings.id_keys)
        self._valid = _validator(schema, settings.schema_file) if schema else None
        self._lengths = _token_counter(tokenizer, settings.tokenizer) if tokenizer else _one_by_one(count_tokens)
        self.counts_tokens = self._lengths is not None  # whether there is a tokenizer
        # digest of everything that shapes a reading, so that readings with other settings differ
        self.read_as = reading_digest(settings)

    def statistics(self, path: Path) -> dict[str, Any]:
        """The figures of `gonogo.quality.text.inspector.TextItem`, in memory for 8 bytes a record.

        Raises:
            ValueError: the file cannot be divided into records.
        """
        return _Tally(self).of(path)

    def faults(self, record: Record, text: str) -> Iterator[tuple[str, str]]:
        """What is wrong with one record: fault and detail. Plain text is checked against no schema."""
        if not record.plain:
            yield from self._form(record.value)
            if problem := chat_fault(record.value):
                yield "turns", problem
        if not text or text.isspace():
            yield "empty", "no text"
        if text.isascii():
            if not text.isprintable() and CONTROL.search(text):
                yield "control", "control characters"
            return
        if BROKEN.search(text):
            yield "encoding", "U+FFFD or half a surrogate pair"
        elif found := mojibake(text):
            yield "encoding", f"mojibake {found}"
        if CONTROL.search(text):
            yield "control", "control characters"

    def _form(self, value: Any) -> Iterator[tuple[str, str]]:
        try:
            if self._valid is not None and not self._valid.is_valid(value):
                yield "schema", next(error.message[:80] for error in self._valid.iter_errors(value))
        except UnicodeEncodeError:
            yield "encoding", "half a surrogate pair"
        missing = [key for key in self._settings.required_keys if not isinstance(value, dict) or value.get(key) is None]
        if missing:
            yield "keys", f"without {', '.join(missing)}"

    def text_of(self, value: Any) -> str:
        """What a record says: of its text key, or of all keys that usually hold text, or of all."""
        if isinstance(value, str):
            return value
        if not isinstance(value, dict):
            return "\n".join(_strings(value))
        if key := self._settings.text_key:
            return "\n".join(_strings(value.get(key)))
        text = value.get("text")
        if isinstance(text, str):
            return text
        held = [value[key] for key in TEXT_KEYS if key in value]
        return "\n".join(_strings(held or list(value.values()))) or _token_ids(value)

    def identity(self, value: Any) -> int:
        """`gonogo.quality.text.identity.identity`, with the settings' keys."""
        return identity(value, self._ids, self._settings.text_key)

    def token_counts(self, texts: Sequence[str]) -> list[int]:
        return self._lengths(texts) if self._lengths else []


def reading_digest(settings: TextGate) -> str:
    """The same for two gates that differ in thresholds alone.

    Raises:
        UserError: the schema or the tokenizer that the settings name cannot be read.
    """
    files = _read(settings.schema_file, "schema_file"), _read(settings.tokenizer, "tokenizer")
    return digest(files, settings.text_key, settings.required_keys, settings.id_keys, settings.paired_with)[:16]


class _Tally:
    """One file's sums."""

    def __init__(self, reader: RecordReader) -> None:
        self._reader = reader
        self._records = self._bad = 0
        self._faults: dict[str, dict[str, Any]] = {}
        self._lengths, self._tokens = Counter[int](), Counter[int]()
        self._longest = (0, 0)  # tokens, number
        self._openings = Openings()
        self._hashes = array("Q")  # of record or line n at n - 1; 0: nothing there
        self._waiting: list[tuple[int, str]] = []

    def of(self, path: Path) -> dict[str, Any]:
        for record in in_time(path, read_records(path)):
            self._add(record)
        self._count_tokens()
        return {
            "read_as": self._reader.read_as,
            "records": self._records,
            "bad_records": self._bad,
            "faults": list(self._faults.values()),
            "lengths": self._lengths,
            "tokens": self._tokens if self._reader.counts_tokens else None,
            "longest_at": -self._longest[1],
            "openings": self._openings.counts,
            "record_hashes": base64.b64encode(self._hashes.tobytes()).decode(),
        }

    def _add(self, record: Record) -> None:
        self._records += 1
        self._hashes.extend([0] * (record.number - 1 - len(self._hashes)))
        if record.fault:
            self._bad_record({record.fault: record.detail}, record.number)
            return
        try:
            text = self._reader.text_of(record.value)
            found = dict(self._reader.faults(record, text))
            self._hashes.append(self._reader.identity(record.value))
        except RecursionError:
            self._bad_record({"json": "nested too deep"}, record.number)
            return
        if found:
            self._bad_record(found, record.number)
        text = _encodable(text)
        if text:
            self._lengths[int(OCTAVE * math.log2(len(text)))] += 1
        if len(text) >= OPENING:
            self._openings.add(text[:OPENING])
        if self._reader.counts_tokens:
            self._waiting.append((record.number, text))
            if len(self._waiting) == BATCH:
                self._count_tokens()

    def _bad_record(self, faults: dict[str, str], number: int) -> None:
        self._bad += 1
        for id, detail in faults.items():
            held = self._faults.setdefault(id, {"id": id, "count": 0, "detail": _encodable(detail), "numbers": []})
            held["count"] += 1
            if len(held["numbers"]) < LINES_NAMED:
                held["numbers"].append(number)

    def _count_tokens(self) -> None:
        counts = self._reader.token_counts([text for _, text in self._waiting])
        for (number, _), tokens in zip(self._waiting, counts, strict=bool(counts)):
            self._tokens[tokens] += 1
            self._longest = max(self._longest, (tokens, -number))
        self._waiting.clear()


def _encodable(text: str) -> str:
    """With `?` for halves of surrogate pairs, which JSON may escape and UTF-8 cannot hold."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def _strings(value: Any) -> Iterator[str]:
    """Every string in a value, but roles and names inside messages."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for part in value:
            yield from _strings(part)
    elif isinstance(value, dict):
        for key, part in value.items():
            if key not in NOT_TEXT:
                yield from _strings(part)


def _token_ids(record: dict[str, Any]) -> str:
    """Of a record that was tokenized beforehand and holds no string: its token ids, in digits."""
    ids: list[Any] = next((record[key] for key in TOKEN_KEYS if isinstance(record.get(key), list)), [])
    return " ".join(map(str, ids)) if all(type(one) is int for one in ids) else ""


def _read(path: str, key: str) -> str:
    if not path:
        return ""
    try:
        return Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"gates.quality.text.{key}: {path} cannot be read: {error}") from None


def _validator(schema: str, path: str) -> Any:
    import jsonschema_rs

    try:
        return jsonschema_rs.validator_for(json.loads(schema))
    except (ValueError, jsonschema_rs.ValidationError) as error:
        raise UserError(
            f"gates.quality.text.schema_file: {path} is not a JSON Schema: {error}".splitlines()[0]
        ) from None


def _token_counter(tokenizer: str, path: str) -> Callable[[Sequence[str]], list[int]]:
    from tokenizers import Tokenizer

    try:
        found = Tokenizer.from_str(tokenizer)
    except Exception as error:  # the library knows no other
        raise UserError(f"gates.quality.text.tokenizer: {path} is not a tokenizer.json: {error}") from None
    found.no_truncation()
    found.no_padding()
    return lambda texts: [len(encoded.ids) for encoded in found.encode_batch_fast(list(texts))]


def _one_by_one(count: CountTokens | None) -> Callable[[Sequence[str]], list[int]] | None:
    return None if count is None else lambda texts: [count(text) for text in texts]
