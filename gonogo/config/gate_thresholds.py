"""The gates' thresholds: pydantic models, one for each gate. Defaults with their sources: docs/gates.md."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gonogo.base.models import Count, Fraction, Positive, StrictModel
from gonogo.config.quality_thresholds import QualityGate


class GeneratorGate(StrictModel):
    """Is the generator good alone, before it makes any data?"""

    min_own_view_psnr_db: float = Field(
        18.0, description="held-out inputs rendered at their own pose, against the input"
    )
    min_rotated_coverage: Fraction = Field(0.5, description="share of pixels covered 15° off the input's pose, median")
    min_rotated_brightness: Fraction = Field(0.45, description="luminance 15° off against the input's, median")


class LearningGate(StrictModel):
    """Is the run learning, and the right thing? Judged after the smoke run, and along with the paid run.

    Source of the defaults: runs of every failure, docs/gates.md.
    """

    min_target_input_ratio: Fraction = Field(
        0.45, description="mean target / mean input, where they are comparable: below, the DATA is dark"
    )
    max_leaked_share: Fraction = Field(0.0, description="held-out samples also trained on, near copies too: LEAKAGE")
    max_unconnected_share: Fraction = Field(
        0.1, description="modules that no gradient reaches, of all with parameters: WIRING"
    )
    max_overfit_ratio: Positive = Field(
        0.1, description="one batch fitted alone: squared error / its variance; 1: nothing learned; above: WIRING"
    )
    min_skill: float = Field(0.1, description="1 - error / error of predicting the mean, held-out items")
    min_input_skill: float = Field(0.05, description="skill lost when the input is zeroed; less: INPUT IGNORED")
    output_mean_range: tuple[float, float] = Field((0.7, 1.4), description="mean of outputs / mean of targets")
    max_output_mean_shift: float = Field(
        0.25, ge=0, description="or: difference of the means / spread of the targets, for means near zero"
    )
    min_output_sigma_ratio: Fraction = Field(0.5, description="spread of outputs / spread of targets")
    max_loss_spike: Positive = Field(
        10,
        description="of a command: highest loss above its first, in units of it; above: DIVERGING unless it recovers",
    )
    max_loss_explosion: Positive = Field(
        1000,
        description="of a command: the same, recovered or not; above: DIVERGING, the weights are not what they were",
    )
    min_telling_fall: Fraction = Field(
        0.1,
        description="of a command: fall of the loss that is CAUTION, not LOSS, where it may be noise; and that must "
        "be left after a spike",
    )
    min_validations: Count = Field(
        3,
        description="of a command: validation losses needed to say DIVERGING; a rise, unlike an explosion, needs four",
    )


class MemoryGate(StrictModel):
    """Does the planned step fit the card?"""

    caution_margin: Fraction = Field(0.10, description="of the card; less room (or less than 1 GB) is CAUTION")
    estimate_error: Fraction = Field(
        0.09, description="19 in 20 of 77 published peaks were no more above the estimate; less room is CAUTION"
    )
    estimate_excess: Fraction = Field(
        0.04, description="19 in 20 of them were no more below the estimate; said beside it, and not judged"
    )
    on_no_go: Literal["halt", "replan"] = Field(
        "halt", description="`replan`: train the cheapest change to micro-batch, accumulation or precision that fits"
    )

    @property
    def error_range(self) -> str:
        """Of what is measured, about the estimate: `−4 to +9 %`."""
        return f"−{100 * self.estimate_excess:.0f} to +{100 * self.estimate_error:.0f} %"


class LaunchGate(StrictModel):
    """Money, approval and paperwork, before anything is sent."""

    budget_buffer: Fraction = Field(0.25, description="kept free of the budget for debugging")
    approval: Literal["not_required", "required"] = Field(
        "not_required", description="`required`: upload waits for `gonogo approve EXPERIMENT --by NAME`"
    )


class CanaryGate(StrictModel):
    """Do the first steps on the paid machine keep what the plan promised?"""

    steps: Count = Field(12, description="optimizer steps that the canary runs")
    max_memory_over_plan: Positive = Field(1.25, description="measured peak / predicted peak")
    max_temperature_c: Positive = Field(90, description="of the GPU; cards of data centres slow down from about there")
    max_slowdown: Positive = Field(3.0, description="measured s/step over the forecast's upper bound; above: NO-GO")


class ResultsGate(StrictModel):
    """Is what came back what was hoped for?"""

    min_skill: float = Field(
        0.1, description="1 - error / error of predicting the mean, held-out items, downloaded checkpoint"
    )
    min_geometry_auc: Fraction = Field(
        0.65, description="a predicted view is nearer to its own reference than to others; chance: 0.5"
    )
    metrics: dict[str, float] = Field(
        default_factory=dict, description="metric → least value; filled from `expected.metrics`"
    )
    pictures: QualityGate = Field(
        QualityGate(), description="thresholds for the predicted pictures, against their inputs"
    )


class Gates(StrictModel):
    """Thresholds. An experiment's own `gates:` block is laid over these."""

    generator: GeneratorGate = GeneratorGate()
    quality: QualityGate = QualityGate()
    learning: LearningGate = LearningGate()
    memory: MemoryGate = MemoryGate()
    launch: LaunchGate = LaunchGate()
    canary: CanaryGate = CanaryGate()
    results: ResultsGate = ResultsGate()
