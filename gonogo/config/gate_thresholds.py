"""The gates' thresholds: pydantic models, one for each gate. Defaults with their sources: docs/gates.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, RootModel, model_validator

from gonogo.base.models import Count, Fraction, Positive, StrictModel
from gonogo.config.quality_thresholds import QualityGate


class MetricBound(StrictModel):
    """Is the data generator good enough on its own? A metric that `prepare` returns → where it must lie."""

    at_least: float | None = Field(None, description="below: NO-GO; null: no such bound")
    at_most: float | None = Field(None, description="above: NO-GO; null: no such bound")
    why: str = Field("", description="what a miss means, in words, for the verdict")

    @model_validator(mode="after")
    def _bounded(self) -> MetricBound:
        if self.at_least is None and self.at_most is None:
            raise ValueError("give `at_least`, `at_most` or both")
        return self

    def holds(self, value: float) -> bool:
        above = self.at_least is None or value >= self.at_least
        return above and (self.at_most is None or value <= self.at_most)

    def __str__(self) -> str:
        parts = [(">=", self.at_least), ("<=", self.at_most)]
        return " and ".join(f"{sign} {bound:g}" for sign, bound in parts if bound is not None)


class GeneratorGate(RootModel[dict[str, MetricBound]]):
    """Thresholds that the experiment names: metric → bounds."""

    root: dict[str, MetricBound] = Field(default_factory=dict, description="metric that `prepare` returns → its bounds")

    @model_validator(mode="before")
    @classmethod
    def _by_metric(cls, given: Any) -> Any:
        """Without those that a file sets to null over the file that it extends; ValueError for a plain number, as keys
        `min_METRIC` had it."""
        if not isinstance(given, Mapping):
            return given
        for key, value in given.items():
            if isinstance(value, (int, float, str)):
                side, _, metric = key.partition("_") if key.startswith(("min_", "max_")) else ("", "", key)
                bound = "at_most" if side == "max" else "at_least"
                raise ValueError(
                    f"thresholds are named by the experiment's metrics: in place of `{key}: {value}` write in its "
                    f"file `gates: {{generator: {{{metric}: {{{bound}: {value}}}}}}}`"
                )
        return (
            {key: value for key, value in given.items() if value is not None} if isinstance(given, Mapping) else given
        )


class LearningGate(StrictModel):
    """Is the run learning, and learning the right thing? Judged after the smoke run, and during the paid run.

    Source of the defaults: runs of every failure, docs/gates.md.
    """

    min_target_input_ratio: Fraction = Field(
        0.45, description="mean target / mean input, if comparable; below: dark DATA"
    )
    max_leaked_share: Fraction = Field(
        0.0,
        description="share of held-out samples that are also trained on, near copies included (of scripts, up to 0.01 "
        "is CAUTION); above: LEAKAGE",
    )
    max_unconnected_share: Fraction = Field(0.1, description="share of modules that no gradient reaches; above: WIRING")
    max_overfit_ratio: Positive = Field(
        0.1, description="squared error / variance, one batch fitted alone (1: nothing learned); above: WIRING"
    )
    min_skill: float = Field(0.1, description="1 − error / error of predicting the mean, on held-out items")
    min_input_skill: float = Field(0.05, description="skill lost when the input is zeroed; below: INPUT IGNORED")
    output_mean_range: tuple[float, float] = Field((0.7, 1.4), description="mean of outputs / mean of targets")
    max_output_mean_shift: float = Field(
        0.25, ge=0, description="alternative for means near zero: difference of the means / spread of the targets"
    )
    min_output_sigma_ratio: Fraction = Field(0.5, description="spread of outputs / spread of targets")
    max_loss_spike: Positive = Field(
        10,
        description="commands, scripts: highest loss above the first, as a multiple of it; above: DIVERGING unless it "
        "recovers",
    )
    max_loss_explosion: Positive = Field(
        1000,
        description="commands, scripts: the same, recovered or not; above: DIVERGING, as the weights are no longer the "
        "same",
    )
    min_telling_fall: Fraction = Field(
        0.1,
        description="commands, scripts: fall of the loss that is CAUTION, not LOSS, where it may be noise; and that "
        "must remain after a spike",
    )
    min_validations: Count = Field(
        3,
        description="commands: validation losses needed to say DIVERGING; a rise, unlike an explosion, needs four",
    )
    min_batch_fall: Fraction = Field(
        0.01, description="scripts: fall of the loss of one batch that is trained on alone; below: LOSS"
    )
    max_blank_share: Fraction = Field(
        0.5, description="scripts: share of the samples that have one value throughout; above: DATA"
    )
    max_class_share: Fraction = Field(0.95, description="scripts: share of the targets in one class; above: CAUTION")
    max_wait_share: Fraction = Field(0.5, description="scripts: share of a step that waits for its batch; CAUTION")


class MemoryGate(StrictModel):
    """Does the planned training step fit the card?"""

    caution_margin: Fraction = Field(0.10, description="share of the card; less free memory (or under 1 GB) is CAUTION")
    estimate_error: Fraction = Field(
        0.09, description="19 in 20 of 77 published peaks exceeded the estimate by no more; less free memory is CAUTION"
    )
    estimate_excess: Fraction = Field(0.04, description="19 in 20 of them were below by no more; shown, not judged")
    on_no_go: Literal["halt", "replan"] = Field(
        "halt",
        description="`replan`: train with the cheapest change of micro-batch, accumulation or precision that fits",
    )
    larger_batches: bool = Field(
        False, description="the plan's three settings fill the card, with a larger effective batch than asked for"
    )

    @property
    def error_range(self) -> str:
        """Of the measured peak about the estimate: `−4 to +9 %`."""
        return f"−{100 * self.estimate_excess:.0f} to +{100 * self.estimate_error:.0f} %"


class LaunchGate(StrictModel):
    """Budget, approval and checklist, before anything is uploaded."""

    budget_buffer: Fraction = Field(0.25, description="share of the budget that is kept free for debugging")
    approval: Literal["not_required", "required"] = Field(
        "not_required", description="`required`: upload waits for `gonogo approve EXPERIMENT --by NAME`"
    )


class CanaryGate(StrictModel):
    """Do the first steps on the paid machine match the plan?"""

    steps: Count = Field(12, description="optimizer steps that the canary runs")
    max_memory_over_plan: Positive = Field(1.25, description="measured peak / predicted peak")
    max_temperature_c: Positive = Field(90, description="of the GPU; data-centre cards slow down from about there")
    max_slowdown: Positive = Field(3.0, description="measured s/step / upper bound of the forecast")


class PredictionsGate(QualityGate):
    """Thresholds of the quality gate, for the predicted items, whose folder the experiment itself has written."""

    max_unread_files: Fraction = Field(
        1.0, description="as in gates.quality; by default other files beside the predictions are only a warning"
    )


class ResultsGate(StrictModel):
    """Is the result what was expected?"""

    min_skill: float = Field(
        0.1, description="1 − error / error of predicting the mean, on held-out items, with the downloaded checkpoint"
    )
    min_geometry_auc: Fraction = Field(
        0.65, description="how often a predicted view is nearer to its own reference than to others (chance: 0.5)"
    )
    metrics: dict[str, float] = Field(
        default_factory=dict, description="metric → minimum; filled from `expected.metrics`"
    )
    pictures: PredictionsGate = Field(
        PredictionsGate(), description="of the predicted items, compared with their inputs"
    )


class Gates(StrictModel):
    """Thresholds. An experiment's own `gates:` block is merged over these."""

    generator: GeneratorGate = GeneratorGate({})
    quality: QualityGate = QualityGate()
    learning: LearningGate = LearningGate()
    memory: MemoryGate = MemoryGate()
    launch: LaunchGate = LaunchGate()
    canary: CanaryGate = CanaryGate()
    results: ResultsGate = ResultsGate()
