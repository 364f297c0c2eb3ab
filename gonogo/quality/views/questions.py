"""What a user asks of the pictures: each question gathers the checks that answer it, and says so in words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gonogo.config.quality_thresholds import QualityGate
from gonogo.quality.fault_counts import percent
from gonogo.quality.pictures.measurements import PixelStatistics
from gonogo.quality.views.findings import ViewFinding

BLACK = 0.05  # mean luminance below which dark is called black; wording only


@dataclass(frozen=True)
class Question:
    """A check over all scenes, made of the checks of single views.

    Attributes:
        faults: ids of gonogo.quality.views.pairs and findings that count.
        unless: a view with one of these faults is not asked; the answer would only follow from them.
        asked: what a view must keep, in words.
        tell: what is wrong, from the views at fault and what to call them.
    """

    id: str
    title: str
    faults: frozenset[str]
    asked: Callable[[QualityGate], str]
    tell: Callable[[Sequence[ViewFinding], str], str]
    hint: str
    unless: frozenset[str] = frozenset()

    def fires(self, view: ViewFinding) -> bool:
        return bool(view.ids & self.faults) and not view.ids & self.unless


def average(views: Sequence[ViewFinding], value: Callable[[PixelStatistics], float]) -> tuple[float, float]:
    """Mean of a statistic over these views, and over their inputs; 0 where none could be read."""
    targets = [value(view.measured.picture.pixels) for view in views if view.measured.picture.pixels]
    sources = [value(view.source) for view in views if view.source]
    return _mean(targets), _mean(sources)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _luminance(picture: PixelStatistics) -> float:
    return picture.mean / 255


def _tell_dark(views: Sequence[ViewFinding], who: str) -> str:
    target, source = average(views, _luminance)
    how = "black" if target < BLACK else "dark"
    return f"{who} are {how}: mean luminance {target:.2f} against {source:.2f} at the input"


def _tell_bright(views: Sequence[ViewFinding], who: str) -> str:
    target, source = average(views, _luminance)
    return f"{who} are too bright: mean luminance {target:.2f} against {source:.2f} at the input"


def _tell_flat(views: Sequence[ViewFinding], who: str) -> str:
    target, source = average(views, lambda picture: (picture.p95 - picture.p5) / 255)
    return f"{who} are flat: their luminance spans {target:.2f} against {source:.2f} at the input"


def _tell_noise(views: Sequence[ViewFinding], who: str) -> str:
    target, source = average(views, lambda picture: picture.autocorrelation_1)
    return f"{who} are noisy: neighbouring pixels correlate by {target:.2f} against {source:.2f} at the input"


def _tell_blurred(views: Sequence[ViewFinding], who: str) -> str:
    target, source = average(views, lambda picture: picture.sharpness)
    return f"{who} are blurred: sharpness {target:.3f} against {source:.3f} at the input"


def _tell_empty(views: Sequence[ViewFinding], who: str) -> str:
    target, source = average(views, lambda picture: picture.coverage)
    return f"{who} are nearly empty: {percent(target)} has content, {percent(source)} in the input"


def _tell_copy(views: Sequence[ViewFinding], who: str) -> str:
    differences = [view.measured.pair.thumbnail_difference for view in views if view.measured.pair]
    return f"{who} are copies of their input: they differ by {_mean(differences) / 255:.3f} of full scale"


def _tell_black(views: Sequence[ViewFinding], who: str) -> str:
    target, source = average(views, lambda picture: picture.black_share)
    return f"{who} are black in parts: {percent(target)} of them, {percent(source)} of the input"


def _tell_few_levels(views: Sequence[ViewFinding], who: str) -> str:
    target, source = average(views, lambda picture: picture.entropy_bits)
    return f"{who} have few levels: {target:.1f} bits of luminance against {source:.1f} at the input"


def _tell_reasons(views: Sequence[ViewFinding], who: str) -> str:
    reasons = Counter(_kind(fault.reason) for view in views for fault in view.faults)
    return f"{who} have faults: " + ", ".join(f"{reason} ({count})" for reason, count in reasons.most_common(3))


def _kind(reason: str) -> str:
    """The reason without its figure."""
    return re.sub(r" [-0-9.]+%?$", "", reason)


def _tell_repeated(views: Sequence[ViewFinding], who: str) -> str:
    return f"{who} are the same picture (as {views[0].path} and {views[0].identical_to})"


QUESTIONS = (
    Question(
        id="darkness",
        title="Brightness of the views against their input",
        faults=frozenset({"dark"}),
        asked=lambda gate: f"dark is below {gate.min_brightness_ratio:g} of the input's mean luminance",
        tell=_tell_dark,
        hint="Look at the contact sheet, then mend what renders the views before training on them.",
    ),
    Question(
        id="exposure",
        title="Overexposure",
        faults=frozenset({"too_bright", "overexposed"}),
        asked=lambda gate: (
            f"above {gate.max_brightness_ratio:g} of the input, or {percent(gate.max_white_share)} white"
        ),
        tell=_tell_bright,
        hint="Look for a gamma applied twice, a missing tone mapping, or colours clipped at 1.",
    ),
    Question(
        id="contrast",
        title="Contrast",
        faults=frozenset({"washed_out", "constant"}),
        asked=lambda gate: f"flat is a luminance span below {gate.min_range / 255:.2f} and half the input's",
        tell=_tell_flat,
        hint="Look for a wrong value range (0-1 saved as 0-255), or an average of many pictures.",
        unless=frozenset({"dark"}),
    ),
    Question(
        id="noise",
        title="Noise",
        faults=frozenset({"noise", "blotchy", "noisy", "specks"}),
        asked=lambda gate: f"noise is a correlation of neighbours below {gate.min_autocorrelation:g} and the input's",
        tell=_tell_noise,
        hint="Look whether the generator was trained, and whether its weights were loaded.",
    ),
    Question(
        id="sharpness",
        title="Sharpness",
        faults=frozenset({"blurred"}),
        asked=lambda gate: f"blurred is below {gate.min_sharpness:g} of the input's sharpness, fine and coarse",
        tell=_tell_blurred,
        hint="Give the generator more detail (more Gaussians, a longer fit), or lower the resolution.",
    ),
    Question(
        id="coverage",
        title="What the views show against their input",
        faults=frozenset({"coverage"}),
        asked=lambda gate: f"empty is less than {percent(gate.min_coverage_ratio)} of what the input shows",
        tell=_tell_empty,
        hint="Look whether the cameras are too far away, and whether the generator fills its space.",
    ),
    Question(
        id="black_parts",
        title="Parts of the views that are black",
        faults=frozenset({"black_parts"}),
        asked=lambda gate: f"black is {percent(gate.max_black_excess)} more than at the input",
        tell=_tell_black,
        hint="Look whether all of the picture was rendered and written, and whether NaN became 0.",
    ),
    Question(
        id="lines",
        title="Rows, columns and blocks",
        faults=frozenset({"repeated_lines", "seams", "blocks", "streaks"}),
        asked=lambda gate: "no rows or columns lost, shifted or repeated, no tiles lost or shuffled, no coarse pixels",
        tell=_tell_reasons,
        hint="Look at the writer (strides, tiles, JPEG quality) and at the size that is rendered.",
    ),
    Question(
        id="levels",
        title="Levels of the views",
        faults=frozenset({"few_levels"}),
        asked=lambda gate: f"few levels is {gate.max_entropy_loss_bits:g} bits less than the input's luminance has",
        tell=_tell_few_levels,
        hint="Look for a wrong type (bool, int of 0-1) and for contrast that was clipped.",
    ),
    Question(
        id="colours",
        title="Colours of the views against their input",
        faults=frozenset({"colours", "foreign_colours", "inverted"}),
        asked=lambda gate: (
            f"no channel lost or exchanged, no negative, no shift above {gate.max_colour_shift:g}, and no more than "
            f"{percent(gate.max_foreign_colours)} in colours that the input has not"
        ),
        tell=_tell_reasons,
        hint="Look for BGR read as RGB, a channel that is missing, 1 - x, and whether the generator was trained.",
    ),
    Question(
        id="orientation",
        title="Which way up the views are",
        faults=frozenset({"upside_down", "mirrored", "quarter"}),
        asked=lambda gate: f"turned over is {gate.min_turned_margin:g} more like the input than the view as it is",
        tell=_tell_reasons,
        hint="Look for rows that count from the bottom (OpenGL), an axis with the wrong sign, and exchanged axes.",
    ),
    Question(
        id="copy",
        title="Views that are copies of their input",
        faults=frozenset({"copy"}),
        asked=lambda gate: f"a copy is within {gate.max_copy_bits} bits of the input's hash",
        tell=_tell_copy,
        hint="Look whether the pose reaches the renderer: a copy teaches a model to do nothing.",
    ),
    Question(
        id="repeats",
        title="Views that are the same picture",
        faults=frozenset({"repeated"}),
        asked=lambda gate: "no two views hold the same bytes",
        tell=_tell_repeated,
        hint="Look whether pose and input reach the renderer, and whether files were copied.",
        unless=frozenset({"constant"}),
    ),
)
