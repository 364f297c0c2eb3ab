"""Pretrained files that an experiment names: are they there, of the right size, and how do they reach the machine?"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from gonogo.base.errors import UserError
from gonogo.base.models import Count, StrictModel
from gonogo.base.os_paths import LocalPath
from gonogo.base.units import gigabytes

WEIGHTS = "*.safetensors"  # of a folder, what is weighed
ELSEWHERE = "pretrained"  # folder on the machine of what has no place below its working folder


def _https(address: str) -> str:
    parts = urlsplit(address)
    if parts.username is not None or parts.password is not None:
        raise ValueError("should hold no user name and no password: an address is stored and printed")
    if parts.scheme != "https" or not parts.hostname or PurePosixPath(parts.path).name in ("", ".."):
        raise ValueError(f"{address!r} should be the https address of a file")
    if not address.isascii() or any(sign.isspace() for sign in address):
        raise ValueError(f"{address!r} should be written with percent signs in place of spaces and other letters")
    return address


def shown_address(address: str) -> str:
    """Without the query, which may hold a key."""
    return address.partition("?")[0]


Address = Annotated[str, AfterValidator(_https)]
Sha256 = Annotated[str, StringConstraints(to_lower=True, pattern=re.compile(r"^[0-9a-fA-F]{64}$"))]


class Asset(StrictModel):
    """A pretrained file, or a folder of them as transformers saves a model."""

    path: LocalPath = Field(description="file, or folder whose *.safetensors count together")
    min_bytes: Count = Field(description="a smaller file is cut short")
    max_bytes: Count = Field(description="a larger one is another file")
    source: str = Field(description="where it is to be had, for whoever lacks it")
    fetch: dict[Address, Sha256] = Field(
        default_factory=dict,
        description="https address → sha256 of what the machine fetches itself, of a folder by the file's name; "
        "the rest is sent",
    )

    @property
    def where(self) -> Path:
        return self.path.expanduser()

    @property
    def size_bytes(self) -> int | None:
        """None: it is not there."""
        if self.where.is_dir():
            return sum(file.stat().st_size for file in self.where.glob(WEIGHTS)) or None
        return self.where.stat().st_size if self.where.is_file() else None

    def problem(self) -> str:
        """What is wrong with it, and what to do; empty: nothing."""
        size = self.size_bytes
        if size is None:
            return f"{self.path}: not there. Get it from {self.source}"
        again = f"Get it again from {self.source}"
        if size < self.min_bytes:
            return f"{self.path}: {gigabytes(size)} of at least {gigabytes(self.min_bytes)}: cut short. {again}"
        if size > self.max_bytes:
            return f"{self.path}: {gigabytes(size)}, more than {gigabytes(self.max_bytes)}: another file. {again}"
        return ""

    def needed(self, name: str) -> tuple[str, bool, str]:
        """A line of `Experiment.assets_needed`."""
        problem = self.problem()
        return name, not problem, problem or f"{self.path}, {gigabytes(self.size_bytes or 0)}"

    def check(self, key: str) -> Path:
        """Its path.

        Raises:
            UserError: it is not there, or of another size.
        """
        if problem := self.problem():
            raise UserError(f"{key}: {problem}")
        return self.where

    def place(self, key: str) -> str:
        """Its path on the machine, relative to the folder of the code: the same as here, where that is below ours."""
        parts = self.where.parts
        if self.where.is_absolute() or any(part.startswith(".") for part in parts):
            return f"{ELSEWHERE}/{key}/{self.where.name.lstrip('.') or 'file'}"
        return self.where.as_posix()

    def fetched(self, key: str) -> dict[str, tuple[str, str]]:
        """Path on the machine → address and sha256, of what it fetches itself."""
        place = self.place(key)
        names = {address: PurePosixPath(urlsplit(address).path).name for address in self.fetch}
        return {
            f"{place}/{names[address]}" if self.where.is_dir() else place: (address, sha256)
            for address, sha256 in self.fetch.items()
        }

    def sent(self, key: str) -> dict[str, Path]:
        """Path on the machine → file or folder here, of what is sent."""
        place, fetched = self.place(key), self.fetched(key)
        if not fetched:
            return {place: self.where}
        files = [file.relative_to(self.where) for file in self.where.rglob("*") if file.is_file()]
        shown = [file for file in files if not any(part.startswith(".") for part in file.parts)]
        names = {f"{place}/{file.as_posix()}": self.where / file for file in shown}
        return {name: file for name, file in names.items() if name not in fetched}


def assets_in(settings: BaseModel, prefix: str = "") -> dict[str, Asset]:
    """Dotted key of its path → each asset that the settings name."""
    found: dict[str, Asset] = {}
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, Asset):
            found[f"{prefix}{name}.path"] = value
        elif isinstance(value, BaseModel):
            found |= assets_in(value, f"{prefix}{name}.")
    return found
