"""What is known of an experiment beforehand: faults that were found, and claims that it relies on."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from gonogo.base.models import StrictModel


class Issue(StrictModel):
    """Something that was found wrong, and what became of it."""

    what: str = Field(min_length=1, description="what was found, and where")
    severity: Literal["minor", "major", "critical"] = Field(
        description="open and critical: no launch; open and major: CAUTION"
    )
    status: Literal["open", "fixed", "accepted"] = "open"
    resolution: str = Field("", description="what was done, or why it may stay; required unless the issue is open")

    @model_validator(mode="after")
    def _resolved_how(self) -> Issue:
        if self.status != "open" and not self.resolution.strip():
            raise ValueError(f"{self.status}, and `resolution` does not say how: {self.what}")
        return self


class Claim(StrictModel):
    """Something that the plan relies on, with its source."""

    claim: str = Field(min_length=1)
    source: str = Field(min_length=1, description="a paper, a URL, a file, or the measurement that showed it")
