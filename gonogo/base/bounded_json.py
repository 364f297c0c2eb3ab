"""JSON of strangers: its size and its number of values are known before anything of it is built."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class JsonBounds:
    """What a text may hold at most. A value costs up to 250 bytes of memory, whatever it is."""

    size_bytes: int
    values: int

    def check(self, text: bytes) -> None:
        """Raise ValueError, in words, where the text holds more; too many are counted, never too few."""
        if len(text) > self.size_bytes:
            raise ValueError(f"more than {self.size_bytes / 1e6:.1f} MB of JSON")
        if text.count(b",") + text.count(b"[") + text.count(b"{") > self.values:
            raise ValueError(f"more than {self.values} values of JSON")


SMALL = JsonBounds(1 << 20, 50_000)
DEEPEST = 16
TOO_DEEP = "JSON that is nested too deeply"


def parsed(text: bytes, bounds: JsonBounds = SMALL, encoding: str = "ascii") -> Any:
    """The value of a JSON text.

    Args:
        encoding: `json.dumps` writes ASCII, which takes a byte of memory a character.

    Raises:
        ValueError: it is none, is nested too deeply, or holds more than `bounds`.
    """
    bounds.check(text)
    try:
        value = json.loads(text.decode(encoding))
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
    level = [value]
    for _ in range(DEEPEST):
        level = [child for parent in level for child in _containers(parent)]
    if level:
        raise ValueError(TOO_DEEP)
    return value


def _containers(value: Any) -> list[Any]:
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [child for child in children if isinstance(child, (dict, list))]
