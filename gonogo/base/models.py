"""What every pydantic model here begins with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gonogo.base.errors import UserError

M = TypeVar("M", bound=BaseModel)

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class ClosedModel(BaseModel):
    """Unknown keys are errors; NaN and infinity are values, as a measurement can have them."""

    model_config = ConfigDict(extra="forbid", defer_build=True)


class StrictModel(ClosedModel):
    """Unknown keys are errors, so that a misspelt threshold is never silently the default; so are NaN and infinity."""

    model_config = ConfigDict(populate_by_name=True, validate_default=True, allow_inf_nan=False)


def is_model(annotation: Any) -> bool:
    """Whether a field's annotation is a model, whose fields are then keys of their own."""
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def read_model(model: type[M], path: Path | str) -> M:
    """The model whose JSON a stage wrote to this file.

    Raises:
        UserError: it holds something else.
    """
    try:
        return model.model_validate_json(Path(path).read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise UserError(
            f"{path}: not what this version writes ({where}: {first['msg']}). Delete it and run the workflow again"
        ) from None
