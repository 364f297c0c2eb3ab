"""Pretrained files that an experiment names: are they there, of the right size, and where are they to be had?"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from gonogo.base.errors import UserError
from gonogo.base.models import Count, StrictModel
from gonogo.base.os_paths import LocalPath
from gonogo.base.units import gigabytes

WEIGHTS = "*.safetensors"  # of a folder, what is weighed


class Asset(StrictModel):
    """A pretrained file, or a folder of them as transformers saves a model."""

    path: LocalPath = Field(description="file, or folder whose *.safetensors count together")
    min_bytes: Count = Field(description="a smaller file is cut short")
    max_bytes: Count = Field(description="a larger one is another file")
    source: str = Field(description="where it is to be had, for whoever lacks it")

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
