"""What every measurement has in common. A measurement holds no threshold: judging it again is free."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TypeVar

from pydantic import Field

from gonogo.base.files import write_text
from gonogo.base.models import ClosedModel, read_model

M = TypeVar("M", bound="Measured")


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class Measured(ClosedModel):
    """Base of the `measurements.json` that a stage leaves for its gate."""

    measured_at: dt.datetime = Field(default_factory=now)
    inputs_digest: str = Field("", description="sha256 of the data, code and config that were measured")
    evidence: list[str] = Field(default_factory=list, description="files that show it, from the repository's root")

    def write(self, path: Path | str) -> None:
        write_text(path, self.model_dump_json(indent=1) + "\n")

    @classmethod
    def read(cls: type[M], path: Path | str) -> M:
        return read_model(cls, path)
