"""What loss functions were given in training steps. Measurements: thresholds are the judges'."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class NumbersOrNot(BaseModel):
    """NaN and infinity are facts, and stay what they are in JSON."""

    model_config = ConfigDict(ser_json_inf_nan="constants")


class LossCall(NumbersOrNot):
    """One call of a loss function in training steps, by its line."""

    function: str
    where: str = ""
    calls: int = 0
    input: str = Field("", description="what its input is: probabilities, log-probabilities, scores")
    classes: int = Field(0, description="of a classification")
    out_of_range: str = Field("", description="targets outside of the classes: which")
    wrong_type: str = Field("", description="dtype of targets, where it is not one that the function takes")
    ignored: int = Field(0, description="calls in which every target was ignored")
    ignored_share: float = Field(0, description="of all targets")
    broadcast: str = Field("", description="shapes of input and target that differ: `(32, 1) and (32,)`")
    class_counts: dict[str, int] = Field(default_factory=dict)
    target_is_input: float | None = Field(None, description="share of targets equal to the token at their place")
    target_is_next: float | None = Field(None, description="share of targets equal to the next input token")
    target_minimum: float | None = None
    target_maximum: float | None = None
    target_spread: float | None = None
    softmax_over_batch: bool = False
    large_calls: int = Field(0, description="with eight targets or more, one a sample")
    alike_calls: int = Field(0, description="of these: all targets are the same")
    alike_targets: list[str] = Field(default_factory=list, description="which they were, in the order of the calls")
    alike_changes: int = Field(0, description="of these calls: with another target than the one before")
    alike_last: str = ""
    values: list[float] = Field(default_factory=list, description="that it returned, before the script scales them")


class SeenError(NumbersOrNot):
    """What was seen just before the script's own error, and explains it."""

    check: str = ""
    why: str = ""
    hint: str = ""
