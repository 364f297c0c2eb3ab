"""Nested mappings: merged, and flattened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def deep_merged(base: Mapping[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    """`top` over `base`, mapping by mapping."""
    merged = dict(base)
    for key, value in top.items():
        old = merged.get(key)
        merged[key] = deep_merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values under dotted names; lists joined by spaces; floats rounded to 6 decimals."""
    leaves: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            leaves |= flat(value, f"{prefix}{key}.")
        elif isinstance(value, list):
            leaves[prefix + key] = " ".join(map(str, value))
        else:
            leaves[prefix + key] = round(value, 6) if isinstance(value, float) else value
    return leaves


def nested(key: str, value: Any) -> dict[str, Any]:
    """`nested("a.b", 1)` is {"a": {"b": 1}}."""
    for part in reversed(key.split(".")):
        value = {part: value}
    return dict(value)
