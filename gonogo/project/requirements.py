"""The packages that a repository asks for, as lines for pip on the machine that trains."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from gonogo.base.errors import UserError

NEEDED = ("pydantic>=2.8,<3", "pyyaml>=6,<7")  # by what runs a command on the machine
# of conda, what pip has under another name, and what the machine's driver and Python bring
OTHER_NAME = {"pytorch": "torch", "pytorch-cpu": "torch", "pytorch-gpu": "torch", "opencv": "opencv-python-headless",
              "py-opencv": "opencv-python-headless", "tensorboardx": "tensorboardX"}  # fmt: skip
NO_PACKAGE = re.compile(r"^(python|pip|cuda.*|cudatoolkit|cudnn|pytorch-cuda|pytorch-mutex|mkl.*|blas|libblas|_.*)$")
LOCAL = re.compile(r"^(?:(?:-e|--editable)[\s=]+)?(?P<path>(?:file:|\.{0,2}/|\.{1,2}(?=$|\[|\s))[^\[;#]*)")
EDITABLE = re.compile(r"^(-e|--editable)[\s=]+")


def pip_lines(file: Path) -> list[str]:
    """What pip installs for this requirements.txt, pyproject.toml, uv.lock or environment.yml.

    Lines that name the repository itself are left out: its code is sent and imported where it lies.

    Raises:
        UserError: the file cannot be read, or is of another kind.
    """
    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"requirements: {file}: cannot be read ({error})") from None
    try:
        match file.suffix:
            case ".txt" | ".in":
                found = list(_of_text(file, text, ()))
            case ".toml":
                found = _of_pyproject(tomllib.loads(text))
            case ".lock":
                found = _of_uv_lock(tomllib.loads(text))
            case ".yml" | ".yaml":
                found = list(_of_conda(file, yaml.safe_load(text)))
            case _:
                raise UserError(
                    f"requirements: {file}: name a requirements.txt, pyproject.toml, uv.lock or environment.yml"
                )
    except (tomllib.TOMLDecodeError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"requirements: {file}: not what such a file holds ({error})") from None
    return [*found, *(line for line in NEEDED if not _names(found, line))]


def _names(lines: list[str], requirement: str) -> bool:
    name = re.split(r"[^\w.-]", requirement)[0]
    return any(re.match(rf"{re.escape(name)}(?![\w.-])", line, re.IGNORECASE) for line in lines)


def _of_text(file: Path, text: str, seen: tuple[Path, ...]) -> Iterator[str]:
    """With `-r OTHER` written out; `-c` and index options stay."""
    for raw in text.replace("\\\n", " ").splitlines():
        line = re.sub(r"(^|\s)#.*$", "", raw).strip()
        if not line or _is_the_repository(file, line):
            continue
        if match := re.match(r"(?:-r|--requirement)[\s=]+(.+)", line):
            other = file.parent / match[1].strip()
            if other in seen:
                raise UserError(f"requirements: {file} and {other} name each other")
            if not other.is_file():
                raise UserError(f"requirements: {file} names {match[1].strip()}, which is not there")
            yield from _of_text(other, other.read_text(), (*seen, file))
        elif re.match(r"(-c|--constraint)\b", line):
            continue  # a file of this machine; what it fixes is in the lock, where there is one
        else:
            yield re.sub(r"\s+--hash=\S+", "", line)


def _is_the_repository(file: Path, line: str) -> bool:
    """Whether a line installs the repository that `file` is in.

    Raises:
        UserError: it installs something else of this computer, which the machine does not have.
    """
    local = LOCAL.match(line)
    if local is None:
        if EDITABLE.match(line) and "://" not in line and "git+" not in line:
            raise UserError(_only_here(file, line))
        return False
    path = (file.parent / local["path"].strip().removeprefix("file:").replace("///", "/", 1)).resolve()
    if path in file.resolve().parents and not path.is_file():
        return True
    raise UserError(_only_here(file, line))


def _only_here(file: Path, line: str) -> str:
    return (
        f"requirements: {file}: {line!r} is a path of this computer, which the machine does not have. Name a version "
        "or a URL; or remove the line, where the code is imported from the repository as it lies"
    )


def _of_pyproject(content: Mapping[str, Any]) -> list[str]:
    if "project" in content:
        return list(content["project"].get("dependencies", []))
    poetry = content.get("tool", {}).get("poetry", {}).get("dependencies")
    if poetry is None:
        raise UserError("requirements: pyproject.toml has neither [project] dependencies nor those of Poetry")
    return [name + _of_poetry(version) for name, version in poetry.items() if name != "python"]


def _of_poetry(version: Any) -> str:
    """`^1.2` and `~1.2` as pip says them."""
    text = version if isinstance(version, str) else version.get("version", "*")
    if text == "*":
        return ""
    if match := re.fullmatch(r"\^(\d+)((?:\.\d+)*)", text):
        parts = [int(part) for part in (match[1] + match[2]).split(".")]
        first = next((index for index, part in enumerate(parts) if part), len(parts) - 1)
        return f">={match[1]}{match[2]},<{'.'.join(map(str, [*parts[:first], parts[first] + 1]))}"
    if match := re.fullmatch(r"~(\d+(?:\.\d+)*)", text):
        return f"~={match[1]}" if "." in match[1] else f"=={match[1]}.*"
    return f"=={text}" if text[0].isdigit() else str(text)


def _of_uv_lock(content: Mapping[str, Any]) -> list[str]:
    """What the repository's own packages depend on, at the locked versions; extras and groups are left out."""
    packages = {one["name"]: one for one in content["package"]}
    own = [one for one in packages.values() if {"editable", "virtual"} & set(one.get("source", {}))]
    found: dict[str, str] = {}
    waiting = [(edge, "") for one in own for edge in one.get("dependencies", [])]
    while waiting:
        edge, condition = waiting.pop()
        name = edge["name"]
        marker = " and ".join(f"({part})" for part in (condition, edge.get("marker", "")) if part)
        if name in found or name not in packages or packages[name] in own:
            continue
        one = packages[name]
        found[name] = f"{name}=={one['version']}" + (f" ; {marker}" if marker else "")
        waiting += [(further, marker) for further in one.get("dependencies", [])]
    return sorted(found.values())


def _of_conda(file: Path, content: Mapping[str, Any]) -> Iterator[str]:
    for entry in content["dependencies"]:
        if isinstance(entry, Mapping):
            yield from (line for line in entry.get("pip", []) if not _is_the_repository(file, line))
            continue
        words = re.split(r"\s*([=<>!~]+)\s*", entry.rpartition("::")[2].strip(), maxsplit=1)
        name = words[0].split("[")[0].strip()
        if NO_PACKAGE.match(name):
            continue
        version = ""
        if len(words) == 3:
            sign, (number, *build) = words[1], words[2].strip().split("=")
            loose = sign == "=" and not build and "*" not in number  # conda's 2.8 is any 2.8.x
            version = f"=={number}{'.*' if loose else ''}" if sign in ("=", "==") else sign + number
        yield OTHER_NAME.get(name, name) + version
