"""Validation errors as sentences that name the file, the key, the value and the fix."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, get_args

from pydantic import BaseModel, RootModel

# dotted key of an earlier version → what to write now
RENAMED = {
    "gates.quality.max_bad_scenes": "gates.quality.max_bad_items",
    "gates.results.pictures.max_bad_scenes": "gates.results.pictures.max_bad_items",
}


def explain_error(model: type[BaseModel], problem: Mapping[str, Any], prefix: str) -> str:
    """One of pydantic's errors in words.

    Args:
        prefix: dotted key of the mapping that was validated; empty: a whole file.
    """
    location = [str(part) for part in problem["loc"]]
    key = ".".join([*([prefix] if prefix else []), *location])
    if new := _new_name(key):
        return new
    if problem["type"] == "extra_forbidden":
        return f"{key}: unknown key {unknown_name(location[-1], _keys_at(model, problem['loc'][:-1]))}"
    if problem["type"] == "missing":
        return f"{key}: missing; it has no default"
    message = problem["msg"].removeprefix("Value error, ")
    if not key:  # of the file as a whole
        return message
    if isinstance(problem["input"], Mapping) or location[0] == "notify":  # it names what is wrong, or holds a secret
        return f"{key}: {message}"
    if not message[:2].isupper():  # TF32 stays TF32
        message = message[0].lower() + message[1:]
    return f"{key}: {problem['input']!r} is wrong: {message}"


def unknown_name(given: object, allowed: Iterable[str]) -> str:
    """The name, the one that was probably meant, and all that are allowed."""
    by_lower = {name.lower(): name for name in allowed}
    near = difflib.get_close_matches(str(given).lower(), by_lower, n=1)
    guess = f"; did you mean {by_lower[near[0]]!r}?" if near else "."
    return f"{str(given)!r}{guess} Allowed: {', '.join(by_lower.values())}." if by_lower else f"{str(given)!r}."


def _new_name(key: str) -> str:
    """What to write in place of a renamed key, or of one within it; empty for any other."""
    for old, new in RENAMED.items():
        if f"{key}.".startswith(f"{old}."):
            return f"{old}: this key was renamed; write {new}"
    return ""


def _keys_at(model: Any, location: tuple[Any, ...]) -> list[str]:
    """The keys that a nested model allows, following pydantic's error location."""
    for part in location:
        field = model.model_fields.get("root" if issubclass(model, RootModel) else part)
        if field is None:  # a key of a mapping, or a place in a list
            continue
        annotations = [field.annotation, *get_args(field.annotation)]  # or None, or what a mapping or a list holds
        models = [inner for inner in annotations if isinstance(inner, type) and issubclass(inner, BaseModel)]
        if not models:
            return []
        model = models[0]
    return [field.alias or name for name, field in model.model_fields.items()]
