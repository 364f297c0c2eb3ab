"""Characters that show a text was read in the wrong encoding."""

from __future__ import annotations

import re

# control characters but tab, line feed, form feed and carriage return; halves of surrogate pairs
CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f]")
BROKEN = re.compile(r"[\ufffd\ud800-\udfff]")
# UTF-8 that was read as Latin-1 or Windows-1252: Ã©, Â°, â€™, ðŸ˜
_PAIR = r"[ÂÃ][\u0080-\u00bf\u0152-\u0178\u2018-\u203a]"
_MOJIBAKE = re.compile(rf"{_PAIR}|â€[\u0080-\u00bf\u0152-\u0178\u2018-\u2122]|ðŸ|ï»¿")
# a word in capitals that ends in such a letter, and what may follow a word: AMANHÃ”, IRMÃ…; but not ESPAÃ‘A
_CAPITALS = re.compile(
    r"(?:[A-ZÀ-ÖØ-Þ\u0128\u0168]|\b)[ÂÃ](?:[\u00a0«»·ªº¡¿®]|[\u2013\u2014\u2018-\u201e\u2022\u2026\u2039\u203a](?![A-ZÀ-ÖØ-Þ]))"
)


def mojibake(text: str) -> str:
    """The first characters that are UTF-8 read as Windows-1252; empty for none.

    Capitals of good Portuguese or French before a quotation mark or a dash look alike, and count as good.
    """
    for found in _MOJIBAKE.finditer(text):
        if not _CAPITALS.match(text, max(found.start() - 1, 0)) or found[0][0] not in "ÂÃ":
            return found[0]
    return ""
