"""Paths as Windows, WSL and notebooks with mounted drives write them, in the form that this machine uses."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator

System: TypeAlias = Literal["windows", "posix"]

DRIVE = re.compile(r"^(?P<drive>[A-Za-z]):[\\/]")
MOUNTED = re.compile(r"^/mnt/(?P<drive>[a-z])(?=/|$)")
IN_WSL = re.compile(r"^[\\/]{2}wsl(\.localhost|\$)[\\/][^\\/]+", re.IGNORECASE)  # \\wsl$\Ubuntu\home


def local(path: str, system: System | None = None, mounts: Mapping[str, str] | None = None) -> str:
    r"""The path in this machine's form: `W:\a b` is `/mnt/w/a b` in WSL, and the other way round on Windows.

    Args:
        system: whose form to return; default: this machine's.
        mounts: beginnings of paths elsewhere → here; the longest wins.
    """
    system = system or ("windows" if sys.platform == "win32" else "posix")
    path = _mounted(path, mounts or {})
    return _for_windows(path) if system == "windows" else _for_posix(path)


def mapped(value: Any, mounts: Mapping[str, str]) -> Any:
    """Nested values with each text that begins with a mount's path in its form here; all else unchanged."""
    if isinstance(value, str):
        return _mounted(value, mounts)
    if isinstance(value, Mapping):
        return {key: mapped(inner, mounts) for key, inner in value.items()}
    return [mapped(inner, mounts) for inner in value] if isinstance(value, list) else value


def _mounted(path: str, mounts: Mapping[str, str]) -> str:
    for there, here in sorted(mounts.items(), key=lambda pair: -len(pair[0])):
        rest = path.removeprefix(there)
        if rest != path and (not rest or rest[0] in "/\\"):
            return here + (rest if "\\" in here else rest.replace("\\", "/"))
    return path


def _for_posix(path: str) -> str:
    if found := DRIVE.match(path):
        rest = PureWindowsPath(path[3:]).as_posix()
        return str(PurePosixPath(f"/mnt/{found['drive'].lower()}") / rest)
    if found := IN_WSL.match(path):
        return path[found.end() :].replace("\\", "/") or "/"
    return path


def _for_windows(path: str) -> str:
    if found := MOUNTED.match(path):
        return str(PureWindowsPath(f"{found['drive'].upper()}:/") / path[found.end() :].lstrip("/"))
    return path


def mounts() -> dict[str, str]:
    """What this machine's environment says in GONOGO_MOUNTS: `/content/drive/MyDrive=/mnt/drive`, several with `;`.

    Raises:
        ValueError: it says something else.
    """
    pairs = [pair.partition("=") for pair in os.environ.get("GONOGO_MOUNTS", "").split(";") if pair]
    if wrong := [there for there, _, here in pairs if not (there.strip() and here.strip())]:
        raise ValueError(f"GONOGO_MOUNTS: write {wrong[0]!r} as ELSEWHERE=HERE, several pairs with `;` between them")
    return {there.strip(): here.strip() for there, _, here in pairs}


def _here(value: object) -> object:
    return local(value, mounts=mounts()) if isinstance(value, str) else value


LocalPath = Annotated[Path, BeforeValidator(_here)]
"""A path in a configuration that people share between such machines."""
