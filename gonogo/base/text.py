"""Text from elsewhere, safe to show."""

from __future__ import annotations

import re

_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\s]+")


def clean(text: object) -> str:
    """One line without terminal escapes: quoted logs and names must not be able to draw on the page."""
    return _CONTROLS.sub(" ", _ESCAPES.sub("", str(text))).strip()
