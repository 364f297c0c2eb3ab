"""What every pydantic model here begins with."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class ClosedModel(BaseModel):
    """Unknown keys are errors; NaN and infinity are values, as a measurement can have them."""

    model_config = ConfigDict(extra="forbid")


class StrictModel(ClosedModel):
    """Unknown keys are errors, so that a misspelt threshold is never silently the default; so are NaN and infinity."""

    model_config = ConfigDict(populate_by_name=True, validate_default=True, allow_inf_nan=False)
