"""YAML into models; errors name the file, the key, the value and the fix."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from gonogo.base.errors import UserError
from gonogo.config.explain import explain_error, unknown_name

M = TypeVar("M", bound=BaseModel)
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's is ten times faster, and every process reads config/


def validate(model: type[M], raw: Any, where: str, prefix: str = "") -> M:
    """`raw` as a `model`, or a UserError that says what to write instead."""
    if not isinstance(raw, Mapping):
        raise UserError(f"{where}: {prefix or 'the file'} should be a mapping of keys to values, not {raw!r}")
    try:
        return model.model_validate(dict(raw))
    except ValidationError as error:
        problems = [explain_error(model, problem, prefix) for problem in error.errors()]
        raise UserError(f"{where}: " + "; ".join(problems)) from None


def read_named(folder: Path, name: str, key: str) -> dict[str, Any]:
    path = folder / f"{name}.yaml"
    known = sorted(file.stem for file in folder.glob("*.yaml"))
    if not known:
        raise UserError(f"{folder} has no .yaml file; run this command in the folder that holds config/")
    if name not in known:
        raise UserError(f"{key}: unknown {unknown_name(name, known)} Each is a file in {'/'.join(folder.parts[-2:])}/.")
    return read_yaml(path)


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file of keys and values.

    Raises:
        UserError: it is not there, or is something else.
    """
    try:
        raw = yaml.load(path.read_text(), Loader=LOADER)
    except FileNotFoundError:
        raise UserError(f"{path}: not found; run this command in the folder that holds config/") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(raw, dict):
        raise UserError(f"{path}: should hold keys and values, not {raw!r}")
    return raw
