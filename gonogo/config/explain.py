"""Validation errors as sentences that name the file, the key, the value and the fix."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel


def explain_error(model: type[BaseModel], problem: Mapping[str, Any], prefix: str) -> str:
    location = [str(part) for part in problem["loc"]]
    key = ".".join([*([prefix] if prefix else []), *location])
    if problem["type"] == "extra_forbidden":
        known = _keys_at(model, problem["loc"][:-1])
        return f"{key}: unknown key {_unknown(location[-1], known)}"
    if problem["type"] == "missing":
        return f"{key}: missing; it has no default"
    message = problem["msg"].removeprefix("Value error, ")
    if not key:  # of the file as a whole
        return message
    if isinstance(problem["input"], Mapping):  # the message names what is wrong in it
        return f"{key}: {message}"
    if not message[:2].isupper():  # TF32 stays TF32
        message = message[0].lower() + message[1:]
    return f"{key}: {problem['input']!r} is wrong: {message}"


def _keys_at(model: Any, location: tuple[Any, ...]) -> list[str]:
    """The keys that a nested model allows, following pydantic's error location."""
    for part in location:
        field = getattr(model, "model_fields", {}).get(part)
        found = [] if field is None else [field.annotation, *get_args(field.annotation)]  # or None
        models = [one for one in found if isinstance(one, type) and issubclass(one, BaseModel)]
        if not models:
            return []
        model = models[0]
    return [field.alias or name for name, field in model.model_fields.items()]


def _unknown(given: Any, allowed: Any) -> str:
    allowed = list(allowed)
    by_lower = {str(name).lower(): name for name in allowed}
    near = difflib.get_close_matches(str(given).lower(), by_lower, n=1)
    guess = f"; did you mean {by_lower[near[0]]!r}?" if near else ""
    return f"{str(given)!r}{guess} Allowed: {', '.join(allowed)}." if allowed else f"{str(given)!r}"
