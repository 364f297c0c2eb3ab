"""The checks of single views, gathered into the checks of the verdict, and how each says what is wrong."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass

from gonogo.config.quality_thresholds import QualityGate
from gonogo.quality.pictures.measurements import PixelStatistics
from gonogo.quality.views.findings import ViewFinding
from gonogo.quality.wording import percent

BLACK = 0.05  # mean luminance below which dark is called black; wording only

Describe = Callable[[Sequence[ViewFinding], str], str]


@dataclass(frozen=True)
class ViewFaultGroup:
    """Faults of views that one check of the verdict counts."""

    id: str
    title: str
    faults: Set[str]  # ids of gonogo.quality.views.pairs and findings that count
    criterion: Callable[[QualityGate], str]  # when a view counts, in words
    describe: Describe  # what is wrong, from the views at fault and what to call them
    hint: str
    # a view with one of these faults does not count: the others would only follow from them
    unless: Set[str] = frozenset()

    def fires(self, view: ViewFinding) -> bool:
        return bool(view.ids & self.faults) and not view.ids & self.unless


def _means(views: Sequence[ViewFinding], value: Callable[[PixelStatistics], float]) -> tuple[float, float]:
    """Mean of a statistic over these views, and over their inputs; 0 where none could be read."""
    targets = [value(view.measured.picture.pixels) for view in views if view.measured.picture.pixels]
    sources = [value(view.source) for view in views if view.source]
    return _mean(targets), _mean(sources)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _luminance(picture: PixelStatistics) -> float:
    return picture.mean / 255


def _beside_input(
    claim: str, value: Callable[[PixelStatistics], float], form: Callable[[float], str] = "{:.2f}".format
) -> Describe:
    """`views are too bright: mean luminance 0.93 against 0.41 at the input`."""

    def describe(views: Sequence[ViewFinding], who: str) -> str:
        target, source = _means(views, value)
        return f"{who} {claim} {form(target)} against {form(source)} at the input"

    return describe


def _describe_dark(views: Sequence[ViewFinding], who: str) -> str:
    how = "black" if _means(views, _luminance)[0] < BLACK else "dark"
    return _beside_input(f"are {how}: mean luminance", _luminance)(views, who)


def _describe_copies(views: Sequence[ViewFinding], who: str) -> str:
    differences = [view.measured.pair.thumbnail_difference for view in views if view.measured.pair]
    return f"{who} are copies of their input: they differ by {_mean(differences) / 255:.3f} of full scale"


def _describe_repeated(views: Sequence[ViewFinding], who: str) -> str:
    return f"{who} are the same picture (as {views[0].path} and {views[0].identical_to})"


def _list_reasons(views: Sequence[ViewFinding], who: str) -> str:
    reasons = Counter(_without_figure(fault.reason) for view in views for fault in view.faults)
    return f"{who} have faults: " + ", ".join(f"{reason} ({count})" for reason, count in reasons.most_common(3))


def _without_figure(reason: str) -> str:
    return re.sub(r" [-0-9.]+%?$", "", reason)


VIEW_FAULT_GROUPS = (
    ViewFaultGroup(
        "darkness", "Brightness of the views against their input", {"dark"},
        lambda gate: f"dark is below {gate.min_brightness_ratio:g} of the input's mean luminance",
        _describe_dark,
        "Open the contact sheet, then fix what renders the views before training on them.",
    ),
    ViewFaultGroup(
        "exposure", "Overexposure", {"too_bright", "overexposed"},
        lambda gate: f"above {gate.max_brightness_ratio:g} of the input, or {percent(gate.max_white_share)} white",
        _beside_input("are too bright: mean luminance", _luminance),
        "Look for a gamma applied twice, missing tone mapping, or colours clipped at 1.",
    ),
    ViewFaultGroup(
        "contrast", "Contrast", {"washed_out", "constant"},
        lambda gate: f"flat is a luminance range below {gate.min_range / 255:.2f} and half the input's",
        _beside_input("are flat: their luminance spans", lambda picture: (picture.p95 - picture.p5) / 255),
        "Look for a wrong value range (0-1 saved as 0-255), or an average of many pictures.",
        unless={"dark"},
    ),
    ViewFaultGroup(
        "noise", "Noise", {"noise", "blotchy", "noisy", "specks"},
        lambda gate: f"noise is a correlation of neighbours below {gate.min_autocorrelation:g} and the input's",
        _beside_input("are noisy: neighbouring pixels correlate by", lambda picture: picture.autocorrelation_1),
        "Check that the generator was trained, and that its weights were loaded.",
    ),
    ViewFaultGroup(
        "sharpness", "Sharpness", {"blurred"},
        lambda gate: f"blurred is below {gate.min_sharpness:g} of the input's sharpness, fine and coarse",
        _beside_input("are blurred: sharpness", lambda picture: picture.sharpness, "{:.3f}".format),
        "Give the generator more detail (more Gaussians, a longer fit), or lower the resolution.",
    ),
    ViewFaultGroup(
        "coverage", "What the views show against their input", {"coverage"},
        lambda gate: f"empty is less than {percent(gate.min_coverage_ratio)} of what the input shows",
        _beside_input("are nearly empty: content covers", lambda picture: picture.coverage, percent),
        "Check whether the cameras are too far away, and whether the generator fills its space.",
    ),
    ViewFaultGroup(
        "black_parts", "Parts of the views that are black", {"black_parts"},
        lambda gate: f"black is {percent(gate.max_black_excess)} more than at the input",
        _beside_input("are black in parts: black covers", lambda picture: picture.black_share, percent),
        "Check whether the whole picture was rendered and written, and whether NaN became 0.",
    ),
    ViewFaultGroup(
        "lines", "Rows, columns and blocks", {"repeated_lines", "seams", "blocks", "streaks"},
        lambda gate: "no rows or columns lost, shifted or repeated, no tiles lost or shuffled, no coarse pixels",
        _list_reasons,
        "Check the writer (strides, tiles, JPEG quality) and the size that is rendered.",
    ),
    ViewFaultGroup(
        "levels", "Levels of the views", {"few_levels"},
        lambda gate: f"few levels is {gate.max_entropy_loss_bits:g} bits less than the input's luminance has",
        _beside_input(
            "have few levels: bits of luminance", lambda picture: picture.entropy_bits, "{:.1f}".format
        ),
        "Look for a wrong type (bool, integers 0-1) and for contrast that was clipped.",
    ),
    ViewFaultGroup(
        "colours", "Colours of the views against their input", {"colours", "foreign_colours", "inverted"},
        lambda gate: (
            f"no channel lost or swapped, no negative, no shift above {gate.max_colour_shift:g}, and no more than "
            f"{percent(gate.max_foreign_colours)} in colours that the input does not have"
        ),
        _list_reasons,
        "Look for BGR read as RGB, a missing channel, 1 - x, and a generator that was not trained.",
    ),
    ViewFaultGroup(
        "orientation", "Which way up the views are", {"upside_down", "mirrored", "quarter"},
        lambda gate: f"turned over is {gate.min_turned_margin:g} more like the input than the view as it is",
        _list_reasons,
        "Look for rows counted from the bottom (OpenGL), an axis with the wrong sign, and swapped axes.",
    ),
    ViewFaultGroup(
        "copy", "Views that are copies of their input", {"copy"},
        lambda gate: f"a copy is within {gate.max_copy_bits} bits of the input's hash",
        _describe_copies,
        "Check that the pose reaches the renderer: copies teach a model to do nothing.",
    ),
    ViewFaultGroup(
        "repeats", "Views that are the same picture", {"repeated"},
        lambda gate: "no two views hold the same bytes",
        _describe_repeated,
        "Check that pose and input reach the renderer, and whether files were copied.",
        unless={"constant"},
    ),
)  # fmt: skip
