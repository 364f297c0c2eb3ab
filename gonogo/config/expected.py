"""What an experiment should reach, and when: written before the run, compared with it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from gonogo.base.models import Positive, StrictModel

Span = Annotated[tuple[Positive, Positive], BeforeValidator(lambda v: (v, v) if isinstance(v, (int, float)) else v)]


class Timeline(StrictModel):
    """Times that the plan names: a number, or the lowest and highest. The launch gate checks their consistency."""

    step_s: Span | None = Field(None, description="seconds per optimizer step on the target")
    epoch_minutes: Span | None = Field(None, description="minutes per epoch")
    hours: Span | None = Field(None, description="hours of the whole run")


GAUGES = (
    "gpu_busy_percent", "gpu_temperature_c", "gpu_memory_gb", "gpu_memory_percent", "step_s", "samples_per_s",
)  # fmt: skip


class Indicator(StrictModel):
    """What a metric should have reached by some epoch, or bounds of a gauge; a miss is CAUTION, or stops the run."""

    by_epoch: int = Field(
        0,
        ge=0,
        description="checked at each validation from the end of this epoch on; of a gauge, each minute; 0: at once",
    )
    at_least: float | None = None
    at_most: float | None = None
    then: Literal["warn", "stop"] = Field("warn", description="at a miss; `stop` ends the run and keeps its checkpoint")


class Expected(StrictModel):
    """The expected result, written before the run; without a statement, a paid launch is refused."""

    statement: str = Field("", description="the expected result in words, with the baseline that it should beat")
    metrics: dict[str, float] = Field(default_factory=dict, description="metric of the results stage → minimum value")
    baselines: dict[str, float] = Field(default_factory=dict, description="metric → value to beat; shown in the report")
    timeline: Timeline = Field(Timeline(), description="times that the plan names")
