"""What makes two records the same: their text, whatever its case, its white space, and what is said about it."""

from __future__ import annotations

import json
import unicodedata
import zlib
from collections.abc import Collection
from hashlib import blake2b
from typing import Any

NEAR_BITS = 8  # lowest bits of a record's hash that case, white space, label and source change
# what a record's text is known as, and what is said about it
TEXT_KEYS = (
    "caption", "prompt", "instruction", "input", "question", "context", "content", "messages", "conversations",
    "completion", "response", "output", "answer",
)  # fmt: skip
ABOUT = frozenset(
    [
        "label",
        "labels",
        "target",
        "class",
        "category",
        "source",
        "origin",
        "dataset",
        "meta",
        "metadata",
        "lang",
        "language",
        "score",
        "timestamp",
        "date",
        "created",
        "created_at",
        "line",
    ]
)
ADDRESSES = frozenset(("url", "link"))  # of a text, where it stands; of a caption, the picture itself
ABOUT_LETTERS = 200  # a longer one is text, as in {"source": English, "target": French}
SENTENCE_LETTERS, DOCUMENT_LETTERS = 16, 60
INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff\u00ad"))

_encode = json.JSONEncoder(sort_keys=True, ensure_ascii=False).encode


def identity(value: Any, ids: Collection[str], text_key: str = "") -> int:
    """64 bits that identify a record, never 0; the upper 56 ignore case, white space, label and source.

    Args:
        ids: keys in which equal records may differ.
        text_key: of the record's text, where it is named.
    """
    if isinstance(value, dict):
        value = {key: held for key, held in value.items() if key not in ids}
    exact = value if isinstance(value, str) else _encode(value)
    alike = _plain(_without_labels(value, text_key))
    encoded = alike if isinstance(alike, str) else _encode(alike)
    near = blake2b(encoded.encode(errors="surrogatepass"), digest_size=8 - NEAR_BITS // 8).digest()
    low = zlib.crc32(exact.encode(errors="surrogatepass")) & ((1 << NEAR_BITS) - 1)
    return (int.from_bytes(near) << NEAR_BITS | low) or 1


def _without_labels(value: Any, text_key: str) -> Any:
    """The record less what is short and only said about its text; all of it where no text would be left."""
    if not isinstance(value, dict):
        return value
    text = value.get("text")
    about = ABOUT | ADDRESSES if isinstance(text, str) and len(text) >= DOCUMENT_LETTERS else ABOUT
    kept = {key: held for key, held in value.items() if key.lower() not in about or key == text_key or _is_long(held)}
    return kept if any(map(_says_something, kept.items())) else value


def _is_long(held: Any) -> bool:
    return isinstance(held, str) and len(held) > ABOUT_LETTERS


def _says_something(entry: tuple[str, Any]) -> bool:
    key, held = entry
    if key == "text" or key in TEXT_KEYS:
        return bool(held)
    return isinstance(held, str) and len(held) >= SENTENCE_LETTERS and " " in held


def _plain(value: Any) -> Any:
    """Every string in small letters, with single spaces between its words and none around it."""
    if isinstance(value, str):
        if not value.isascii():
            value = unicodedata.normalize("NFC", value).translate(INVISIBLE)
        return " ".join(value.casefold().split())
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {key: _plain(held) for key, held in value.items()}
    return value
