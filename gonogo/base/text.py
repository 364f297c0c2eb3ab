"""Text from elsewhere, safe to show: without escapes, and without the secrets of this shell."""

from __future__ import annotations

import re

_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)")
# controls but tab and newline, marks that reverse or hide text, and halves of surrogate pairs
_UNSHOWABLE = (
    r"\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff"
)
_IN_ONE_LINE = re.compile(rf"[{_UNSHOWABLE}\s]+")
_IN_LINES = re.compile(rf"[{_UNSHOWABLE}]+")


LEAST_SECRET_CHARACTERS = 8  # shorter values are words of any text
_secrets: dict[str, str] = {}


def keep_secret(name: str, value: str) -> None:
    """From now on this value is shown as `[NAME]`, wherever a machine or a program says it."""
    if len(value) >= LEAST_SECRET_CHARACTERS:
        _secrets[value] = f"[{name}]"


def clean(text: object) -> str:
    """One line without terminal escapes: quoted logs and names must not be able to draw on the page."""
    return _without_secrets(_IN_ONE_LINE.sub(" ", _ESCAPES.sub("", str(text))).strip())


def shown(text: object) -> str:
    """`clean` for what is written to a terminal or a log: lines and indents stay."""
    return _without_secrets(_IN_LINES.sub(" ", _ESCAPES.sub("", str(text))))


def _without_secrets(text: str) -> str:
    for value in sorted(_secrets, key=len, reverse=True):
        text = text.replace(value, _secrets[value])
    return text
